"""Sees every connect() that this process makes, below all libraries.

Python's audit events are the only place that no HTTP client, transport or monkeypatched resolver can go around. A hook
cannot be taken away again, so one is installed for the life of the process and speaks only while somebody listens.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["connects"]

_listeners: list[list[tuple[str, int]]] = []
_installed = False


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and _listeners and isinstance(arguments[1], tuple):
        for seen in _listeners:
            seen.append((arguments[1][0], arguments[1][1]))


@contextmanager
def connects() -> Iterator[list[tuple[str, int]]]:
    """The (address, port) of every connect() while the block runs."""
    global _installed  # noqa: PLW0603 - audit hooks are process-wide by nature
    if not _installed:
        sys.addaudithook(_hook)
        _installed = True
    seen: list[tuple[str, int]] = []
    _listeners.append(seen)
    try:
        yield seen
    finally:
        _listeners.remove(seen)
