"""What a pipeline may raise, and what each means for the job.

A step that cannot do its work says which of three things it knows: another try may help (`TransientError`), no try will
(`PermanentError`), or not yet (`Snooze`). Everything else that escapes a step is a fault of the pipeline: the job fails
with the code INTERNAL and may be run again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["JobFailure", "PermanentError", "RunStopped", "Snooze", "StepTimeout", "TransientError", "TriesExhausted"]

#: Most characters of a failure's message, the mark of a cut included (JobError.message).
MAX_MESSAGE = 1000

#: The longest a job can be put off, in seconds (Snoozed.delay).
MAX_SNOOZE = 30 * 86400.0

_CODE = re.compile(r"[A-Z0-9_]{1,64}")


def _checked_code(code: str) -> str:
    if not _CODE.fullmatch(code):
        raise ValueError(f"code: expected 1 to 64 characters of A-Z, 0-9 and '_', got {code!r}")
    return code


class TransientError(Exception):
    """The same call may succeed later. `Run.attempt` tries it again; a job that ends with it is retryable.

    `code` is a word for machines, 1 to 64 characters of A-Z, 0-9 and '_'.
    """

    def __init__(self, message: str, *, code: str = "PROVIDER_ERROR") -> None:
        super().__init__(message)
        self.code = _checked_code(code)


class PermanentError(Exception):
    """The same call will fail again. The job fails and is not run again by the system."""

    def __init__(self, message: str, *, code: str = "PROVIDER_ERROR") -> None:
        super().__init__(message)
        self.code = _checked_code(code)


class TriesExhausted(TransientError):
    """Every try of a call failed transiently. `cause` is the last error, `tries` how many there were."""

    def __init__(self, cause: TransientError | TimeoutError, tries: int) -> None:
        count = f" after {tries} attempts" if tries > 1 else ""
        code = cause.code if isinstance(cause, TransientError) else "PROVIDER_ERROR"
        super().__init__(f"{cause}{count}", code=code)
        self.cause = cause
        self.tries = tries


class StepTimeout(TransientError):
    """A step ran longer than its own `timeout`, all its tries included."""

    def __init__(self, step: str, seconds: float) -> None:
        super().__init__(f"timeout: step '{step}' exceeded {seconds:g} seconds", code="TIMEOUT")
        self.step = step
        self.seconds = seconds


class Snooze(Exception):
    """Puts the job off for `delay` seconds (0 to 30 days) without counting an attempt."""

    def __init__(self, delay: float) -> None:
        if not 0 <= delay <= MAX_SNOOZE:
            raise ValueError(f"delay: expected 0 to {MAX_SNOOZE:g} seconds, got {delay!r}")
        super().__init__(f"put off for {delay:g} seconds")
        self.delay = delay


class RunStopped(BaseException):
    """Raised by `CancelToken.raise_if_set`.

    Like asyncio.CancelledError it is no Exception, so that a step's `except Exception` does not swallow the request to
    stop.
    """


@dataclass(frozen=True, slots=True)
class JobFailure:
    """Why a job failed, as it is stored: a message over 1000 characters is cut and ends in '…'."""

    code: str
    message: str
    retryable: bool

    def __post_init__(self) -> None:
        _checked_code(self.code)
        if len(self.message) > MAX_MESSAGE:
            object.__setattr__(self, "message", self.message[: MAX_MESSAGE - 1] + "…")
