"""How an error of a step reads in a job's status. Both pipelines of the jobs API say it alike."""

from __future__ import annotations

from jobline.worker import JobFailure, PermanentError, TransientError

__all__ = ["failure_of"]


def failure_of(error: BaseException) -> JobFailure:
    """The provider's own words and code; of an error that is a fault of ours, whose text may hold anything, the kind only.

    Never worth another run by itself: the client decides.
    """
    match error:
        case TransientError() | PermanentError():
            return JobFailure(error.code, str(error) or type(error).__name__, False)
        case _:
            return JobFailure("INTERNAL", f"internal error ({type(error).__name__})", False)
