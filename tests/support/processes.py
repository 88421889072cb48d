"""Real processes of the product under test: started in an environment of their own, ended by number."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from jobline.runtime import Endpoints, read_endpoints
from support.eventually import eventually_blocking

_JOBLINE = "from jobline.cli.main import main; main()"
_READY_SECONDS = 60.0
_STOP_SECONDS = 60.0


_NOT_INHERITED = {"CRON_SECRET", "COLUMNS", "LINES"}


def clean_environ(**settings: str) -> dict[str, str]:
    """This process's environment without any setting of Jobline and without a terminal's size, plus `settings`."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("JOBLINE_") and k not in _NOT_INHERITED}
    return {**kept, **settings}


def living(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run; one that ended and waits for its parent to notice does not."""
    return [process for process in processes if _runs(process)]


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class ProgramUnderTest:
    """A program, Python unless told otherwise, its standard output and error in files."""

    def __init__(
        self,
        arguments: tuple[str, ...],
        environ: Mapping[str, str],
        logs: Path,
        name: str,
        *,
        program: str = sys.executable,
    ) -> None:
        self.output = logs / f"{name}.out"
        self.errors = logs / f"{name}.err"
        with self.output.open("wb") as output, self.errors.open("wb") as errors:
            self._process = subprocess.Popen(
                (program, *arguments), env=dict(environ), stdout=output, stderr=errors, stdin=subprocess.DEVNULL
            )
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.poll()

    def family(self) -> list[psutil.Process]:
        """The process with all its descendants, as of now."""
        root = psutil.Process(self.pid)
        return [root, *root.children(recursive=True)]

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, seconds: float = _STOP_SECONDS) -> int:
        """The exit code."""
        return self._process.wait(seconds)

    def stop(self) -> int:
        """Asks it to end, as an operator does; the exit code."""
        self.send(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """Ends it and its descendants for certain."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in reversed(self.family()):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        self.wait()


class StackUnderTest(ProgramUnderTest):
    """`jobline up` on a data directory, listening on free ports and without the chores unless told otherwise."""

    def __init__(self, data_dir: Path, logs: Path, *arguments: str, **settings: str) -> None:
        self.data_dir = data_dir
        free = {f"JOBLINE_{name}_PORT": "0" for name in ("GATEWAY", "QUEUE", "WORKER")}
        environ = clean_environ(**{"JOBLINE_DATA_DIR": str(data_dir), "JOBLINE_CRON": "off", **free, **settings})
        super().__init__(("-c", _JOBLINE, "up", *arguments), environ, logs, "up")

    def wait_ready(self) -> str:
        """The `ready` line, once it is there."""

        def ready_line() -> str | None:
            lines = [line for line in self.output.read_text().splitlines() if line.startswith("ready ")]
            if not lines and self.returncode is not None:
                raise RuntimeError(f"ended with {self.returncode} before it was ready:\n{self.errors.read_text()}")
            return lines[-1] if lines else None

        line = eventually_blocking(ready_line, within=_READY_SECONDS, what="the stack is ready")
        assert line
        return line

    @property
    def endpoints(self) -> Endpoints:
        return read_endpoints(self.data_dir)

    def part(self, *words: str) -> psutil.Process | None:
        """The child of the supervisor whose command line has these words; None while there is none."""
        for child in psutil.Process(self.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if all(word in " ".join(child.cmdline()) for word in words) and _runs(child):
                    return child
        return None


@contextlib.contextmanager
def running_stack(data_dir: Path, logs: Path, *arguments: str, **settings: str) -> Iterator[StackUnderTest]:
    """A stack that is ready; killed with everything it started if the test leaves it running."""
    stack = StackUnderTest(data_dir, logs, *arguments, **settings)
    try:
        stack.wait_ready()
        yield stack
    finally:
        if stack.returncode is None:
            stack.kill()
