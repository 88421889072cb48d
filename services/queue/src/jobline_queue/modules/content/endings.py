"""How ends of content jobs are worded, whatever their kind."""

from __future__ import annotations

from dataclasses import replace

from jobline_queue.core.ending import RunEnd
from jobline_queue.core.lifecycle import Arrow

WORKER_LOST = "Worker lost"


def worded(end: RunEnd) -> RunEnd:
    """The end as the surface tells it: a run that was lost with its worker says no more than that."""
    if end.arrow is Arrow.RESCUE and end.error:
        return replace(end, error=replace(end.error, message=WORKER_LOST))
    return end
