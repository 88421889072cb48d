"""The client against the real queue service: every method, asynchronous and synchronous."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobline.client import AsyncJoblineClient, BulkProgress, JobFilter, JoblineClient, JobState, NewJob
from jobline.errors import (
    Conflict,
    CountChanged,
    InvalidField,
    NotFound,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
    WrongState,
)
from jobline.runtime import Settings
from jobline_local.ports import free_port
from support.eventually import eventually
from support.queue_service import QueueServiceUnderTest, queue_service
from support.tcp_proxy import tcp_proxy

NOBODY = "01890000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def module_database(databases) -> Iterator[str]:
    with databases.fresh() as url:
        yield url


@pytest.fixture(scope="module")
def service(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueueServiceUnderTest]:
    """One service for the module: its tests share nothing but the process, each has a queue or owner of its own."""
    with queue_service(module_database, tmp_path_factory.mktemp("queue")) as running:
        yield running


async def test_a_job_comes_back_as_it_was_enqueued(client: AsyncJoblineClient):
    run_at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    stored = await client.enqueue(
        "test",
        "thing",
        {"a": [1, "ä"]},
        owner="user:1",
        priority=7,
        run_at=run_at,
        concurrency_key="k",
        correlation_id="c",
        labels={"x": "y"},
        max_attempts=5,
    )
    job = (await client.get(stored.id)).job
    assert (job.queue, job.kind, job.owner, job.priority, job.run_at) == ("test", "thing", "user:1", 7, run_at)
    assert (job.payload, job.concurrency_key, job.correlation_id) == ({"a": [1, "ä"]}, "k", "c")
    assert (job.labels, job.max_attempts, job.state) == ({"x": "y"}, 5, JobState.PENDING)
    assert job.created_at is not None
    assert job.created_at.tzinfo is UTC
    assert job.lease is None
    assert job.error is None


async def test_many_jobs_keep_their_order(client: AsyncJoblineClient):
    stored = await client.enqueue_many(NewJob("many", "thing", n) for n in range(2500))
    assert len({job.id for job in stored}) == 2500
    listed = [job async for job in client.list_jobs(JobFilter(queues=["many"]), page_size=500)]
    assert len(listed) == 2500
    assert [job.id for job in sorted(listed, key=lambda job: job.seq)] == [job.id for job in stored]


async def test_concurrent_enqueues_are_each_answered_for_themselves(client: AsyncJoblineClient):
    answers = await asyncio.gather(
        *(client.enqueue("coalesced" if n % 7 else "Not A Queue", "thing", n) for n in range(50)),
        return_exceptions=True,
    )
    refused = [n for n, answer in enumerate(answers) if isinstance(answer, InvalidField)]
    assert refused == [n for n in range(50) if n % 7 == 0]
    assert len([job async for job in client.list_jobs(JobFilter(queues=["coalesced"]))]) == 50 - len(refused)


async def test_an_idempotency_key_returns_the_first_job_and_refuses_other_content(client: AsyncJoblineClient):
    first = await client.enqueue("test", "thing", 1, idempotency_key="once")
    again = await client.enqueue("test", "thing", 1, idempotency_key="once")
    assert (again.id, again.deduplicated, first.deduplicated) == (first.id, True, False)
    with pytest.raises(Conflict):
        await client.enqueue("test", "thing", 2, idempotency_key="once")


async def test_a_bad_field_is_named(client: AsyncJoblineClient):
    with pytest.raises(InvalidField) as caught:
        await client.enqueue("test", "thing", max_attempts=5000)
    assert any("max_attempts" in violation.field for violation in caught.value.violations)


async def test_a_payload_that_json_cannot_hold_is_refused_before_it_travels(client: AsyncJoblineClient):
    for payload in (float("nan"), object(), "\ud800"):
        with pytest.raises(ValueError, match=r"payload|JSON"):
            await client.enqueue("test", "thing", payload)


async def test_lists_are_filtered(client: AsyncJoblineClient):
    wanted = await client.enqueue("filtered", "one", owner="user:7", labels={"a": "1", "b": "2"})
    await client.enqueue("filtered", "two", owner="user:7", labels={"a": "1"})
    await client.enqueue("filtered", "one", owner="user:8", labels={"a": "1", "b": "2"})
    filtered = JobFilter(
        queues=["filtered"], kind="one", owner="user:7", labels={"a": "1", "b": "2"}, states=[JobState.PENDING]
    )
    assert [job.id async for job in client.list_jobs(filtered)] == [wanted.id]
    assert await client.count_jobs(filtered) == {JobState.PENDING: 1}
    failed = JobFilter(queues=["filtered"], states=[JobState.FAILED])
    assert [job async for job in client.list_jobs(failed)] == []


async def test_many_jobs_are_cancelled_and_retried_by_a_filter_and_their_number(client: AsyncJoblineClient):
    await client.enqueue_many([NewJob("bulk", "thing", number) for number in range(30)])
    every = JobFilter(queues=["bulk"])
    assert [told.total async for told in client.cancel_jobs(every, dry_run=True)] == [30]
    with pytest.raises(CountChanged) as caught:
        await anext(client.cancel_jobs(every, expected_count=7))
    assert caught.value.count == 30
    told = [told async for told in client.cancel_jobs(every, "too many", expected_count=30)]
    assert told[-1] == BulkProgress(30, 30, 0, finished=True)
    told = [told async for told in client.retry_jobs(every, expected_count=30)]
    assert (told[-1].done, await client.count_jobs(every)) == (30, {JobState.PENDING: 30})
    names = [event.name async for event in client.list_events(queue="bulk", page_size=7)]
    assert names == ["retried"] * 30 + ["bulk_retried"] + ["cancelled"] * 30 + ["bulk_cancelled"]


async def test_cancel_retry_explain_and_delete(client: AsyncJoblineClient):
    stored = await client.enqueue("test", "nobody-runs-this")
    assert (await client.cancel(stored.id, "no longer needed")).state is JobState.CANCELLED
    assert (await client.retry(stored.id)).state is JobState.PENDING
    with pytest.raises(WrongState) as caught:
        await client.retry(stored.id)
    assert caught.value.state == "pending"
    explained = await client.explain(stored.id)
    assert "cancelled" in [event.name for event in explained.events]
    assert "NO_WORKER" in [reason.code for reason in explained.waiting_for]
    await client.delete(stored.id)
    with pytest.raises(NotFound):
        await client.get(stored.id)


async def test_what_is_not_there_is_not_found(client: AsyncJoblineClient):
    for call in (client.get(NOBODY), client.cancel(NOBODY), client.explain(NOBODY), client.get_queue("no-such")):
        with pytest.raises(NotFound):
            await call
    with pytest.raises(InvalidField):
        await client.get("not-a-uuid")


async def test_queues_show_their_policy_and_can_be_paused(client: AsyncJoblineClient):
    assert "test" in [queue.name for queue in await client.list_queues()]
    assert (await client.pause_queue("now", "maintenance")).paused
    pause = (await client.get_queue("now")).pause
    assert pause is not None
    assert (pause.actor, pause.reason, pause.since is not None) == ("service:operator", "maintenance", True)
    assert not (await client.resume_queue("now")).paused
    policy = (await client.get_queue("test")).policy
    assert (policy.lease, policy.receipt, policy.step_tries, policy.cancel) == (6.0, 3.0, 3, "boundary")
    assert policy.timeout is None


async def test_tokens_that_are_unknown_or_lack_the_role_are_told_apart(service: QueueServiceUnderTest):
    async with AsyncJoblineClient(service.address, "nobody-has-this-token") as stranger:
        with pytest.raises(Unauthenticated):
            await stranger.list_queues()
    async with AsyncJoblineClient(service.address, service.producer_token) as producer:
        with pytest.raises(PermissionDenied):
            await producer.pause_queue("test")


async def test_a_watch_tells_the_present_state_and_every_change_until_the_end(client: AsyncJoblineClient):
    stored = await client.enqueue("test", "watched")
    states: list[JobState] = []
    async for change in client.watch([stored.id]):
        assert change.job is not None
        states.append(change.job.state)
        if len(states) == 1:
            await client.cancel(stored.id)
    assert states == [JobState.PENDING, JobState.CANCELLED]


async def test_a_watch_goes_on_after_its_connection_broke(service: QueueServiceUnderTest, client: AsyncJoblineClient):
    stored = await client.enqueue("test", "watched")
    async with (
        tcp_proxy(service.address) as proxy,
        AsyncJoblineClient(proxy.address, service.operator_token) as watcher,
    ):
        states: list[JobState] = []
        async for change in watcher.watch([stored.id]):
            assert change.job is not None
            states.append(change.job.state)
            if len(states) == 1:
                proxy.refuse()
                await client.cancel(stored.id)
                proxy.heal()
    assert states[-1] is JobState.CANCELLED


async def test_a_watch_of_all_jobs_of_an_owner_tells_of_removals(client: AsyncJoblineClient):
    watch = client.watch(owner="user:watch")
    stored = await client.enqueue("test", "watched", owner="user:watch")
    async for change in watch:
        if change.job is not None and change.job.id == stored.id:
            await client.delete(stored.id)
        if change.removed_id == stored.id:
            break
    await watch.aclose()


async def test_an_enqueue_whose_answer_was_lost_stores_the_job_once(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
):
    async with (
        tcp_proxy(service.address) as proxy,
        AsyncJoblineClient(proxy.address, service.operator_token) as shaky,
    ):
        for n in range(20):
            storing = asyncio.create_task(shaky.enqueue("shaky", "thing", n))
            await eventually(lambda: proxy.connections > 0)
            await asyncio.sleep(0)
            proxy.cut()
            await storing
    payloads = [(await client.get(job.id)).job.payload async for job in client.list_jobs(JobFilter(queues=["shaky"]))]
    assert sorted(payloads) == list(range(20))


async def test_addresses_are_tried_in_turn(service: QueueServiceUnderTest):
    nobody = f"127.0.0.1:{free_port()}"
    async with AsyncJoblineClient([nobody, service.address], service.operator_token) as client:
        assert await client.list_queues()
        assert (await client.enqueue("test", "thing")).id


async def test_without_any_service_a_call_fails_within_its_deadline():
    async with AsyncJoblineClient(f"127.0.0.1:{free_port()}", "token", deadline=1.0) as client:
        async with asyncio.timeout(5):
            with pytest.raises(Unavailable):
                await client.list_queues()


async def test_a_stalled_network_fails_a_call_within_its_deadline(service: QueueServiceUnderTest):
    async with tcp_proxy(service.address) as proxy:
        proxy.stall()
        async with AsyncJoblineClient(proxy.address, service.operator_token, deadline=1.5) as client:
            async with asyncio.timeout(10):
                with pytest.raises(Exception, match=r".") as caught:
                    await client.cancel(NOBODY)
        assert type(caught.value).__name__ in ("DeadlineExceeded", "Unavailable")


def test_the_synchronous_client_does_the_same(service: QueueServiceUnderTest):
    with JoblineClient(service.address, service.operator_token) as client:
        stored = client.enqueue("sync", "thing", {"a": 1})
        assert client.get(stored.id).job.payload == {"a": 1}
        assert [job.id for job in client.list_jobs(JobFilter(queues=["sync"]))] == [stored.id]
        changes = client.watch([stored.id])
        assert next(changes).job is not None
        client.cancel(stored.id)
        assert [change.job.state for change in changes if change.job] == [JobState.CANCELLED]
        assert client.explain(stored.id).job is not None
        assert client.get_queue("test").name == "test"
        assert client.list_workers() == ()
        with pytest.raises(NotFound):
            client.get(NOBODY)


def test_threads_share_a_synchronous_client(service: QueueServiceUnderTest):
    with JoblineClient(service.address, service.operator_token) as client, ThreadPoolExecutor(8) as threads:
        stored = list(threads.map(lambda n: client.enqueue("threads", "thing", n).id, range(200)))
        assert len(set(stored)) == 200


def test_a_client_finds_its_service_in_the_settings(service: QueueServiceUnderTest, tmp_path: Path):
    environ = {
        "JOBLINE_QUEUE_ADDRESS": service.address,
        "JOBLINE_TOKEN": service.operator_token,
        "JOBLINE_DATA_DIR": str(tmp_path),
    }
    with JoblineClient.from_settings(Settings(environ)) as client:
        assert client.list_queues()
