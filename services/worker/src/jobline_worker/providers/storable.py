"""Text from outside, made fit to be stored: neither PostgreSQL nor JSON on the wire takes NUL or lone surrogates."""

from __future__ import annotations

import re

__all__ = ["storable"]

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """The text with every NUL and lone surrogate replaced by U+FFFD, so its length stays the same."""
    return _UNSTORABLE.sub("\ufffd", text)
