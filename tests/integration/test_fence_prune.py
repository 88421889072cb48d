"""A prune works on a connection of its own, so it may meet a job that is being retried: its second look is the fence."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jobline.v1 import queue_service_pb2
from support.eventually import eventually_blocking
from support.fence_field import Field, field_of
from support.mutants import Mutation, mutant
from support.queue_calls import new_job
from support.stack import Databases

POINT = "finish.before_commit"


def retry_while_it_is_pruned(field: Field, gate: Path) -> list[str]:
    """A job is old enough to be pruned; it is retried, and the prune meets its row before the retry is committed."""
    field.calls.enqueue(new_job("pruned"))
    run = field.calls.claim_one("pruned")
    field.calls.fail(run, retryable=False)
    old = "SELECT 1 FROM jobline.jobs WHERE id = %s AND finished_at < now() - interval '200 ms'"
    eventually_blocking(lambda: field.service.execute(old, run.job_id), what="it is past its retention")
    hits = field.service.log.count(POINT)
    gate.unlink()
    with ThreadPoolExecutor(2) as pool:
        retried = pool.submit(field.calls.retry, run.job_id)
        eventually_blocking(lambda: field.service.log.count(POINT) > hits, what="the retry is not committed")
        pruned = pool.submit(field.calls.queues.PruneJobs, queue_service_pb2.PruneJobsRequest(queue="pruned"))
        waits = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        eventually_blocking(lambda: field.service.execute(waits), what="the prune waits for the row")
        gate.touch()
        retried.result(20)
        pruned.result(20)
    return field.no_longer(run.job_id, "pending")


@pytest.mark.parametrize("crippled", [False, True])
def test_a_prune_leaves_alone_what_is_retried_meanwhile_by_its_second_look(
    crippled: bool, databases: Databases, tmp_path: Path
):
    gate = tmp_path / "gate"
    gate.touch()
    second_look = Mutation(
        "store/sql/prune_jobs.sql", "(SELECT id FROM old) AND finished_at IS NOT NULL", "(SELECT id FROM old)"
    )
    settings = mutant(tmp_path, second_look) if crippled else {}
    settings["JOBLINE_FAILPOINTS"] = f"{POINT}=wait:{gate}"
    with databases.fresh() as url, field_of(url, tmp_path, **settings) as field:
        assert bool(retry_while_it_is_pruned(field, gate)) == crippled
