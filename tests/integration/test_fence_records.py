"""The conditions under which runs store records and vectors hold something up: without one, its scenario goes wrong.

As tests/integration/test_fence_rows.py: each scenario runs on the real service, where it ends well, and on a mutant that
lacks the one condition. The gate is a failpoint: a transaction has written and proved everything, and is not committed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jobline.v1 import ingestion_service_pb2 as pb
from support.eventually import eventually_blocking
from support.fence_field import said
from support.ingestion_house import DIMENSIONS, IngestionHouse, Run, record
from support.mutants import Mutation, mutant
from support.queue_service import queue_service
from support.stack import Databases

SQL = "modules/ingestion/sql"
GATE = "ingest.before_commit"
WAITS = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@dataclass
class Field:
    house: IngestionHouse
    #: Commits wait until this file exists.
    gate: Path
    pool: ThreadPoolExecutor

    @contextlib.contextmanager
    def closed(self) -> Iterator[None]:
        self.gate.unlink()
        try:
            yield
        finally:
            self.gate.touch()

    def at_gate(self, act: Callable[[], Any]) -> Future[Any]:
        """The act, once its transaction waits at the closed gate."""
        hits = self._hits()
        doing = self.pool.submit(act)
        eventually_blocking(lambda: self._hits() > hits, within=30, what="a transaction waits for its commit")
        return doing

    def _hits(self) -> int:
        return self.house.service.log.count(f"failpoint {GATE}")

    def run(self) -> Run:
        self.house.enqueue_with([record(1), record(2)])
        return self.house.claim()

    def stored(self) -> int:
        count = "SELECT count(*) FROM data_records WHERE project_id = %s"
        return int(self.house.service.execute(count, self.house.project)[0][0])


Scenario = Callable[[Field], list[str]]


def row_that_has_ended(field: Field) -> list[str]:
    """The row ended behind the service's back, as by an operator's SQL; the lease is still there."""
    run = field.run()
    ended = "UPDATE jobline.jobs SET state = 'cancelled', finished_at = now() WHERE id = %s"
    field.house.service.execute(ended, run.job_id)
    told = said(lambda: field.house.save(run, 0, [record(1)]))
    return [] if (told, field.stored()) == ("STALE_LEASE", 0) else [f"told {told}, {field.stored()} stored"]


def lease_that_is_gone(field: Field) -> list[str]:
    """Another service gave the job back; this one does not know yet."""
    run = field.run()
    field.house.service.execute("DELETE FROM jobline.leases WHERE token = %s", run.lease_token)
    told = said(lambda: field.house.save(run, 0, [record(1)]))
    return [] if (told, field.stored()) == ("STALE_LEASE", 0) else [f"told {told}, {field.stored()} stored"]


def end_before_the_commit(field: Field) -> list[str]:
    """The run is proved current and its vectors are not committed: its job does not end before they are."""
    run = field.run()
    field.house.save(run, 0, [record(1)])
    with field.closed():
        storing = field.at_gate(lambda: said(lambda: field.house.embed(run)))
        ending = field.pool.submit(said, lambda: field.house.operator.complete(run))
        eventually_blocking(
            lambda: ending.done() or field.house.service.execute(WAITS), what="the end is written, or waits"
        )
        early = ending.done()
    told = storing.result(20), ending.result(20)
    return [] if (early, *told) == (False, "ok", "ok") else [f"ended before the commit: {early}, told {told}"]


def call_beside_its_twin(field: Field) -> list[str]:
    """A call whose answer was slow is repeated while it is under way. Nothing but the place tells the two apart."""
    run = field.run()
    values = [{"content": "without an id"}]
    with field.closed():
        first = field.at_gate(lambda: field.house.save(run, 0, values))
        second = field.pool.submit(field.house.save, run, 0, values)
        eventually_blocking(lambda: field.house.service.execute(WAITS), what="the second call waits for the first")
    places = [each.result(20).next_item for each in (first, second)]
    return [] if (places, field.stored()) == ([1, 1], 1) else [f"places {places}, {field.stored()} stored"]


def vector_stored_again(field: Field) -> list[str]:
    run = field.run()
    field.house.save(run, 0, [record(1)])
    (found,) = field.house.operator.ingestion.ListUnembeddedRecords(
        pb.ListUnembeddedRecordsRequest(job_id=run.job_id, lease_token=run.lease_token, limit=1)
    ).records
    counts = []
    for place in range(2):
        request = pb.StoreEmbeddingsRequest(job_id=run.job_id, lease_token=run.lease_token)
        numbers = [float(number == place) for number in range(DIMENSIONS)]
        request.embeddings.add(record_id=found.id).vector.values.extend(numbers)
        counts.append(field.house.operator.ingestion.StoreEmbeddings(request).stored)
    return [] if counts == [1, 0] else [f"stored {counts} times"]


FENCES: dict[str, tuple[Scenario, Mutation]] = {
    "lock_run: unfinished": (row_that_has_ended, Mutation(f"{SQL}/lock_run.sql", " AND finished_at IS NULL", "")),
    "lock_run: the lock": (end_before_the_commit, Mutation(f"{SQL}/lock_run.sql", " FOR NO KEY UPDATE", "")),
    "find_lease: the lease": (
        lease_that_is_gone,
        Mutation("modules/ingestion/runs.py", ' or not await rows(connection, "find_lease", **params)', ""),
    ),
    "move_place: from where it was": (
        call_beside_its_twin,
        Mutation(f"{SQL}/move_place.sql", "WHERE CAST(s.output ->> 'done' AS bigint) = %(before)s", ""),
    ),
    "store_embeddings: once": (
        vector_stored_again,
        Mutation(f"{SQL}/store_embeddings.sql", " AND embedding IS NULL", ""),
    ),
}


@contextlib.contextmanager
def field_of(database: str, folder: Path, **settings: str) -> Iterator[Field]:
    gate = folder / "gate"
    gate.touch()
    failpoints = f"{GATE}=wait:{gate}"
    with (
        queue_service(database, folder, JOBLINE_FAILPOINTS=failpoints, **settings) as service,
        contextlib.closing(IngestionHouse(service)) as house,
        ThreadPoolExecutor(2) as pool,
    ):
        yield Field(house, gate, pool)


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
    scenario, mutation = FENCES[fence]
    whole.house.project = whole.house.new_project()
    assert scenario(whole) == []
    with field_of(mutants_database, tmp_path, **mutant(tmp_path, mutation)) as crippled:
        assert scenario(crippled) != [], "the condition can be left out: no test needs it"
