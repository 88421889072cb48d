"""What the supervisor needs to know about anything it keeps alive."""

from typing import Protocol

from jobline_local.child import Program


class Service(Protocol):
    """A program that is prepared, started, and asked until it answers; the same again after each of its deaths."""

    @property
    def name(self) -> str:
        """One word, used in messages and as the name of the log file."""
        ...

    async def prepare(self) -> None:
        """Everything that must be true before a start, also after a crash."""
        ...

    def program(self) -> Program:
        """What to run."""
        ...

    async def ready(self) -> None:
        """Returns once the service answers; cancelled when it exits or takes too long."""
        ...
