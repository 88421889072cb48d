"""The command line's way to the queue service, and what it says when the call fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from jobline.client import JoblineClient
from jobline.errors import DeadlineExceeded, JoblineError, NotActive, PermissionDenied, Unauthenticated, Unavailable
from jobline.runtime import Settings

__all__ = ["CallFailed", "connect"]

#: Seconds for one call, repetitions included: somebody sits in front of it.
_DEADLINE = 5.0


class CallFailed(Exception):
    """A call failed. The text is one sentence for the person at the terminal."""


@contextmanager
def connect() -> Iterator[JoblineClient]:
    """A client for the service that the settings name. Raises SettingsError, and CallFailed for what a call raises."""
    settings = Settings()
    addresses = settings.queue_addresses()
    token = settings.require(
        "JOBLINE_TOKEN", settings.endpoints.operator_token, "the queue service wants a token with role operator"
    )
    try:
        with JoblineClient(addresses, token, deadline=_DEADLINE) as client:
            yield client
    except JoblineError as error:
        raise CallFailed(_sentence(error, addresses)) from error


def _sentence(error: JoblineError, addresses: Sequence[str]) -> str:
    tried = ", ".join(addresses)
    match error:
        case NotActive():
            return f"no active queue service at {tried} (JOBLINE_QUEUE_ADDRESS), only standbys: {error}"
        case Unavailable() if error.reason:
            return f"the queue service at {tried} cannot serve now: {error}"
        case Unavailable() | DeadlineExceeded():
            return (
                f"no queue service answers at {tried}: start one with `jobline up` or `jobline-queue serve`,"
                f" or set JOBLINE_QUEUE_ADDRESS ({error})"
            )
        case Unauthenticated() | PermissionDenied():
            return f"{error} (JOBLINE_TOKEN must be a token of {tried} with role operator)"
        case _:
            return str(error)
