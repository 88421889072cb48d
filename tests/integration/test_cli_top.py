"""`jobline top` against a real queue service with a worker, in a pipe and on a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from jobline.client import AsyncJoblineClient
from jobline.worker import Run, Worker, pipeline
from support.cli import COMMAND, CommandLine, QueueServiceUnderTest, running_queue_service
from support.eventually import eventually
from support.processes import clean_environ
from support.stack import Databases, EmbeddedPair
from support.tcp_proxy import tcp_proxy
from support.terminal import Screen, on_terminal

HOSTILE = "\x1b[2J\x07[bold red]x[/]\u202e"


@pytest.fixture(scope="module")
def service(
    databases: Databases, embedded: EmbeddedPair, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[QueueServiceUnderTest]:
    with (
        databases.fresh() as database,
        running_queue_service(database, embedded.redis_url, tmp_path_factory.mktemp("queue")) as running,
    ):
        yield running


@pytest.fixture
async def client(service: QueueServiceUnderTest) -> AsyncIterator[AsyncJoblineClient]:
    async with AsyncJoblineClient(service.endpoints.queue, service.endpoints.operator_token) as connected:
        yield connected


@pytest.fixture
def cli(service: QueueServiceUnderTest, tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path, settings(service, service.endpoints.queue))


def settings(service: QueueServiceUnderTest, address: str) -> dict[str, str]:
    return {"JOBLINE_QUEUE_ADDRESS": address, "JOBLINE_TOKEN": service.endpoints.operator_token}


@contextlib.asynccontextmanager
async def greeter(service: QueueServiceUnderTest, queue: str) -> AsyncIterator[asyncio.Event]:
    """A worker that runs one job at a time; each goes on to its end once the event is set."""
    may_end = asyncio.Event()

    @pipeline("greet")
    async def greet(run: Run) -> None:
        run.progress(1, 2, HOSTILE)
        await may_end.wait()

    endpoints = service.endpoints
    worker = Worker(endpoints.queue, endpoints.worker_token, queues={queue: 1}, pipelines=[greet], name="greeter")
    running = asyncio.create_task(worker.run())
    try:
        yield may_end
    finally:
        may_end.set()
        worker.stop()
        await running


async def has_reported(client: AsyncJoblineClient, job_id: str) -> bool:
    return (await client.get(job_id)).job.progress is not None


def line_with(page: str, text: str) -> list[str]:
    return next((line.split() for line in page.splitlines() if text in line), [])


def last_picture(screen: Screen) -> str:
    """It may be half written yet."""
    return screen.text().rsplit("\x1b[H", 1)[-1]


def shows(screen: Screen, *texts: str) -> bool:
    picture = last_picture(screen)
    return all(text in picture for text in texts)


async def test_in_a_pipe_it_is_one_picture_and_with_json_one_document(
    service: QueueServiceUnderTest, client: AsyncJoblineClient, cli: CommandLine
) -> None:
    async with greeter(service, "letters"):
        ids = [(await client.enqueue("letters", "greet")).id for _ in range(3)]
        await client.enqueue("elsewhere", "greet")
        await eventually(lambda: has_reported(client, ids[0]), within=20)
        await client.pause_queue("letters", HOSTILE)
        page = (await asyncio.to_thread(cli.run, "top")).stdout
        assert all(line.isprintable() for line in page.splitlines())
        assert line_with(page, "letters ")[:4] == ["letters", "2", "0", "1"]
        assert "paused by service:operator" in page
        assert "no connected worker takes it" in page
        assert "1/2" in line_with(page, ids[0])
        assert line_with(page, "greeter ")[:2] == ["greeter", "1/1"]
        only = await asyncio.to_thread(cli.json, "top", "--queue", "letters")
    assert list(only) == ["time", "queues", "workers", "last_5_minutes", "last_hour"]
    assert [queue["policy"]["queue"] for queue in only["queues"]] == ["letters"]
    assert [job["id"] for worker in only["workers"] for job in worker["jobs"]] == [ids[0]]
    assert only["last_5_minutes"][0]["total"]["started"] == 1
    assert len(only["last_hour"][0]["points"]) == 60


async def test_an_unknown_queue_is_one_line(cli: CommandLine) -> None:
    unknown = await asyncio.to_thread(cli.run, "top", "--once", "--queue", "nowhere")
    assert (unknown.returncode, unknown.stderr) == (1, "error: queue nowhere not found\n")


async def test_on_a_terminal_it_follows_the_service_through_an_outage_and_any_size(
    service: QueueServiceUnderTest, client: AsyncJoblineClient
) -> None:
    async with greeter(service, "cards") as may_end, tcp_proxy(service.endpoints.queue) as proxy:
        job_id = (await client.enqueue("cards", "greet")).id
        command = [COMMAND, "top", "--interval", "500ms"]
        with on_terminal(command, clean_environ(**settings(service, proxy.address))) as (top, screen):
            await eventually(lambda: "1/2" in line_with(last_picture(screen), job_id), within=20)
            proxy.refuse()
            await eventually(lambda: shows(screen, "No answer for", job_id), within=20)
            proxy.heal()
            may_end.set()
            await eventually(lambda: "nothing runs" in last_picture(screen), within=20)
            screen.resize(70, 12)
            top.send_signal(signal.SIGWINCH)
            await eventually(lambda: len(last_picture(screen).splitlines()) == 12, within=20)
            screen.type("xq")
            await eventually(lambda: top.poll() is not None, within=20)
            assert top.returncode == 0
            shown = screen.text()
    assert "\x1b[2J\x07" not in shown, "what strangers write steers nothing"
    assert shown.index("\x1b[?1049h") < shown.rindex("\x1b[?1049l"), "the screen is as it was before"
    assert shown.rindex("\x1b[?25l") < shown.rindex("\x1b[?25h"), "the cursor is back"


async def test_it_waits_for_a_service_that_is_away_and_ends_at_ctrl_c(service: QueueServiceUnderTest) -> None:
    async with tcp_proxy(service.endpoints.queue) as proxy:
        proxy.refuse()
        command = [COMMAND, "top", "--interval", "500ms", "--queue", "letters"]
        with on_terminal(command, clean_environ(**settings(service, proxy.address))) as (top, screen):
            await eventually(lambda: "no queue service answers" in last_picture(screen), within=20)
            top.send_signal(signal.SIGINT)
            await eventually(lambda: top.poll() is not None, within=20)
            assert top.returncode == 0
            assert "Traceback" not in screen.text()
