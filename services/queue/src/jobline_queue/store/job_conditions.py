"""A filter of jobs as conditions of SQL.

States are those of the moment, not of the rows: a job that is handed out is in a lease before its row says `running`, and
which jobs are in leases is in the table of leases, of the same snapshot.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from jobline_queue.core.job_filter import JobFilter
from jobline_queue.core.lifecycle import FINISHED, State
from jobline_queue.store.tables import jobs, leases

Condition = sa.ColumnElement[bool]

_IDS = ARRAY(jobs.c.id.type)
_LIVE = jobs.c.state.in_([State.PENDING, State.RUNNING])
_LEASED_IDS = sa.select(sa.func.unnest(leases.c.job_ids))
#: As a hash of all leased ids, good for most rows of a table …
_NOT_LEASED = jobs.c.id.not_in(_LEASED_IDS)
#: … and as a look-up of each leased id.
_LEASED = jobs.c.id == sa.any_(sa.func.array(_LEASED_IDS.scalar_subquery(), type_=_IDS))

#: What the state of a row is at the moment.
PRESENT_STATE: sa.ColumnElement[str] = sa.case(
    (_LIVE & _NOT_LEASED, sa.literal(State.PENDING.value)), (_LIVE, sa.literal(State.RUNNING.value)), else_=jobs.c.state
)


def conditions(where: JobFilter) -> list[Condition]:
    """All of them must hold."""
    found: list[Condition] = []
    if where.queues:
        found.append(jobs.c.queue.in_(where.queues))
    if where.kind:
        found.append(jobs.c.kind == where.kind)
    if where.owner is not None:
        found.append(jobs.c.owner == where.owner)
    if where.producer is not None:
        found.append(jobs.c.producer == where.producer)
    if where.states:
        found.append(_in_states(frozenset(where.states)))
    if where.error:
        found += [_in_states(frozenset({State.PENDING, State.FAILED})), _has_error(where.error)]
    if where.labels:
        found.append(jobs.c.labels.contains(dict(where.labels)))
    if where.created_after is not None:
        found.append(jobs.c.created_at > where.created_after)
    if where.created_before is not None:
        found.append(jobs.c.created_at < where.created_before)
    if where.ids is not None:
        found.append(jobs.c.id == sa.any_(sa.literal(list(where.ids), _IDS)))
    return found


def _in_states(states: frozenset[Any]) -> Condition:
    ended = sorted(states & FINISHED)
    parts: list[Condition] = [jobs.c.state.in_(ended)] if ended else []
    if {State.PENDING, State.RUNNING} <= states:
        parts.append(_LIVE)
    elif State.RUNNING in states:
        parts.append(_LIVE & _LEASED)
    elif State.PENDING in states:
        parts.append(_LIVE & _NOT_LEASED)
    return sa.or_(*parts)


def _has_error(text: str) -> Condition:
    return (sa.func.lower(jobs.c.error_code) == text.lower()) | jobs.c.error_message.icontains(text, autoescape=True)
