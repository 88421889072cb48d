"""The sentences that users read when a step fails. Clients look for some of these words, so they are literal."""

from __future__ import annotations

from jobline.worker import JobFailure, PermanentError, TransientError, TriesExhausted
from jobline_worker.providers.errors import NoAnswer

__all__ = ["MAX_ERROR_LENGTH", "cause_text", "failure_of", "is_no_answer"]

#: What the queue item's `error_message` can hold, in characters.
MAX_ERROR_LENGTH = 1000

WEB_SCRAPING_TIMEOUT = (
    "Web scraping timeout: No results found for search terms after 3 attempts. "
    "Please verify recipient information and try again."
)


def failure_of(step: str, error: BaseException) -> JobFailure:
    """The job's failure for an error that left a step. Never worth another run: the item's failure is final."""
    code = error.code if isinstance(error, TransientError | PermanentError) else "INTERNAL"
    if step == "web_scraper" and isinstance(error, TriesExhausted) and is_no_answer(error):
        return JobFailure(code, WEB_SCRAPING_TIMEOUT, False)
    return JobFailure(code, f"Step '{step}' failed: {cause_text(error, MAX_ERROR_LENGTH - 100)}", False)


def is_no_answer(error: BaseException) -> bool:
    """Whether the provider could not be reached or did not answer in time (as opposed to: answered badly)."""
    cause = error.cause if isinstance(error, TriesExhausted) else error
    return isinstance(cause, NoAnswer | TimeoutError)


def cause_text(error: BaseException, length: int = 300) -> str:
    """A short cause: contains `timeout` for a time-out, ends in `after 3 attempts` when the tries were used up.

    An error that is not a provider's is a fault of ours; its text may hold anything, so only its kind is told.
    """
    match error:
        case TriesExhausted():
            return f"{cause_text(error.cause, length)} after {error.tries} attempts"
        case TransientError() | PermanentError():
            text = str(error) or type(error).__name__
        case TimeoutError():
            said = str(error)
            text = said if "timeout" in said else "timeout: no answer within the step's time limit"
        case _:
            text = f"internal error ({type(error).__name__})"
    return text if len(text) <= length else text[: length - 1] + "…"
