"""How the runs of both pipelines read in the log and in their jobs.

Operators filter the log by the name of the queue, which is the end of each logger's name here, and by the level. A stack
trace goes to the log and nowhere else: of a fault of ours, whose text may hold anything, a job is told the kind only.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from jobline.worker import JobFailure, PermanentError, Run, TransientError

__all__ = ["failure_of", "logger_of", "told"]


def logger_of(queue: str) -> logging.Logger:
    return logging.getLogger(f"jobline_worker.{queue}")


@contextmanager
def told(log: logging.Logger, run: Run) -> Iterator[None]:
    """Says in the log that a run begins, and why it fails."""
    log.info("job %s: run %d of %d begins", run.id, run.number, run.max_attempts)
    try:
        yield
    except Exception as error:
        log.error("job %s: run %d of %d failed: %s", run.id, run.number, run.max_attempts, error, exc_info=error)
        raise


def failure_of(error: BaseException) -> JobFailure:
    """The provider's own words and code. Always worth another run: a job is tried as often as its enqueuer says."""
    match error:
        case TransientError() | PermanentError():
            return JobFailure(error.code, str(error), True)
        case _:
            return JobFailure("INTERNAL", f"internal error ({type(error).__name__})", True)
