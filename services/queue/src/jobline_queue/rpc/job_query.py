"""Which jobs a request asks for: its filter, narrowed to what the caller may see, and its order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

from jobline.v1 import job_service_pb2 as pb
from jobline_queue.core.errors import invalid
from jobline_queue.core.job_filter import JobFilter, JobOrder, JobPlace, JobRow, Sorting
from jobline_queue.core.json_text import check_text
from jobline_queue.core.lifecycle import State
from jobline_queue.core.new_job import MAX_OWNER
from jobline_queue.dispatch.dispatcher import Dispatcher
from jobline_queue.rpc import page_token, rights
from jobline_queue.rpc.convert import epoch
from jobline_queue.rpc.job_message import STATE_WORDS
from jobline_queue.rpc.principal import Principal

_ORDERS = {
    pb.JOB_ORDER_UNSPECIFIED: JobOrder.CREATED,
    **{pb.JobOrder.Value(f"JOB_ORDER_{order.name}"): order for order in JobOrder},
}
_MAX_QUEUES = 1000
_LIVE = frozenset({State.PENDING, State.RUNNING})
#: To look through so many takes the event loop less than a millisecond.
_FEW = 5000


class JobQuery(NamedTuple):
    """A page of a list of jobs."""

    where: JobFilter
    sorting: Sorting
    after: JobPlace | None
    size: int


def job_query(request: pb.ListJobsRequest, principal: Principal) -> JobQuery:
    """Raises InvalidField."""
    size = request.page_size or 50
    if not 1 <= size <= 500:
        raise invalid("page_size", "expected 1 to 500")
    if request.order not in _ORDERS:
        raise invalid("order", "expected a JobOrder")
    sorting = Sorting(_ORDERS[request.order], request.ascending)
    after = page_token.decode_job(request.page_token, sorting) if request.page_token else None
    return JobQuery(job_filter(request.filter, principal), sorting, after, size)


def token_behind(row: JobRow, sorting: Sorting) -> str:
    """The token of the page that begins behind a row."""
    value = None if sorting.order is JobOrder.CREATED else row[sorting.order]
    return page_token.encode_job(sorting, JobPlace(value, row["id"]))


def job_filter(message: pb.JobFilter, principal: Principal) -> JobFilter:
    """Raises InvalidField, which names fields as `filter.…`."""
    visible = rights.visible(principal)
    owner = check_text("filter.owner", message.owner, MAX_OWNER)
    if len(message.queues) > _MAX_QUEUES:
        raise invalid("filter.queues", f"expected at most {_MAX_QUEUES} names")
    return JobFilter(
        queues=[check_text(f"filter.queues[{index}]", each, 64) for index, each in enumerate(message.queues)],
        kind=check_text("filter.kind", message.kind, 64),
        owner=rights.narrowed(visible, owner),
        producer=visible.producer,
        states=_states(message),
        labels={
            check_text("filter.labels", key, 64): check_text("filter.labels", value, 255)
            for key, value in message.labels.items()
        },
        created_after=_time("created_after", message),
        created_before=_time("created_before", message),
        error=check_text("filter.error", message.error, 255),
    )


def among_live(where: JobFilter, dispatcher: Dispatcher) -> JobFilter:
    """The same jobs, found faster: memory knows those that live, and while they are few nobody need search the table."""
    if not where.states or not _LIVE.issuperset(where.states) or len(dispatcher.jobs) > _FEW:
        return where
    queues = set(where.queues) or dispatcher.queues.keys()
    return replace(where, ids=[job.id for job in dispatcher.jobs.values() if job.queue in queues])


def described(where: JobFilter) -> str:
    """A filter for the history: what it is set to, by the names of its fields."""
    words = {
        "queues": ", ".join(where.queues),
        "kind": where.kind,
        "owner": where.owner,
        "producer": where.producer,
        "states": ", ".join(where.states),
        "labels": ", ".join(f"{key}={value}" for key, value in sorted(where.labels.items())),
        "created after": where.created_after and where.created_after.isoformat(),
        "created before": where.created_before and where.created_before.isoformat(),
        "error": where.error,
    }
    return ", ".join(f"{name} {word}" for name, word in words.items() if word)


def _states(message: pb.JobFilter) -> list[str]:
    for index, state in enumerate(message.states):
        if state not in STATE_WORDS:
            raise invalid(f"filter.states[{index}]", "expected a JobState other than UNSPECIFIED")
    return sorted({STATE_WORDS[state] for state in message.states})


def _time(name: str, message: pb.JobFilter) -> datetime | None:
    value = epoch(f"filter.{name}", message, name)
    return None if value is None else datetime.fromtimestamp(value, UTC)
