"""Two services, one database: each condition of the election and of the writing connections keeps one of them silent.

A scenario runs on services as they are, and again on mutants that lack one condition. In both cases the old service is
blind: it does not ask whether it still has the lock, as if a partition had swallowed the question. So nothing but the
conditions themselves stands between it and the rows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from jobline.v1 import work_service_pb2
from jobline_queue.store.engine import ACTIVE_LOCK, WRITERS_LOCK
from support.eventually import eventually_blocking
from support.invariants import Evidence, violations
from support.mutants import Mutation, mutant
from support.queue_calls import Calls, Refusal, new_job
from support.queue_service import QueueServiceUnderTest, execute
from support.stack import Databases

POLICIES = """
[queues.test]
lease = "30s"
"""
COMMITTED = work_service_pb2.OUTCOME_STATUS_COMMITTED
#: As short as can be: the old service is frozen for so long before the standby moves.
SILENCE = "3"
#: Seconds after which a standby that has not taken over never will: what a busy machine needs at most, and what is enough
#: to conclude that a fence is missing. Every end but a good one is a wrong one there.
TAKE_OVER_WITHIN, MISSED_AFTER = 40.0, 6.5

BLIND = Mutation(
    "dispatch/active.py",
    "active.term.clock.resync(await self._election.confirm())",
    "await asyncio.sleep(60.0)",
)


@dataclass
class Duel:
    """An old and a new service on one database, and gates for the failpoints of each."""

    database: str
    folder: Path
    old_mutations: tuple[Mutation, ...] = ()
    new_mutations: tuple[Mutation, ...] = ()
    take_over_within: float = TAKE_OVER_WITHIN
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def start_old(self, **failpoints: str) -> QueueServiceUnderTest:
        return self._start("old", self.old_mutations, failpoints)

    def start_new(self, **failpoints: str) -> QueueServiceUnderTest:
        return self._start("new", self.new_mutations, failpoints)

    def _start(self, name: str, mutations: tuple[Mutation, ...], failpoints: dict[str, str]) -> QueueServiceUnderTest:
        folder = self.folder / name
        folder.mkdir(parents=True)
        settings = mutant(folder, *mutations) if mutations else {}
        armed = ",".join(f"{point}={action}" for point, action in failpoints.items())
        service = QueueServiceUnderTest(
            self.database, folder, POLICIES, JOBLINE_TAKE_OVER_AFTER=SILENCE, JOBLINE_FAILPOINTS=armed, **settings
        )
        self.stack.callback(service.kill)
        service.start(wait=False)
        eventually_blocking(lambda: "listening on" in service.log, within=30, what=f"the {name} service listens")
        return service

    def gate(self, name: str) -> Path:
        return self.folder / name

    def calls(self, service: QueueServiceUnderTest) -> Calls:
        return self.stack.enter_context(Calls(service.address, service.operator_token))

    def holders(self, lock: int) -> list[int]:
        rows = execute(
            self.database,
            """SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = %s AND objid = %s
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())""",
            lock >> 32,
            lock & 0xFFFFFFFF,
        )
        return [row[0] for row in rows]

    def take_lock_away(self) -> None:
        """As a server does whose client's host has vanished."""
        for pid in self.holders(ACTIVE_LOCK):
            execute(self.database, "SELECT pg_terminate_backend(%s)", pid)

    def epoch(self) -> int:
        return int(execute(self.database, "SELECT epoch FROM jobline.epoch")[0][0])


Scenario = Callable[[Duel], list[str]]


def reached(service: QueueServiceUnderTest, point: str) -> None:
    eventually_blocking(lambda: f"failpoint {point}" in service.log, within=20, what=f"{point} is reached")


def refused_or_taken(late: Future[Any]) -> str:
    """What a caller of the old service is told: `taken`, or the status of the refusal."""
    try:
        late.result(25)
    except grpc.RpcError as error:
        return Refusal.of(error).status
    return "taken"


# ---- an old service that wakes up ---------------------------------------------------------------------------------------

_AUDIT = """
CREATE TABLE public.audit (id bigint GENERATED ALWAYS AS IDENTITY, pid integer, subject text);
CREATE FUNCTION public.audit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
$$ BEGIN INSERT INTO public.audit (pid, subject) VALUES (pg_backend_pid(), TG_TABLE_NAME); RETURN NULL; END $$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON jobline.jobs FOR EACH ROW EXECUTE FUNCTION public.audit();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON jobline.leases FOR EACH ROW EXECUTE FUNCTION public.audit();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON jobline.epoch FOR EACH ROW EXECUTE FUNCTION public.audit();
"""


def frozen_and_thawed(duel: Duel) -> list[str]:
    """SIGSTOP in the middle of work, a take-over, SIGCONT: whatever is written after it, a session of the new one writes."""
    old = duel.start_old()
    old.await_active()
    for statement in _AUDIT.split(";\nCREATE"):
        execute(duel.database, statement if statement.lstrip().startswith("CREATE") else f"CREATE{statement}")
    new = duel.start_new()
    pool = duel.stack.enter_context(ThreadPoolExecutor(3))
    calls = duel.calls(old)
    calls.enqueue(new_job("test", "done"), new_job("test", "running"))
    done, running = calls.claim("test", most=2, wait=5)
    (waiting,) = calls.enqueue(new_job("test", "waiting"))
    old.freeze()
    late: list[Future[Any]] = [
        pool.submit(calls.enqueue, new_job("test", "late")),
        pool.submit(calls.complete, done, "late"),
        pool.submit(calls.cancel, waiting),
    ]
    try:
        new.await_active(within=duel.take_over_within)
    except AssertionError:
        old.kill()
        return ["nobody took over from the frozen service"]
    ours = duel.calls(new)
    assert ours.complete(done, "in time") == COMMITTED
    writers = set(duel.holders(WRITERS_LOCK))
    ((mark,),) = execute(duel.database, "SELECT max(id) FROM audit")
    old.thaw()
    told = [refused_or_taken(each) for each in late]
    assert ours.claim_one("test", wait=5).job_id == waiting
    assert ours.complete(running, "in time") == COMMITTED
    strangers = [
        f"the old service wrote to {subject}"
        for pid, subject in execute(duel.database, "SELECT DISTINCT pid, subject FROM audit WHERE id > %s", mark)
        if pid not in writers
    ]
    found = violations(Evidence.read(duel.database))
    return strangers + found + [f"the old service said {word}" for word in told if word != "UNAVAILABLE"]


def late_to_its_own_term(duel: Duel) -> list[str]:
    """The old service won, raised the epoch, and was held up before it had its writing connections. Another won since."""
    gate = duel.gate("gate")
    old = duel.start_old(**{"take_over.raised": f"wait:{gate}"})
    reached(old, "take_over.raised")
    duel.take_lock_away()
    new = duel.start_new()
    new.await_active(within=15)
    gate.touch()
    eventually_blocking(lambda: "term 1 ended" in old.log or old.is_active(), within=15, what="the old one goes on")
    return ["two services are active"] if old.is_active() else []


def into_a_take_over(duel: Duel) -> list[str]:
    """As before, but the old one asks for its connections while the new one takes over, before the epoch is raised."""
    old_gate, new_gate = duel.gate("old-gate"), duel.gate("new-gate")
    old = duel.start_old(**{"take_over.raised": f"wait:{old_gate}"})
    reached(old, "take_over.raised")
    duel.take_lock_away()
    new = duel.start_new(**{"take_over.writers_locked": f"wait:{new_gate}"})
    reached(new, "take_over.writers_locked")
    old_gate.touch()
    waits = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    eventually_blocking(
        lambda: execute(duel.database, waits) or old.is_active(), within=8, what="the old one asks for its connections"
    )
    new_gate.touch()
    new.await_active(within=15)
    eventually_blocking(lambda: "term 1 ended" in old.log or old.is_active(), within=15, what="the old one goes on")
    return ["two services are active"] if old.is_active() else []


def side_by_side(duel: Duel) -> list[str]:
    """Nothing is wrong with either: the second one campaigns, and waits."""
    old = duel.start_old()
    old.await_active()
    before = duel.epoch()
    duel.start_new()
    rounds: set[object] = set()
    campaign = "SELECT max(query_start) FROM pg_stat_activity WHERE application_name = 'jobline-queue election' AND "
    campaign += "datname = current_database() AND query LIKE '%%pg_try_advisory_lock%%'"

    def campaigned() -> bool:
        rounds.update(execute(duel.database, campaign))
        return len(rounds) > 2 or duel.epoch() > before

    eventually_blocking(campaigned, within=15, what="the standby has campaigned")
    return [f"the epoch rose to {duel.epoch()} without any fault"] if duel.epoch() > before else []


@dataclass(frozen=True)
class Fence:
    scenario: Scenario
    #: Taken out of one of the two services.
    old: tuple[Mutation, ...] = ()
    new: tuple[Mutation, ...] = ()


FENCES = {
    "the writers' shared lock": Fence(
        frozen_and_thawed,
        old=(
            Mutation(
                "store/engine.py",
                'await connection.execute("SELECT pg_advisory_lock_shared(%s)", (WRITERS_LOCK,))',
                "pass",
            ),
        ),
    ),
    "a take-over ends the old sessions": Fence(
        frozen_and_thawed, new=(Mutation("store/sql/end_writers.sql", "WHERE pg_terminate_backend(pid)", ""),)
    ),
    "a silent election session is ended": Fence(
        frozen_and_thawed,
        old=(Mutation("dispatch/election.py", ", idle_timeout=self._silence", ""),),
    ),
    "the epoch of a writing connection": Fence(
        late_to_its_own_term,
        old=(Mutation("store/engine.py", "if row is None or row[0] != epoch:", "if row is None:"),),
    ),
    "the writers' exclusive lock": Fence(
        into_a_take_over,
        new=(
            Mutation(
                "dispatch/election.py",
                'session.execute("SELECT pg_try_advisory_lock(%s)", (WRITERS_LOCK,))',
                'session.execute("SELECT true")',
            ),
        ),
    ),
    "the lock of the active one": Fence(
        side_by_side,
        new=(
            Mutation(
                "dispatch/election.py",
                '.execute("SELECT pg_try_advisory_lock(%s)", (ACTIVE_LOCK,))',
                '.execute("SELECT true -- pg_try_advisory_lock")',
            ),
        ),
    ),
}


@pytest.fixture
def run(databases: Databases, tmp_path: Path) -> Callable[..., list[str]]:
    """Runs a scenario on a database of its own, with these mutations of the old and the new service."""

    def run(
        scenario: Scenario,
        old: tuple[Mutation, ...] = (),
        new: tuple[Mutation, ...] = (),
        within: float = TAKE_OVER_WITHIN,
    ) -> list[str]:
        with databases.fresh() as url, contextlib.ExitStack() as stack:
            return scenario(Duel(url, tmp_path, old, new, within, stack))

    return run


def test_a_standby_waits_as_long_as_nothing_is_wrong(run: Callable[..., list[str]]):
    assert run(side_by_side) == []


@pytest.mark.parametrize("scenario", [late_to_its_own_term, into_a_take_over])
def test_a_blind_old_service_and_its_successor_do_no_harm(scenario: Scenario, run: Callable[..., list[str]]):
    assert run(scenario, (BLIND,)) == []


def test_a_dispatcher_that_was_frozen_across_a_take_over_writes_nothing_when_it_thaws(run: Callable[..., list[str]]):
    """The services as they are, no mutant: nothing is done by hand but SIGSTOP and SIGCONT. Covers F2 and I1-I4."""
    assert run(frozen_and_thawed) == []


def test_a_frozen_dispatcher_writes_nothing_even_when_it_does_not_notice(run: Callable[..., list[str]]):
    assert run(frozen_and_thawed, (BLIND,)) == []


@pytest.mark.parametrize("fence", FENCES)
def test_without_the_fence_of_terms_the_scenario_goes_wrong(fence: str, run: Callable[..., list[str]]):
    taken_out = FENCES[fence]
    blindness = () if taken_out.scenario is side_by_side else (BLIND,)
    found = run(taken_out.scenario, (*blindness, *taken_out.old), taken_out.new, MISSED_AFTER)
    assert found != [], "the condition can be left out: no test needs it"
