"""The command line's way to the queue service, and what it says when the call fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from jobline.client import JoblineClient
from jobline.errors import DeadlineExceeded, JoblineError, NotActive, PermissionDenied, Unauthenticated, Unavailable
from jobline.runtime import Settings

__all__ = ["DEADLINE", "CallFailed", "Service", "connect", "failure", "find_service"]

#: Seconds for one call, repetitions included: somebody sits in front of it.
DEADLINE = 5.0


class CallFailed(Exception):
    """A call failed. The text is one sentence for the person at the terminal."""


class Service(NamedTuple):
    """The queue service that the settings name, with a token for it."""

    addresses: tuple[str, ...]
    token: str

    @property
    def name(self) -> str:
        return ", ".join(self.addresses)


def find_service() -> Service:
    """Raises SettingsError."""
    settings = Settings()
    addresses = settings.queue_addresses()
    token = settings.require(
        "JOBLINE_TOKEN", settings.endpoints.operator_token, "the queue service wants a token with role operator"
    )
    return Service(tuple(addresses), token)


@contextmanager
def connect() -> Iterator[JoblineClient]:
    """A client for the service that the settings name. Raises SettingsError, and CallFailed for what a call raises."""
    service = find_service()
    try:
        with JoblineClient(service.addresses, service.token, deadline=DEADLINE) as client:
            yield client
    except JoblineError as error:
        raise CallFailed(failure(error, service)) from error


def failure(error: JoblineError, service: Service) -> str:
    """What a failed call means, and what to do."""
    tried = service.name
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
