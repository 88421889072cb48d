"""Child processes that cannot outlive the stack: spawn, await the end, stop in steps."""

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jobline_local.server_user import ServerUser

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Program:
    """What to run and how to end it."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    cwd: str | None = None
    user: ServerUser | None = None
    stdin: bytes = b""
    log: Path | None = None
    """File that takes the output; None leaves it on standard error."""
    death_signal: signal.Signals = signal.SIGKILL
    """Sent by the kernel when the parent dies, however it dies (Linux)."""
    stop_steps: tuple[tuple[signal.Signals, float], ...] = ((signal.SIGTERM, 30.0),)
    """Signals of an orderly stop, each with the seconds to wait for its effect; SIGKILL follows the last."""


class Child:
    """One running program, leader of a session of its own."""

    def __init__(self, program: Program) -> None:
        """Starts the program.

        Call it from the main thread: the kernel ties `death_signal` to the thread that forks.
        """
        self.program = program
        with contextlib.ExitStack() as files:
            output = files.enter_context(program.log.open("ab")) if program.log else sys.stderr.fileno()
            self._process = subprocess.Popen(
                program.argv,
                env=dict(program.env),
                cwd=program.cwd,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_die_with_parent(program.death_signal),  # noqa: PLW1509 - one system call, nothing that locks
                user=program.user.uid if program.user else None,
                group=program.user.gid if program.user else None,
                extra_groups=[] if program.user else None,
            )
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self._process.stdin as pipe:
            pipe.write(program.stdin)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def exited(self) -> int:
        """Waits for the end; the exit code, or minus the number of the signal that killed it."""
        while (code := self._process.poll()) is None:  # noqa: ASYNC110 - no portable event tells of the end
            await asyncio.sleep(0.05)
        return code

    async def stop(self) -> None:
        """Ends the program step by step, then whatever is left in its process group."""
        for step, seconds in self.program.stop_steps:
            if self._process.poll() is not None:
                break
            self._process.send_signal(step)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.exited(), seconds)
        self.kill_group()
        await self.exited()

    def kill_group(self) -> None:
        """SIGKILL to the program and to every process that it left behind in its group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


async def run_to_end(program: Program) -> int:
    """Runs a program that ends by itself; its exit code. It is killed when the caller is cancelled."""
    child = Child(program)
    try:
        return await child.exited()
    finally:
        child.kill_group()


def _die_with_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    if _libc is None:
        return None
    prctl, parent, number = _libc.prctl, os.getpid(), int(death_signal)

    def arm() -> None:
        prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # the parent died before the signal was armed
            os.kill(os.getpid(), signal.SIGKILL)

    return arm
