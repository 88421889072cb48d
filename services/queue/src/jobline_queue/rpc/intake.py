"""The one way in for jobs: checks every job of a call, by the core's rules and its module's, then stores all or none."""

from __future__ import annotations

from collections.abc import Sequence

import uuid_utils

from jobline_queue.core.errors import FieldProblem, InvalidField, invalid
from jobline_queue.core.new_job import NewJob, Terms
from jobline_queue.dispatch.active import QueueCore
from jobline_queue.dispatch.enqueuer import Enqueued
from jobline_queue.dispatch.hooks import KindHooks

MAX_JOBS = 1000
MAX_PROBLEMS = 100


async def store_jobs(core: QueueCore, jobs: Sequence[NewJob], producer: str, request_id: str) -> list[Enqueued]:
    """Raises InvalidField with every bad field of the call, TooLarge, IdempotencyConflict or DatabaseUnavailable."""
    if not 1 <= len(jobs) <= MAX_JOBS:
        raise invalid("jobs", f"expected 1 to {MAX_JOBS} jobs, got {len(jobs)}")
    problems: list[FieldProblem] = []
    passed: dict[Terms, KindHooks | None] = {}
    for index, job in enumerate(jobs):
        try:
            _check(core, job, f"jobs[{index}].", passed)
        except InvalidField as error:
            problems.extend(error.problems)
            if len(problems) >= MAX_PROBLEMS:
                break
    if problems:
        raise InvalidField(problems)
    return await core.active.enqueuer.enqueue(jobs, producer, request_id or str(uuid_utils.uuid7()))


def check_job(core: QueueCore, job: NewJob, path: str) -> None:
    """Checks one job by the same rules, `path` before each field's name. Raises InvalidField or TooLarge."""
    _check(core, job, path, {})


def _check(core: QueueCore, job: NewJob, path: str, passed: dict[Terms, KindHooks | None]) -> None:
    """`passed` are the terms of the call that were found good, with the hooks of their kind: most calls have one."""
    terms = job.terms
    if terms not in passed:
        job.check_terms(path)
        passed[terms] = core.hooks.of(job.kind)
    job.check_own(path)
    hooks = passed[terms]
    if hooks is not None:
        hooks.check(job, path)
