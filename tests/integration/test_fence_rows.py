"""Each condition in the statements holds something up: without it, the same scenario goes wrong.

Memory decides what a flush does, and the statement asks the row once more. So each scenario changes a row behind the
service's back, as an operator's SQL, a deleted user or a service of an earlier term would, and then lets the service act.
It runs twice: on the real service, where it ends well, and on a mutant whose statement lacks the one condition.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import psycopg
import pytest
import uuid_utils

from jobline.v1 import queue_service_pb2
from support.email_user import RESULT, User, claim_item
from support.eventually import eventually_blocking
from support.fence_field import Field, field_of, said
from support.mutants import Mutation, mutant
from support.queue_calls import new_job
from support.stack import Databases

UNFINISHED = " AND j.finished_at IS NULL"


Scenario = Callable[[Field], list[str]]


# ---- ends ---------------------------------------------------------------------------------------------------------------


def complete(field: Field) -> list[str]:
    field.calls.enqueue(new_job(queue := field.queue))
    run = field.calls.claim_one(queue)
    field.behind_its_back(run.job_id)
    told = said(lambda: field.calls.complete(run))
    return field.no_longer(run.job_id, "cancelled") + ([] if told == "STALE_LEASE" else [f"told {told}"])


def fail(field: Field) -> list[str]:
    field.calls.enqueue(new_job(queue := field.queue))
    run = field.calls.claim_one(queue)
    field.behind_its_back(run.job_id)
    said(lambda: field.calls.fail(run))
    return field.no_longer(run.job_id, "cancelled")


def complete_and_claim(field: Field) -> list[str]:
    """The completing half: the worker's next job comes in the statement that ends the one before."""
    first, second = field.calls.enqueue(new_job("one"), new_job("one"))
    worker = field.worker("one")
    (run,) = worker.await_jobs(1)
    field.behind_its_back(first)
    worker.complete(run)
    *_, following = worker.await_jobs(2)
    worker.complete(following)
    assert worker.await_ack(following) == "COMMITTED"
    worker.cut()
    return field.no_longer(first, "cancelled") + field.no_longer(second, "succeeded")


def claim_after_complete(field: Field) -> list[str]:
    """The claiming half: the row of the next job is gone."""
    first, gone, third = field.calls.enqueue(*(new_job("one") for _ in range(3)))
    worker = field.worker("one")
    (run,) = worker.await_jobs(1)
    assert run.job_id == first
    field.service.execute("DELETE FROM jobline.jobs WHERE id = %s", gone)
    worker.complete(run)
    *_, following = worker.await_jobs(2)
    worker.complete(following)
    worker.await_ack(following)
    worker.cut()
    return [] if following.job_id == third else [f"{gone} was handed out, and has no row"]


def claim_limited(field: Field) -> list[str]:
    gone, second = field.calls.enqueue(new_job("other_one"), new_job("other_one"))
    field.service.execute("DELETE FROM jobline.jobs WHERE id = %s", gone)
    worker = field.worker("other_one")
    (run,) = worker.await_jobs(1)
    worker.complete(run)
    worker.await_ack(run)
    worker.cut()
    return [] if run.job_id == second else [f"{gone} was handed out, and has no row"]


def mark_running(field: Field) -> list[str]:
    """The row of a run that lasts is brought up to date, unless it has ended; others in the batch are not disturbed."""
    field.calls.enqueue(new_job(queue := field.queue), new_job(queue))
    ended, living = field.calls.claim(queue, most=2)
    field.behind_its_back(ended.job_id)
    for run in (ended, living):  # the rows are due to be written from here on, whether or not they have been before
        field.calls.report(run, "on")
    marked = "SELECT state, step FROM jobline.jobs WHERE id = %s"
    eventually_blocking(
        lambda: field.service.execute(marked, living.job_id) == [("running", "on")], what="the row is marked"
    )
    return [line for line in field.service.faults if ended.job_id in line]


def email_of_an_ended_job(field: Field) -> list[str]:
    """A hook writes nothing for a run whose row has ended."""
    with contextlib.closing(User(field.service)) as user:
        (item,) = user.submit()
        run = claim_item(field.calls)
        field.behind_its_back(item)
        said(lambda: field.calls.complete(run, RESULT))
        return [f"an e-mail: {row}" for row in field.service.execute("SELECT id FROM emails WHERE job_id = %s", item)]


def deletion_while_a_hook_runs(field: Field) -> list[str]:
    """The row stays as long as the transaction that writes what it leaves behind."""
    with contextlib.closing(User(field.service)) as user, ThreadPoolExecutor(1) as pool:
        (item,) = user.submit()
        run = claim_item(field.calls)
        with psycopg.connect(field.service.database_url) as blocker:
            blocker.execute("LOCK TABLE emails IN ACCESS EXCLUSIVE MODE")
            told = pool.submit(said, lambda: field.calls.complete(run, RESULT))
            blocked = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            eventually_blocking(lambda: field.service.execute(blocked), what="the hook waits")
            with psycopg.connect(field.service.database_url, autocommit=True) as other:
                other.execute("SET lock_timeout = '200ms'")
                try:
                    other.execute("DELETE FROM jobline.jobs WHERE id = %s", (item,))
                    complaints = [f"{item} was deleted while its e-mail was being stored"]
                except psycopg.errors.LockNotAvailable:
                    complaints = []
        told.result(20)
    return complaints


def late_outcome(field: Field) -> list[str]:
    """A run that was lost says it is done, when another runs."""
    field.calls.enqueue(new_job("short"))
    lost = field.calls.claim_one("short")
    again = field.calls.claim_one("short", wait=10)
    told = said(lambda: field.calls.complete(lost, "late"))
    return field.no_longer(again.job_id, "pending") if told == "ok" else []


def step_again(field: Field) -> list[str]:
    """The answer to a step's report was lost, so the worker says it again."""
    field.calls.enqueue(new_job(queue := field.queue))
    run = field.calls.claim_one(queue)
    told = [said(lambda output=output: field.calls.report(run, one=output)) for output in (1, 2)]
    stored = field.service.execute("SELECT output FROM jobline.steps WHERE job_id = %s", run.job_id)
    return [] if (told, stored) == (["ok", "ok"], [(2,)]) else [f"told {told}, stored {stored}"]


# ---- acts of callers ----------------------------------------------------------------------------------------------------


def cancel_pending(field: Field) -> list[str]:
    (job_id,) = field.calls.enqueue(new_job(field.queue))
    field.behind_its_back(job_id, "failed")
    said(lambda: field.calls.cancel(job_id))
    return field.no_longer(job_id, "failed")


def cancel_that_removes(field: Field) -> list[str]:
    with contextlib.closing(User(field.service)) as user:
        (item,) = user.submit()
        field.behind_its_back(item, "succeeded")
        said(lambda: field.calls.cancel(item))
    return field.no_longer(item, "succeeded")


def cancel_request(field: Field) -> list[str]:
    field.calls.enqueue(new_job("boundary"))
    run = field.calls.claim_one("boundary")
    field.behind_its_back(run.job_id)
    said(lambda: field.calls.cancel(run.job_id))
    return [line for line in field.violations_of(run.job_id) if line.startswith("I3")]


def retry_of_a_success(field: Field) -> list[str]:
    field.calls.enqueue(new_job(queue := field.queue))
    run = field.calls.claim_one(queue)
    field.calls.complete(run)
    told = said(lambda: field.calls.retry(run.job_id))
    return field.no_longer(run.job_id, "succeeded") + ([] if told == "ILLEGAL_TRANSITION" else [f"told {told}"])


def retry_beside_its_old_batch(field: Field) -> list[str]:
    """The lease of a failed job lives on with the others of its batch, and must not name it when it runs again."""
    field.calls.enqueue(new_job(queue := field.queue), new_job(queue))
    failed, _still_running = field.calls.claim(queue, most=2)
    field.calls.fail(failed, retryable=False)
    field.calls.retry(failed.job_id)
    field.calls.claim_one(queue)
    return field.violations_of(failed.job_id)


def pause_again(field: Field) -> list[str]:
    field.calls.enqueue(new_job(queue := field.queue))
    pause = queue_service_pb2.PauseQueueRequest(queue=queue)
    told = [said(lambda: field.calls.queues.PauseQueue(pause)) for _ in range(2)]
    return [] if told == ["ok", "ok"] else [f"told {told}"]


# ---- enqueue ------------------------------------------------------------------------------------------------------------


def enqueue_again(count: int, field: Field) -> list[str]:
    request, queue = str(uuid_utils.uuid7()), field.queue
    jobs = [new_job(queue, number) for number in range(count)]
    first = field.calls.enqueue(*jobs, request_id=request)
    answers: list[list[str]] = []
    told = said(lambda: answers.append(field.calls.enqueue(*jobs, request_id=request)))
    return [] if answers == [first] else [f"I14 told {told}: {answers}"]


def enqueue_again_with_a_hungry_worker(count: int, field: Field) -> list[str]:
    """The worker has room for the jobs again; they are its own already."""
    request, queue = str(uuid_utils.uuid7()), field.queue
    worker = field.worker(queue, capacity=10)
    jobs = [new_job(queue, number) for number in range(count)]
    ids = field.calls.enqueue(*jobs, request_id=request)
    worker.await_jobs(count)
    field.calls.enqueue(*jobs, request_id=request)
    found = [line for job_id in ids for line in field.violations_of(job_id)]
    worker.cut()
    return found


SQL = "store/sql"
#: Condition → the scenario that needs it, and what takes it out.
FENCES: dict[str, tuple[Scenario, *tuple[Mutation, ...]]] = {
    "complete_jobs: unfinished": (complete, Mutation(f"{SQL}/complete_jobs.sql", UNFINISHED, "")),
    "end_runs: unfinished": (fail, Mutation(f"{SQL}/end_runs.sql", UNFINISHED, "")),
    "complete_and_claim: ends what is unfinished": (
        complete_and_claim,
        Mutation(
            f"{SQL}/complete_and_claim.sql", "AND j.finished_at IS NULL\n    RETURNING j.id", "\n    RETURNING j.id"
        ),
    ),
    "complete_and_claim: claims what is there": (
        claim_after_complete,
        Mutation(
            f"{SQL}/complete_and_claim.sql",
            "ARRAY (SELECT j.id FROM jobline.jobs j WHERE j.id = ANY (l.job_ids) AND j.finished_at IS NULL)",
            "l.job_ids",
        ),
    ),
    "claim_limited: what is there": (
        claim_limited,
        Mutation(
            f"{SQL}/claim_limited.sql",
            "ARRAY (SELECT j.id FROM jobline.jobs j WHERE j.id = ANY (l.job_ids) AND j.finished_at IS NULL)",
            "l.job_ids",
        ),
    ),
    "mark_running: unfinished": (mark_running, Mutation(f"{SQL}/mark_running.sql", UNFINISHED, "")),
    "lock_jobs: unfinished": (email_of_an_ended_job, Mutation(f"{SQL}/lock_jobs.sql", " AND finished_at IS NULL", "")),
    "lock_jobs: the lock": (deletion_while_a_hook_runs, Mutation(f"{SQL}/lock_jobs.sql", " FOR UPDATE", "")),
    "store_steps: again": (
        step_again,
        Mutation(f"{SQL}/store_steps.sql", "ON CONFLICT (job_id, name) DO UPDATE\nSET", "-- "),
    ),
    "memory: the lease's token": (
        late_outcome,
        Mutation("dispatch/dispatcher.py", " and job.lease.token == token", ""),
    ),
    "cancel_jobs: kept, unfinished": (
        cancel_pending,
        Mutation(f"{SQL}/cancel_jobs.sql", "NOT r.remove AND j.finished_at IS NULL", "NOT r.remove"),
    ),
    "cancel_jobs: removed, unfinished": (
        cancel_that_removes,
        Mutation(f"{SQL}/cancel_jobs.sql", "AND r.remove AND j.finished_at IS NULL", "AND r.remove"),
    ),
    "request_cancel: unfinished": (cancel_request, Mutation(f"{SQL}/request_cancel.sql", UNFINISHED, "")),
    "retry_jobs: failed or cancelled": (
        retry_of_a_success,
        Mutation(f"{SQL}/retry_jobs.sql", " AND j.state IN ('failed', 'cancelled')", ""),
    ),
    "retry_jobs: out of its old lease": (
        retry_beside_its_old_batch,
        Mutation(f"{SQL}/retry_jobs.sql", "WHERE EXISTS (", "WHERE false AND EXISTS ("),
    ),
    "pause_queue: again": (
        pause_again,
        Mutation(
            f"{SQL}/pause_queue.sql",
            "ON CONFLICT (name) DO UPDATE SET",
            "ON CONFLICT (name) DO UPDATE SET name = NULL,",
        ),
    ),
    "enqueue_job: once": (
        partial(enqueue_again, 1),
        Mutation(f"{SQL}/enqueue_job.sql", "ON CONFLICT DO NOTHING", ""),
    ),
    "enqueue_job: leases what it stored": (
        partial(enqueue_again_with_a_hungry_worker, 1),
        Mutation(f"{SQL}/enqueue_job.sql", "ARRAY[id]", "ARRAY[CAST(%(id)s AS uuid)]"),
        Mutation(f"{SQL}/enqueue_job.sql", "    FROM stored\n    WHERE", "    WHERE"),
    ),
    "enqueue_jobs: once": (
        partial(enqueue_again, 2),
        Mutation(f"{SQL}/enqueue_jobs.sql", "ON CONFLICT DO NOTHING", ""),
    ),
    "enqueue_jobs: leases what it stored": (
        partial(enqueue_again_with_a_hungry_worker, 2),
        Mutation(
            f"{SQL}/enqueue_jobs.sql",
            "JOIN stored s ON",
            "JOIN (SELECT id FROM stored UNION SELECT id FROM jobline.jobs) s ON",
        ),
    ),
}


@pytest.fixture(scope="module")
def whole(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    """The service as it is."""
    with databases.fresh() as url, field_of(url, tmp_path_factory.mktemp("whole")) as field:
        yield field


@pytest.fixture(scope="module")
def mutants_database(databases: Databases) -> Iterator[str]:
    with databases.fresh() as url:
        yield url


@pytest.mark.parametrize("fence", FENCES)
def test_without_the_fence_the_scenario_goes_wrong(fence: str, whole: Field, mutants_database: str, tmp_path: Path):
    scenario, *mutations = FENCES[fence]
    assert scenario(whole) == []
    with field_of(mutants_database, tmp_path, **mutant(tmp_path, *mutations)) as crippled:
        assert scenario(crippled) != [], "the condition can be left out: no test needs it"
