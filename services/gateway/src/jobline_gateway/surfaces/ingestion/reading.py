"""The thread in which large bodies are read: megabytes take long enough for everybody else to notice.

It is one for all requests. Python runs one thread at a time, so several would read nothing any sooner; they would hold
several bodies in pieces, and the event loop would stand in line behind all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

__all__ = ["in_the_reading_thread"]

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

_THREAD = ThreadPoolExecutor(1, "bodies")


async def in_the_reading_thread(read: Callable[[*Arguments], T], *args: *Arguments) -> T:
    """What `read` answers or raises, once those that were asked for before are done."""
    return await asyncio.get_running_loop().run_in_executor(_THREAD, read, *args)
