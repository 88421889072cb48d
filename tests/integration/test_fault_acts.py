"""Acts that meet: replayed messages, a lapsing lease, cancels, retries, pauses. Covers F7, F8, F22 and F42; checks I2-I5."""

from __future__ import annotations

import random
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ClassVar

import grpc
import pytest
import uuid_utils
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from jobline.v1 import queue_service_pb2, work_service_pb2
from support.eventually import eventually_blocking
from support.invariants import Evidence, violations
from support.queue_calls import Calls, Refusal, new_job
from support.queue_service import QueueServiceUnderTest, queue_service
from support.stack import Databases

POLICIES = """
[queues.now]
cancel = "now"
[queues.boundary]
cancel = "boundary"
[queues.pending_only]
cancel = "pending_only"
[queues.lapsing]
cancel = "now"
lease = "500ms"
receipt = "500ms"
backoff = ["1h"]
max_attempts = 5
"""
Assignment = work_service_pb2.Assignment
Status = work_service_pb2.OutcomeStatus
HELD = work_service_pb2.LEASE_STATE_HELD


@pytest.fixture(scope="module")
def service(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueueServiceUnderTest]:
    with databases.fresh() as url, queue_service(url, tmp_path_factory.mktemp("acts"), POLICIES) as running:
        yield running
        assert running.faults == []


def said(act: Callable[[], object]) -> str:
    """The name of an outcome's status, `ok`, or the reason of the refusal with the state that it names."""
    try:
        answer = act()
    except grpc.RpcError as error:
        refusal = Refusal.of(error)
        return " ".join([refusal.reason, *refusal.metadata.values()])
    return Status.Name(Status.ValueType(answer)).removeprefix("OUTCOME_STATUS_") if isinstance(answer, int) else "ok"


# ---- F7: messages that come again ---------------------------------------------------------------------------------------


class Replayed(RuleBasedStateMachine):
    """A producer and a worker whose every message may come again later, however much has happened since."""

    service: ClassVar[QueueServiceUnderTest]

    def __init__(self) -> None:
        super().__init__()
        self.calls = Calls(self.service.address, self.service.operator_token)
        self.queue = f"q-{uuid.uuid4().hex[:12]}"
        #: What was said, and what must be true of the answer whenever it is said again.
        self.said: list[tuple[str, Callable[[], None]]] = []
        self.runs: list[Assignment] = []
        #: Lease and job → how often an outcome was committed.
        self.committed: Counter[tuple[str, str]] = Counter()

    def teardown(self) -> None:
        self.calls.close()
        evidence = Evidence.read(self.service.database_url)
        mine = {job.id for job in evidence.jobs.values() if job.queue == self.queue}
        assert [line for line in violations(evidence) if any(job_id in line for job_id in mine)] == []

    def _say(self, what: str, act: Callable[[], None]) -> None:
        act()
        self.said.append((what, act))

    @rule(count=st.integers(1, 3))
    def enqueue(self, count: int) -> None:
        request = str(uuid_utils.uuid7())
        jobs = [new_job(self.queue, number) for number in range(count)]
        first = self.calls.enqueue(*jobs, request_id=request)

        def again() -> None:
            assert self.calls.enqueue(*jobs, request_id=request) == first

        self._say("enqueue", again)

    @rule(most=st.integers(1, 2))
    def claim(self, most: int) -> None:
        self.runs += self.calls.claim(self.queue, most=most)

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), way=st.sampled_from(["complete", "fail", "fail for good", "release"]))
    def end(self, data: st.DataObject, way: str) -> None:
        run = data.draw(st.sampled_from(self.runs))
        acts: dict[str, Callable[[], int]] = {
            "complete": lambda: self.calls.complete(run),
            "fail": lambda: self.calls.fail(run),
            "fail for good": lambda: self.calls.fail(run, retryable=False),
            "release": lambda: self.calls.release(run),
        }

        def tell() -> None:
            if said(acts[way]) == "COMMITTED":
                self.committed[run.lease_token, run.job_id] += 1
            assert self.committed[run.lease_token, run.job_id] <= 1, "one run, one outcome"
            assert self.calls.heartbeat(run) != [HELD], "a run that has ended holds no lease"

        self._say(way, tell)

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def heartbeat(self, data: st.DataObject) -> None:
        run = data.draw(st.sampled_from(self.runs))

        def beat() -> None:
            held = self.calls.heartbeat(run) == [HELD]
            assert held == (self.committed[run.lease_token, run.job_id] == 0)

        self._say("heartbeat", beat)

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        said(lambda: self.calls.retry(data.draw(st.sampled_from(self.runs)).job_id))

    @precondition(lambda self: self.said)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.said))[1]()


def test_f7_any_message_may_come_again_at_any_time(service: QueueServiceUnderTest):
    Replayed.service = service
    run_state_machine_as_test(
        Replayed,
        settings=settings(
            max_examples=8, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


# ---- F8: everything at the moment a lease lapses ------------------------------------------------------------------------

JOBS = 60


@pytest.mark.parametrize("seed", [1, 2])
def test_f8_of_all_that_happen_when_a_lease_lapses_one_wins_and_the_others_are_told(
    service: QueueServiceUnderTest, calls: Calls, seed: int
):
    """Heartbeats, an outcome and a cancel at random moments around the rescuer's, many runs at once."""
    chance = random.Random(seed)
    ids = calls.enqueue(*(new_job("lapsing", n) for n in range(JOBS)))
    runs = calls.claim("lapsing", most=JOBS, wait=5)
    assert sorted(run.job_id for run in runs) == sorted(ids)
    told: dict[tuple[str, str], str] = {}

    def act(delay: float, name: str, run: Assignment) -> None:
        threading.Event().wait(delay)
        does: dict[str, Callable[[], object]] = {
            "complete": lambda: calls.complete(run, "done"),
            "cancel": lambda: calls.cancel(run.job_id),
            "heartbeat": lambda: calls.heartbeat(run)[0] == HELD or None,
        }
        told[name, run.job_id] = said(does[name])

    schedule = [(chance.uniform(0.2, 1.6), name, run) for run in runs for name in ("complete", "cancel", "heartbeat")]
    schedule.sort(key=lambda item: item[0])
    with ThreadPoolExecutor(len(schedule)) as pool:
        for delay, name, run in schedule:
            pool.submit(act, delay, name, run)
    evidence = Evidence.read(service.database_url)
    assert violations(evidence) == []
    for run in runs:
        job = evidence.jobs[run.job_id]
        completed, cancelled = told["complete", run.job_id], told["cancel", run.job_id]
        truth = (job.state, completed == "COMMITTED", cancelled == "ok")
        # Rescued first, it was pending and due in an hour; a cancel meets that, too.
        assert truth in {("succeeded", True, False), ("cancelled", False, True)}, (run.job_id, completed, cancelled)
    assert len({evidence.jobs[run.job_id].state for run in runs}) == 2, "the schedule was a race"


# ---- F22: the table of acts ---------------------------------------------------------------------------------------------


def pending(calls: Calls, queue: str) -> Assignment:
    (job_id,) = calls.enqueue(new_job(queue))
    return Assignment(job_id=job_id, lease_token=str(uuid.uuid4()))


def running(calls: Calls, queue: str) -> Assignment:
    calls.enqueue(new_job(queue))
    return calls.claim_one(queue)


def ended(how: Callable[[Calls, Assignment], object], calls: Calls, queue: str) -> Assignment:
    run = running(calls, queue)
    how(calls, run)
    return run


STATES: dict[str, Callable[[Calls, str], Assignment]] = {
    "pending": pending,
    "running": running,
    "succeeded": partial(ended, lambda calls, run: calls.complete(run)),
    "failed": partial(ended, lambda calls, run: calls.fail(run, retryable=False)),
    "cancelled": partial(ended, lambda calls, run: calls.cancel(run.job_id)),
}
ACTS: dict[str, Callable[[Calls, Assignment], object]] = {
    "cancel": lambda calls, run: calls.cancel(run.job_id),
    "retry": lambda calls, run: calls.retry(run.job_id),
    "complete": lambda calls, run: calls.complete(run),
    "fail": lambda calls, run: calls.fail(run, retryable=False),
}
ILLEGAL = "ILLEGAL_TRANSITION"
#: State, act, queue: the answer, and the state after it.
TABLE = [
    ("pending", "cancel", "now", "ok", "cancelled"),
    ("pending", "cancel", "pending_only", "ok", "cancelled"),
    ("pending", "retry", "now", f"{ILLEGAL} pending", "pending"),
    ("pending", "complete", "now", "STALE_LEASE", "pending"),
    ("pending", "fail", "now", "STALE_LEASE", "pending"),
    ("running", "cancel", "now", "ok", "cancelled"),
    ("running", "cancel", "boundary", "ok", "running"),
    ("running", "cancel", "pending_only", f"{ILLEGAL} running", "running"),
    ("running", "retry", "now", f"{ILLEGAL} running", "running"),
    ("running", "complete", "now", "COMMITTED", "succeeded"),
    ("running", "fail", "now", "COMMITTED", "failed"),
    ("succeeded", "cancel", "now", f"{ILLEGAL} succeeded", "succeeded"),
    ("succeeded", "retry", "now", f"{ILLEGAL} succeeded", "succeeded"),
    ("succeeded", "complete", "now", "ALREADY_COMMITTED", "succeeded"),
    ("succeeded", "fail", "now", "ALREADY_COMMITTED", "succeeded"),
    ("failed", "cancel", "now", f"{ILLEGAL} failed", "failed"),
    ("failed", "retry", "now", "ok", "pending"),
    ("failed", "complete", "now", "ALREADY_COMMITTED", "failed"),
    ("failed", "fail", "now", "ALREADY_COMMITTED", "failed"),
    ("cancelled", "cancel", "now", f"{ILLEGAL} cancelled", "cancelled"),
    ("cancelled", "retry", "now", "ok", "pending"),
    ("cancelled", "complete", "now", "CANCELLED", "cancelled"),
    ("cancelled", "fail", "now", "CANCELLED", "cancelled"),
]


@pytest.mark.parametrize(("state", "act", "queue", "answer", "after"), TABLE)
def test_f22_each_act_has_one_answer_in_each_state(
    calls: Calls, state: str, act: str, queue: str, answer: str, after: str
):
    for job in calls.claim(queue, most=100):  # what the tests before have left
        calls.complete(job)
    run = STATES[state](calls, queue)
    assert calls.state(run.job_id) == state
    assert said(lambda: ACTS[act](calls, run)) == answer
    assert calls.state(run.job_id) == after


def test_f22_cancel_complete_and_retry_at_once_never_leave_two_outcomes(service: QueueServiceUnderTest, calls: Calls):
    queue = "now"
    for job in calls.claim(queue, most=100):
        calls.complete(job)
    calls.enqueue(*(new_job(queue, n) for n in range(40)))
    seen: set[tuple[str, str, str]] = set()
    chance = random.Random(1)

    def do(name: str, run: Assignment) -> str:
        threading.Event().wait(chance.uniform(0, 0.006))  # a cancel takes a little longer to arrive
        return said(lambda: ACTS[name](calls, run))

    with ThreadPoolExecutor(3) as pool:
        for run in calls.claim(queue, most=40, wait=5):
            told = [pool.submit(do, name, run) for name in ("cancel", "complete", "retry")]
            cancelled, completed, retried = (each.result(20) for each in told)
            assert (cancelled == "ok") + (completed == "COMMITTED") == 1
            state = "succeeded" if completed == "COMMITTED" else "pending" if retried == "ok" else "cancelled"
            assert calls.state(run.job_id) == state
            seen.add((cancelled, completed, retried))
    assert len(seen) > 1, "it was a race"
    assert violations(Evidence.read(service.database_url)) == []


# ---- F42: a pause meets a claim -----------------------------------------------------------------------------------------


def test_f42_nothing_is_claimed_after_the_commit_of_a_pause(databases: Databases, tmp_path: Path):
    """A claim that was decided before the pause is held back at its commit; the pause waits for it."""
    gate = tmp_path / "gate"
    armed = f"claim.before_commit=wait:{gate}"
    with (
        databases.fresh() as url,
        queue_service(url, tmp_path, POLICIES, JOBLINE_FAILPOINTS=armed) as service,
        Calls(service.address, service.operator_token) as calls,
        ThreadPoolExecutor(2) as pool,
    ):
        first, second = calls.enqueue(new_job("now"), new_job("now"))
        claim = pool.submit(calls.claim, "now", wait=5)
        eventually_blocking(lambda: "failpoint claim.before_commit" in service.log, what="the claim is decided")
        pause = pool.submit(calls.queues.PauseQueue, queue_service_pb2.PauseQueueRequest(queue="now"))
        assert calls.state(second) == "pending"
        gate.touch()
        assert pause.result(10).queue.paused
        (run,) = claim.result(10)
        assert run.job_id == first
        ages = service.execute(
            "SELECT l.xmin::text::bigint, q.xmin::text::bigint FROM jobline.leases l, jobline.queues q"
        )
        assert [claimed < paused for claimed, paused in ages] == [True], "the claim's transaction is the older one"
        assert calls.claim("now", wait=0.3) == []
        assert calls.complete(run) == work_service_pb2.OUTCOME_STATUS_COMMITTED, "what runs goes on"
        assert calls.explain(second).waiting_for[0].code == "QUEUE_PAUSED"


def test_f42_a_resume_is_not_undone_by_the_pause_before_it(databases: Databases, tmp_path: Path):
    """The pause waits for a claim's commit, its caller gives up, and the resume comes meanwhile: it has the last word."""
    gate = tmp_path / "gate"
    armed = f"claim.before_commit=wait:{gate}"
    with (
        databases.fresh() as url,
        queue_service(url, tmp_path, POLICIES, JOBLINE_FAILPOINTS=armed) as service,
        Calls(service.address, service.operator_token) as calls,
        ThreadPoolExecutor(2) as pool,
    ):
        first, _ = calls.enqueue(new_job("now"), new_job("now"))
        claim = pool.submit(calls.claim, "now", wait=5)
        eventually_blocking(lambda: "failpoint claim.before_commit" in service.log, what="the claim is decided")
        with pytest.raises(grpc.RpcError):
            calls.queues.PauseQueue(queue_service_pb2.PauseQueueRequest(queue="now"), timeout=0.3)
        resume = pool.submit(calls.queues.ResumeQueue, queue_service_pb2.ResumeQueueRequest(queue="now"))
        assert calls.explain(first).waiting_for[0].code == "CLAIMING"
        gate.touch()
        assert not resume.result(10).queue.paused
        assert len(claim.result(10)) == 1
        assert len(calls.claim("now", wait=5)) == 1
        assert service.execute("SELECT paused FROM jobline.queues WHERE name = 'now'") == [(False,)]
