"""What one kind of stream shows: the part of it that is the surface's own, its words and its envelope."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, NamedTuple

from pydantic_core import to_json
from sse_starlette import ServerSentEvent

from jobline.v1 import job_pb2
from jobline_gateway.live.change import Change
from jobline_gateway.live.places import eta_json

__all__ = ["EtaOf", "Feed", "Look", "event"]

#: What is known of a job's end, as events show it.
EtaOf = Callable[[str], dict[str, object] | None]


def event(name: str, data: Any, id: str | None = None) -> bytes:
    """A server-sent event with this JSON."""
    return ServerSentEvent(to_json(data).decode(), event=name, id=id, sep="\n").encode()


class Look(NamedTuple):
    """Everything there is to see now, as the surface's own list answers it, and the jobs in it that live."""

    data: Any
    living: Sequence[str]


class Feed(ABC):
    """One stream's. `topics` are what it listens to; `over` is set once there will be nothing more to show."""

    REST_AFTER: ClassVar[float] = 120.0
    #: Whether who comes back goes on where they were; if not, each stream begins with a look.
    RESUMES: ClassVar[bool] = True

    topics: Sequence[str]
    over = False

    @property
    def rest_after(self) -> float:
        """How many seconds may pass without a change before `rest` is called."""
        return self.REST_AFTER

    @abstractmethod
    async def look(self) -> Look:
        """Asks for what the caller may see, with the caller's rights as they are now. Raises Problem or ServiceError."""

    async def confirm(self) -> None:
        """Asks whether the caller may still look, where more than the token says so. Raises Problem or ServiceError."""
        return

    @abstractmethod
    def show(self, change: Change) -> bytes:
        """The event of a change, without an id: the same for everybody who listens to its topic. Empty: it is not shown."""

    def seen(self, look: Look, change_id: str) -> bytes:
        return event("resync", look.data, change_id)

    async def changed(self, changes: Iterable[Change]) -> bytes:
        return b"".join(map(self._numbered, changes))

    def placed(self, places: Iterable[job_pb2.JobPlace]) -> bytes:
        return event(
            "places", [{"id": each.id, "position": each.position or None, "eta": eta_json(each)} for each in places]
        )

    async def rest(self, change_id: str) -> bytes:
        """A line that moves what the client comes back with: else it would fall out of what is kept, for want of changes."""
        return f"id: {change_id}\n\n".encode()

    def unnumbered(self, change: Change) -> bytes:
        if change.text is None:
            change.text = self.show(change)
        return change.text

    def _numbered(self, change: Change) -> bytes:
        text = self.unnumbered(change)
        return b"id: %s\n%s" % (change.change_id.encode(), text) if text else b""
