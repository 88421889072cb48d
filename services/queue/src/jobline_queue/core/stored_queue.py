"""What operators have set of a queue, as its row keeps it over terms: its pause, and its limit."""

from __future__ import annotations

from typing import NamedTuple


class Pause(NamedTuple):
    """Who paused a queue, and when (epoch seconds; None: nobody did, or nobody knows)."""

    actor: str
    since: float | None = None
    reason: str = ""


#: The queue's policy says that it begins paused, and no operator has said otherwise.
BY_POLICY = Pause("policy")


class StoredQueue(NamedTuple):
    """A row of load_queues.sql."""

    name: str
    #: None: as the queue's policy says.
    paused: bool | None
    paused_by: str
    paused_at: float | None
    pause_reason: str
    #: None: as the queue's policy says.
    max_running: int | None

    def pause(self, by_policy: Pause | None) -> Pause | None:
        """The pause that is in force; `by_policy` where no operator has paused or resumed the queue."""
        if self.paused is None:
            return by_policy
        return Pause(self.paused_by, self.paused_at, self.pause_reason) if self.paused else None
