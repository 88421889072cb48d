"""Waiting in tests: ask again and again until a deadline. The only place under tests/ that sleeps."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")

_EVERY_SECONDS = 0.02


@overload
async def eventually(check: Callable[[], Awaitable[T]], *, within: float = ..., what: str = ...) -> T: ...
@overload
async def eventually(check: Callable[[], T], *, within: float = ..., what: str = ...) -> T: ...
async def eventually(check: Callable[[], T | Awaitable[T]], *, within: float = 10.0, what: str = "") -> T:
    """The first true value of `check`, which may be a coroutine function and may use `assert`.

    Raises:
        AssertionError: `within` seconds passed; the check's own assertion when its last try raised one.
    """
    deadline = time.monotonic() + within
    while True:
        failure: AssertionError | None = None
        try:
            answer = check()
            value = await answer if inspect.isawaitable(answer) else answer
            if value:
                return value
        except AssertionError as error:
            failure = error
        if time.monotonic() > deadline:
            raise failure or AssertionError(_complaint(what, within))
        await asyncio.sleep(_EVERY_SECONDS)


def eventually_blocking(check: Callable[[], T], *, within: float = 10.0, what: str = "") -> T:
    """The same for tests and fixtures without an event loop."""
    deadline = time.monotonic() + within
    while True:
        failure: AssertionError | None = None
        try:
            if value := check():
                return value
        except AssertionError as error:
            failure = error
        if time.monotonic() > deadline:
            raise failure or AssertionError(_complaint(what, within))
        time.sleep(_EVERY_SECONDS)  # noqa: TID251 - the one blocking wait of the tests


def _complaint(what: str, within: float) -> str:
    return f"not within {within:g} s: {what or 'the condition held'}"
