"""What the monitor is asked: filters, orders, pages and the bodies of acts, with their bounds.

A filter reads the same in a query and in a body. Left out, empty and null are one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args

from fastapi import Request
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from starlette.datastructures import QueryParams

from jobline.v1 import job_pb2, job_service_pb2
from jobline_gateway import fields
from jobline_gateway.checking import parse_object, validated
from jobline_gateway.problems import Problem

__all__ = ["BulkAct", "EventQuery", "Filter", "JobQuery", "Reason", "TrendQuery", "body_of", "new_limit_of", "query_of"]

State = Literal["pending", "running", "succeeded", "failed", "cancelled"]
Order = Literal["created", "updated", "finished", "runAt", "priority", "attempt"]
Direction = Literal["desc", "asc"]
Range = Literal["1h", "24h", "7d"]
Act = Literal["retry", "cancel"]

MAX_NAME = 64
MAX_QUEUES = 100
MAX_OWNER = 264
MAX_ERROR = 255
MAX_REASON = 255
MAX_ACTOR = 264
MAX_PAGE = 500
MAX_LIMIT = 100_000
#: What the contract can say; nowhere are so many jobs.
MAX_COUNT = 2**63 - 1

_STATES = {word: job_pb2.JobState.Value(f"JOB_STATE_{word.upper()}") for word in get_args(State)}
_ORDERS = {
    "created": job_service_pb2.JOB_ORDER_CREATED,
    "updated": job_service_pb2.JOB_ORDER_UPDATED,
    "finished": job_service_pb2.JOB_ORDER_FINISHED,
    "runAt": job_service_pb2.JOB_ORDER_RUN_AT,
    "priority": job_service_pb2.JOB_ORDER_PRIORITY,
    "attempt": job_service_pb2.JOB_ORDER_ATTEMPT,
}
#: Hours that are looked back, and into how many points: of a minute, of a quarter of an hour, of an hour.
_RANGES: Mapping[str, tuple[int, int]] = {"1h": (1, 60), "24h": (24, 96), "7d": (168, 168)}


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)

    #: Parameters that a query may repeat; of the others the last value counts.
    repeated: ClassVar[Sequence[str]] = ()


class Filter(_Model):
    """Which jobs."""

    repeated = ("queue", "state")

    queue: Annotated[list[str], fields.strings(MAX_QUEUES, MAX_NAME)] | None = None
    kind: Annotated[str, fields.text(1, MAX_NAME)] | None = None
    owner: Annotated[str, fields.text(1, MAX_OWNER)] | None = None
    state: list[Annotated[State, fields.one_of(get_args(State))]] | None = None
    error: Annotated[str, fields.text(1, MAX_ERROR)] | None = None
    created_after: Annotated[datetime, fields.timestamp] | None = None
    created_before: Annotated[datetime, fields.timestamp] | None = None

    def message(self) -> job_service_pb2.JobFilter:
        wanted = job_service_pb2.JobFilter(
            queues=self.queue or (),
            kind=self.kind or "",
            owner=self.owner or "",
            states=[_STATES[word] for word in self.state or ()],
            error=self.error or "",
        )
        if self.created_after is not None:
            wanted.created_after.FromDatetime(self.created_after)
        if self.created_before is not None:
            wanted.created_before.FromDatetime(self.created_before)
        return wanted


class JobQuery(Filter):
    """A page of jobs."""

    order: Annotated[Order, fields.one_of(get_args(Order))] | None = None
    dir: Annotated[Direction, fields.one_of(get_args(Direction))] | None = None
    cursor: Annotated[str, fields.cursor] | None = None
    limit: Annotated[int, fields.limit(MAX_PAGE)] | None = None

    def request(self) -> job_service_pb2.ListJobsRequest:
        return job_service_pb2.ListJobsRequest(
            filter=self.message(),
            order=_ORDERS[self.order or "created"],
            ascending=self.dir == "asc",
            page_token=self.cursor or "",
            page_size=self.limit or 0,
        )


class TrendQuery(_Model):
    """What one queue, or each, did in a stretch of time until now."""

    queue: Annotated[str, fields.text(1, MAX_NAME)] | None = None
    range: Annotated[Range, fields.one_of(get_args(Range))] | None = None

    @property
    def hours_and_points(self) -> tuple[int, int]:
        return _RANGES[self.range or "1h"]


class EventQuery(_Model):
    """A page of the history of acts."""

    queue: Annotated[str, fields.text(1, MAX_NAME)] | None = None
    actor: Annotated[str, fields.text(1, MAX_ACTOR)] | None = None
    name: Annotated[str, fields.text(1, MAX_NAME)] | None = None
    with_system: Annotated[Literal["true", "false"], fields.one_of(("true", "false"))] | None = None
    cursor: Annotated[str, fields.cursor] | None = None
    limit: Annotated[int, fields.limit(MAX_PAGE)] | None = None


class Reason(_Model):
    """Why somebody does something, for the history."""

    reason: Annotated[str, fields.text(0, MAX_REASON)] | None = None


class NewLimit(_Model):
    """How many jobs of a queue may run at once; null: as many as its policy says."""

    max_running: Annotated[int, fields.integer(1, MAX_LIMIT)] | None = None


class BulkAct(Reason):
    """An act on every job that a filter chooses."""

    act: Annotated[Act, fields.one_of(get_args(Act))]
    filter: Annotated[dict[str, Any], fields.json_object]
    dry_run: Annotated[bool, fields.flag] | None = None
    expected_count: Annotated[int, fields.integer(0)] | None = None

    def chosen(self) -> job_service_pb2.JobFilter:
        """Raises Problem 400 about the first bad field of the filter."""
        return validated(Filter, _given(self.filter)).message()

    def expected(self) -> int | None:
        return None if self.expected_count is None else min(self.expected_count, MAX_COUNT)


Model = TypeVar("Model", bound=_Model)


def query_of(request: Request, model: type[Model]) -> Model:
    """The parameters that `model` knows. Raises Problem 400."""
    return validated(model, _given(_values(request.query_params, model.repeated)))


async def body_of(request: Request, model: type[Model], *, required: bool = True) -> Model:
    """What `model` knows of the JSON object in the body; no body is an empty object unless one is required. Raises
    Problem."""
    body = await request.body()
    return validated(model, parse_object(body) if body or required else {})


async def new_limit_of(request: Request) -> int | None:
    """The limit in the body. It must be there, even if it is null: who misspells its name would reset it. Raises Problem."""
    content = parse_object(await request.body())
    if "maxRunning" not in content:
        raise Problem(400, "maxRunning must be given, a number or null")
    return validated(NewLimit, content).max_running


def _values(query: QueryParams, repeated: Sequence[str]) -> dict[str, Any]:
    several: dict[str, Any] = {name: query.getlist(name) for name in repeated if name in query}
    # The `+` of an offset that was not percent-encoded arrives as a blank.
    times = {name: query[name].replace(" ", "+") for name in ("createdAfter", "createdBefore") if name in query}
    return {**query, **several, **times}


def _given(content: Mapping[str, Any]) -> dict[str, Any]:
    """`content` without what is empty."""
    return {name: value for name, value in content.items() if value not in ("", [""], [])}
