"""Minutes as they are kept: production's tally, keeper and reads on a real table, with a clock of the test's."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from typing import Any

import psycopg
import pytest

from jobline_queue.core.ending import Failed, RunError, end_run
from jobline_queue.core.live_job import Lease, LiveJob
from jobline_queue.core.trends import DAY, KEPT, MINUTE, Stretches, StretchOfQueue, Trend, trends
from jobline_queue.dispatch.changes import Changes
from jobline_queue.dispatch.clock import Clock
from jobline_queue.dispatch.dispatcher import Dispatcher
from jobline_queue.dispatch.hooks import HookRegistry
from jobline_queue.dispatch.session import Session
from jobline_queue.dispatch.tally import MAX_CODES, OTHER_CODES
from jobline_queue.dispatch.term import Term
from jobline_queue.maintenance import minute_keeper
from jobline_queue.maintenance.minute_keeper import MinuteKeeper
from jobline_queue.store import trends as store_trends
from jobline_queue.store.engine import connect, open_pool
from jobline_queue.store.job_store import JobStore
from jobline_queue.store.search import Searches
from jobline_queue.store.trends import TrendStore
from support.eventually import eventually
from support.queue_service import execute
from support.stack import Databases

NOON = 1_800_000_000.0


class Day:
    """The database, and what time it is."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.now = NOON
        self.engine = open_pool(url)
        self.trends = TrendStore(Searches(self.engine))

    def rows(self, columns: str) -> list[tuple[Any, ...]]:
        return execute(self.url, f"SELECT {columns} FROM jobline.queue_minutes ORDER BY minute, queue")

    @contextlib.asynccontextmanager
    async def term(self) -> AsyncIterator[OneTerm]:
        async with await connect(self.url, "test") as connection:
            yield OneTerm(self, JobStore(connection))


class OneTerm:
    """A term's memory, its keeper, and one worker that takes everything."""

    def __init__(self, day: Day, store: JobStore) -> None:
        self._day = day
        clock = Clock(day.now, lambda: self._day.now)
        self.dispatcher = Dispatcher({}, clock, 1, 10_000)
        self.keeper = MinuteKeeper(Term(1, self.dispatcher, HookRegistry(()), clock, Changes(1)), store)
        self._session = Session("s", "s", "p", {"a", "b"}, frozenset({"k"}))
        self._session.attached, self._session.capacity = True, {"a": 1000, "b": 1000}
        self.dispatcher.sessions["s"] = self._session
        self._numbers = itertools.count(1)

    def enqueue(self, count: int, queue: str = "a") -> list[LiveJob]:
        now = self._day.now
        numbers = itertools.islice(self._numbers, count)
        jobs = [LiveJob(str(n), queue, "k", "", "p", 0, now, n, "", "", "{}", "{}", 0, 3, 0, now) for n in numbers]
        self.dispatcher.observers.enqueued(jobs)
        for job in jobs:
            self.dispatcher.add(job)
        return jobs

    def start(self, queue: str = "a") -> Lease:
        """All that wait."""
        lease = self.dispatcher.pick(self._session, queue, self._day.now)
        assert lease is not None
        self.dispatcher.grant(lease)
        return lease

    def succeed(self, lease: Lease, jobs: Sequence[LiveJob] | None = None) -> None:
        jobs = list(lease.jobs.values()) if jobs is None else jobs
        self.dispatcher.observers.succeeded(lease, jobs, self._day.now)
        self.dispatcher.finish(lease, jobs)

    def fail(self, job: LiveJob, code: str) -> None:
        assert job.lease is not None
        outcome = Failed(RunError(code, "it broke", True), 60.0)
        end = end_run(job, self.dispatcher.policy(job.queue), outcome, self._day.now)
        self.dispatcher.observers.ended(job, job.lease, end, self._day.now)
        self.dispatcher.end(job)
        job.run_at = end.run_at
        self.dispatcher.restore(job)

    async def trend(
        self, seconds: float = 600, points: int = 10, meanwhile: Coroutine[Any, Any, object] | None = None
    ) -> Trend:
        """Of all queues together. `meanwhile` happens between the first look at the table and the one at the memory."""
        over = Stretches.back_from(self._day.now, seconds, points)
        waiting = [meanwhile] if meanwhile else []

        async def read(settled: float) -> list[StretchOfQueue]:
            found = await self._day.trends.read(over, "", settled)
            if waiting:
                await waiting.pop()
            return found

        stored, later = await self.keeper.whole(read)
        return list(trends(over, stored, later))[-1]


@pytest.fixture(scope="module")
def database(databases: Databases) -> Iterator[str]:
    with databases.fresh() as url:
        yield url


@pytest.fixture
async def day(database: str) -> AsyncIterator[Day]:
    execute(database, "TRUNCATE jobline.queue_minutes")
    opened = Day(database)
    yield opened
    await opened.engine.dispose()


async def test_a_minute_is_written_once_it_is_over_with_what_there_was_at_its_end(day: Day):
    async with day.term() as term:
        term.enqueue(5)
        day.now += 10
        lease = term.start()
        await term.keeper.run_once()
        assert day.rows("*") == []
        day.now += 20
        term.succeed(lease, list(lease.jobs.values())[:2])
        term.fail(next(iter(lease.jobs.values())), "BROKEN")
        day.now = NOON + MINUTE
        term.enqueue(7)
        await term.keeper.run_once()
        await term.keeper.run_once()
        assert day.rows("queue, extract(epoch FROM minute)::int, ready, delayed, running") == [("a", NOON, 0, 1, 2)]
        assert day.rows("enqueued, started, succeeded, failed, cancelled, retried") == [(5, 5, 2, 0, 0, 1)]
        ((waits, runs, errors),) = day.rows("waits, runs, errors")
        assert (list(waits.values()), list(runs.values()), errors) == ([5], [3], {"BROKEN": 1})


async def test_a_minute_that_two_terms_share_adds_up(day: Day):
    async with day.term() as first:
        jobs = first.enqueue(4)
        lease = first.start()
        day.now += 1
        first.succeed(lease, jobs[:3])
        first.fail(jobs[3], "BROKEN")
        await first.keeper.finish()
    async with day.term() as second:
        (job,) = second.enqueue(1)
        lease = second.start()
        day.now += 30
        second.fail(job, "BROKEN")
        assert (await second.trend()).total.enqueued == 5, "before the second part is written"
        day.now = NOON + MINUTE
        await second.keeper.run_once()
        assert day.rows("ready, delayed, running, enqueued, started, succeeded, retried") == [(0, 1, 0, 5, 5, 3, 2)]
        ((runs, errors),) = day.rows("runs, errors")
        assert (sorted(runs.values()), errors) == ([1, 4], {"BROKEN": 2})
        total = (await second.trend()).total
        assert (total.enqueued, total.succeeded, total.retried, total.errors) == (5, 3, 2, {"BROKEN": 2})


async def test_points_have_no_gaps_and_an_idle_hour_is_zeros(day: Day):
    async with day.term() as term:
        term.succeed(_started(term, 3))
        for _ in range(5):
            day.now += MINUTE
            await term.keeper.run_once()
        term.enqueue(2)
        flows = [(point.enqueued, point.succeeded, point.ready) for point in (await term.trend(420, 7)).points]
        assert flows == [(0, 0, 0), (3, 3, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0), (2, 0, 2)]


async def test_what_is_remembered_of_the_table_agrees_with_it(day: Day):
    async with day.term() as term:
        for _ in range(30):
            term.succeed(_started(term, 1))
            shown = [(await term.trend(seconds, 5)).total for seconds in (300, 900)]
            day.trends = TrendStore(Searches(day.engine))
            assert [(await term.trend(seconds, 5)).total for seconds in (300, 900)] == shown
            day.now += 25
            await term.keeper.run_once()


async def test_a_week_is_read_day_by_day_and_every_minute_once(day: Day):
    async with day.term() as term:
        for _ in range(7):
            term.succeed(_started(term, 2))
            day.now += DAY
            await term.keeper.run_once()
        for points in (1, 7, 300):
            assert [(await term.trend(KEPT, points)).total.succeeded for _ in range(2)] == [14, 14]


async def test_a_queue_that_was_emptied_by_removals_is_empty_in_its_next_minute(day: Day):
    async with day.term() as term:
        (job,) = term.enqueue(1)
        day.now += MINUTE
        await term.keeper.run_once()
        term.dispatcher.withdraw(job)
        term.dispatcher.forget(job)
        day.now += MINUTE
        await term.keeper.run_once()
        day.now += MINUTE
        await term.keeper.run_once()
        assert day.rows("ready, enqueued") == [(1, 1), (0, 0)]


async def test_minutes_are_kept_for_eight_days(day: Day):
    async with day.term() as term:
        term.enqueue(1)
        day.now += MINUTE
        await term.keeper.run_once()
        day.now += KEPT
        await term.keeper.run_once()
        assert day.rows("extract(epoch FROM minute)::int") == [(NOON + MINUTE,)]


async def test_a_read_that_a_write_overtakes_is_made_again(day: Day):
    async with day.term() as term:
        term.enqueue(3)
        day.now += MINUTE
        assert (await term.trend(meanwhile=term.keeper.run_once())).total.enqueued == 3


async def test_a_read_waits_for_a_write_that_is_under_way(day: Day):
    async with day.term() as term, _writes_held_up(day.url) as go_on:
        term.enqueue(3)
        day.now += MINUTE
        writing = asyncio.create_task(term.keeper.run_once())
        await eventually(lambda: _a_write_waits(day.url), what="the write waits")

        async def written() -> None:
            go_on.set()
            await writing

        reading = asyncio.create_task(term.trend(meanwhile=written()))
        await asyncio.wait([reading], timeout=0.1)
        go_on.set()
        assert (await reading).total.enqueued == 3


async def test_a_write_that_the_end_of_the_term_meets_counts_once(day: Day):
    async with day.term() as term, _writes_held_up(day.url) as go_on:
        term.enqueue(3)
        day.now += MINUTE
        writing = asyncio.create_task(term.keeper.run_once())
        await eventually(lambda: _a_write_waits(day.url), what="the write waits")
        writing.cancel()
        finishing = asyncio.create_task(term.keeper.finish())
        await asyncio.sleep(0)
        go_on.set()
        await finishing
        assert sum(count for (count,) in day.rows("enqueued")) == 3


async def test_a_read_does_not_wait_until_refused_writes_succeed(day: Day):
    execute(day.url, "ALTER TABLE jobline.queue_minutes ADD CONSTRAINT refuses CHECK (enqueued < 0)")
    try:
        async with day.term() as term:
            term.enqueue(3)
            day.now += MINUTE
            reads = 0

            async def read(_settled: float) -> None:
                nonlocal reads
                reads += 1
                with pytest.raises(psycopg.errors.CheckViolation):
                    await term.keeper.run_once()
                if reads == 3:
                    raise AssertionError("read again and again")

            _, later = await term.keeper.whole(read)
            assert [minute.counts.enqueued for minute in later] == [3, 0]
    finally:
        execute(day.url, "ALTER TABLE jobline.queue_minutes DROP CONSTRAINT refuses")


async def test_minutes_that_the_database_refuses_for_hours_do_not_fill_the_memory(
    day: Day, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(minute_keeper, "MOST_WAITING", 5)
    execute(day.url, "ALTER TABLE jobline.queue_minutes ADD CONSTRAINT refuses CHECK (enqueued < 0)")
    async with day.term() as term:
        try:
            for _ in range(9):
                term.enqueue(1)
                day.now += MINUTE
                with pytest.raises(psycopg.errors.CheckViolation):
                    await term.keeper.run_once()
        finally:
            execute(day.url, "ALTER TABLE jobline.queue_minutes DROP CONSTRAINT refuses")
        await term.keeper.run_once()
        assert day.rows("ready") == [(number,) for number in range(5, 10)]


async def test_questions_that_nobody_asks_again_are_forgotten(day: Day, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(store_trends, "MOST_WINDOWS", 3)
    async with day.term() as term:
        for minutes in range(1, 9):
            await term.trend(minutes * MINUTE, 1)
    assert len(day.trends._windows) == 3


async def test_error_codes_that_workers_make_up_do_not_fill_the_memory(day: Day):
    async with day.term() as term:
        for number, job in enumerate(list(_started(term, MAX_CODES + 10).jobs.values())):
            term.fail(job, f"CODE_{number}")
        errors = (await term.trend()).total.errors
        assert len(errors) == MAX_CODES + 1
        assert errors[OTHER_CODES] == 10


def _started(term: OneTerm, count: int) -> Lease:
    term.enqueue(count)
    return term.start()


@contextlib.asynccontextmanager
async def _writes_held_up(url: str) -> AsyncIterator[asyncio.Event]:
    """Nobody can write minutes, and everybody can read them, until the event is set."""
    go_on = asyncio.Event()
    async with await connect(url, "lock") as connection:

        async def hold() -> None:
            async with connection.transaction():
                await connection.execute("LOCK TABLE jobline.queue_minutes IN SHARE ROW EXCLUSIVE MODE")
                held.set()
                await go_on.wait()

        held = asyncio.Event()
        holding = asyncio.create_task(hold())
        await held.wait()
        try:
            yield go_on
        finally:
            go_on.set()
            await holding


def _a_write_waits(url: str) -> bool:
    return bool(
        execute(url, "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'jobline.queue_minutes'::regclass")
    )
