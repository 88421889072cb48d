"""A pseudo-terminal: what a program shows to a person."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import termios
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path


class Screen:
    """A pseudo-terminal, and everything that a program has written to it so far."""

    def __init__(self, master: int) -> None:
        self._master = master
        self._seen = b""

    def resize(self, columns: int, lines: int) -> None:
        """The program is not told: it would be by SIGWINCH."""
        termios.tcsetwinsize(self._master, (lines, columns))

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def text(self) -> str:
        while select.select([self._master], [], [], 0)[0]:
            try:
                chunk = os.read(self._master, 65536)
            except OSError:
                # The other side is closed.
                break
            if not chunk:
                break
            self._seen += chunk
        return self._seen.decode("utf-8", "replace")


@contextlib.contextmanager
def on_terminal(
    command: Sequence[str | Path], environ: Mapping[str, str]
) -> Iterator[tuple[subprocess.Popen[bytes], Screen]]:
    """A program whose three streams are a terminal of 160 columns and 30 lines; killed if it still runs at the end."""
    master, slave = pty.openpty()
    screen = Screen(master)
    screen.resize(160, 30)
    environ = {**environ, "TERM": "xterm-256color"}
    program = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environ)
    os.close(slave)
    try:
        yield program, screen
    finally:
        program.kill()
        program.wait()
        os.close(master)
