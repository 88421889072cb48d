"""Workers that die at an exact moment, or of the job itself. Covers F1 and F12 of the catalogue; checks I1-I5 and I13."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from jobline.v1 import work_service_pb2
from support.eventually import eventually_blocking
from support.invariants import Evidence, violations
from support.journal import read_journals
from support.ledger_worker import start_ledger_worker
from support.processes import ProgramUnderTest
from support.queue_calls import Calls, new_job
from support.queue_service import QueueServiceUnderTest, queue_service
from support.stack import Databases

#: Failpoint of the worker → the queue of the job that it dies of.
MOMENTS = {
    "worker.before_handler": "arrived",
    "worker.before_step_stored=kill@2": "unsaid",
    "worker.after_step=kill@2": "between",
    "worker.before_outcome": "done",
    "worker.after_outcome": "said",
}
POLICIES = "\n".join(
    f'[queues.{queue}]\nlease = "2s"\nreceipt = "1s"\nbackoff = ["10ms"]' for queue in MOMENTS.values()
)
POLICIES += '\n[queues.poison]\nlease = "500ms"\nreceipt = "10s"\nbackoff = ["10ms"]\nmax_attempts = 50\n'


@dataclass
class Died:
    """What became of the jobs after their first workers were killed, and a second one came."""

    jobs: dict[str, str]
    #: Queue → the steps that the database had when the first worker was dead.
    stored: dict[str, list[str]]
    evidence: Evidence
    folder: Path

    def steps(self, worker: str, queue: str) -> list[str]:
        entries = read_journals(self.folder / f"{worker}.journal")
        return [entry.step for entry in entries if entry.what == "step" and entry.job_id == self.jobs[queue]]


@pytest.fixture(scope="module")
def service(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueueServiceUnderTest]:
    with databases.fresh() as url, queue_service(url, tmp_path_factory.mktemp("workers"), POLICIES) as running:
        yield running


@pytest.fixture(scope="module")
def died(service: QueueServiceUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Died]:
    folder = tmp_path_factory.mktemp("journals")
    workers: list[ProgramUnderTest] = []
    try:
        with Calls(service.address, service.operator_token) as calls:
            jobs = {queue: calls.enqueue(new_job(queue, kind="ledger"))[0] for queue in MOMENTS.values()}
        for moment, queue in MOMENTS.items():
            armed = moment if "=" in moment else f"{moment}=kill"
            workers.append(start_ledger_worker(service, folder, f"first-{queue}", queue, armed=armed))
        assert [worker.wait(60) for worker in workers] == [-9] * len(workers)
        stored = {queue: stored_steps(service, job_id) for queue, job_id in jobs.items()}
        workers.append(start_ledger_worker(service, folder, "second", *MOMENTS.values()))
        left = "SELECT 1 FROM jobline.jobs WHERE finished_at IS NULL"
        eventually_blocking(lambda: not service.execute(left), within=40, what="every job has ended")
        yield Died(jobs, stored, Evidence.read(service.database_url), folder)
    finally:
        for worker in workers:
            worker.kill()


def stored_steps(service: QueueServiceUnderTest, job_id: str) -> list[str]:
    rows = service.execute("SELECT name FROM jobline.steps WHERE job_id = %s ORDER BY finished_at, name", job_id)
    return [row[0] for row in rows]


@pytest.mark.parametrize("queue", MOMENTS.values())
def test_f1_a_worker_killed_at_any_moment_loses_no_job_and_repeats_no_stored_step(died: Died, queue: str):
    job = died.evidence.jobs[died.jobs[queue]]
    assert job.state == "succeeded"
    first, second = died.steps(f"first-{queue}", queue), died.steps("second", queue)
    if job.attempt == 1 and queue == "said":
        assert second == [], "the outcome got through"
    else:
        assert [*died.stored[queue], *second] == ["one", "two", "three"]
    assert set(died.stored[queue]) <= set(first)


def test_f1_a_kill_counts_an_attempt_if_the_run_had_shown_that_it_arrived(died: Died):
    attempts = {queue: died.evidence.jobs[job_id].attempt for queue, job_id in died.jobs.items()}
    assert attempts.pop("said") in (1, 2)
    assert attempts == {"arrived": 1, "unsaid": 2, "between": 2, "done": 2}
    assert died.stored["between"] == ["one", "two"]
    assert died.stored["unsaid"] == ["one"]


def test_f1_the_rows_tell_one_story(died: Died):
    assert violations(died.evidence, acknowledged=died.jobs.values()) == []


def test_f12_a_job_that_ends_its_worker_three_times_is_poison_and_runs_no_more(
    service: QueueServiceUnderTest, tmp_path: Path
):
    with Calls(service.address, service.operator_token) as calls:
        (job_id,) = calls.enqueue(new_job("poison", kind="abort"))
        for life in range(3):
            worker = start_ledger_worker(service, tmp_path, f"life-{life}", "poison")
            assert worker.wait(30) == -6
        job = calls.await_state(job_id, "failed", within=15)
        assert (job.error.code, job.attempt, job.error.retryable) == ("POISON", 3, False)
        (harmless,) = calls.enqueue(new_job("poison", kind="ledger"))
        run = calls.claim_one("poison", kind="ledger")
        assert run.job_id == harmless
        assert calls.complete(run) == work_service_pb2.OUTCOME_STATUS_COMMITTED
    begun = read_journals(*(tmp_path / f"life-{life}.journal" for life in range(3)))
    assert [(entry.job_id, entry.run) for entry in begun] == [(job_id, 1), (job_id, 2), (job_id, 3)]
    assert violations(Evidence.read(service.database_url)) == []
