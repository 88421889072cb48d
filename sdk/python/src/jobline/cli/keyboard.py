"""The keyboard while a picture fills the terminal: nothing typed shows, and none of it reaches the shell afterwards."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["quiet_keyboard"]

_LOCAL_FLAGS, _CHARACTERS = 3, 6


@contextmanager
def quiet_keyboard(on_key: Callable[[bytes], object]) -> Iterator[None]:
    """Calls `on_key` with what is typed, in the running loop. Ctrl-C stays a signal; Ctrl-Z, which would leave the shell
    without echo and cursor, does nothing. Does nothing where standard input is no terminal."""
    if not sys.stdin.isatty():
        yield
        return
    keyboard, loop = sys.stdin.fileno(), asyncio.get_running_loop()
    before = termios.tcgetattr(keyboard)
    quiet = termios.tcgetattr(keyboard)
    quiet[_LOCAL_FLAGS] &= ~(termios.ECHO | termios.ICANON)
    quiet[_CHARACTERS][termios.VSUSP] = bytes([os.fpathconf(keyboard, "PC_VDISABLE")])
    termios.tcsetattr(keyboard, termios.TCSAFLUSH, quiet)
    loop.add_reader(keyboard, lambda: on_key(os.read(keyboard, 1024)))
    try:
        yield
    finally:
        loop.remove_reader(keyboard)
        termios.tcsetattr(keyboard, termios.TCSAFLUSH, before)
