"""Every program of docs/database-queue.md does what the page says."""

from __future__ import annotations

import re
import runpy
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobline.database_queue import AsyncDatabaseQueue, DatabaseQueue
from jobline_worker.config import DEFAULT_QUEUES
from support.eventually import eventually_blocking
from support.ingestion_house import IngestionHouse, house_of
from support.processes import ProgramUnderTest, clean_environ
from support.queue_service import QueueServiceUnderTest

PAGE = (Path(__file__).parents[2] / "docs" / "database-queue.md").read_text()
PROGRAMS = {name: text for text, name in re.findall(r"```python\n(# (\S+\.py)\n.*?)```", PAGE, re.DOTALL)}


@pytest.fixture
def house(service: QueueServiceUnderTest) -> Iterator[IngestionHouse]:
    """The shared service without jobs of these types."""
    yield from house_of(service)


@pytest.fixture
def programs(house: IngestionHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's programs as files in the present folder, with settings that lead them to the service."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOBLINE_QUEUE_ADDRESS", house.service.address)
    monkeypatch.setenv("JOBLINE_TOKEN", house.service.operator_token)
    for name, text in PROGRAMS.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def printed(program: str, capsys: pytest.CaptureFixture[str]) -> str:
    runpy.run_path(program, run_name="__main__")
    return capsys.readouterr().out


def test_no_example_of_the_page_is_left_out():
    assert sorted(PROGRAMS) == ["asynchronous.py", "consumer.py", "load.py", "operate.py"]
    assert PAGE.count("```python") == len(PROGRAMS)


def test_the_page_starts_the_stack_without_the_two_queues():
    named = re.search(r"JOBLINE_WORKER_QUEUES=(\S+)", PAGE)
    assert named is not None
    assert sorted([*named[1].split(","), "ingestion", "vectorization"]) == sorted(DEFAULT_QUEUES)


def test_the_table_has_every_method_with_its_arguments():
    for queue in (DatabaseQueue, AsyncDatabaseQueue):
        methods = {name for name in vars(queue) if not name.startswith("_")} - {"close"}
        assert set(re.findall(r"^\| `(\w+)\(", PAGE, re.MULTILINE)) == methods


def test_the_consumer_stores_what_the_loader_loads(
    programs: Path, house: IngestionHouse, capsys: pytest.CaptureFixture[str]
):
    where = {"JOBLINE_QUEUE_ADDRESS": house.service.address, "JOBLINE_TOKEN": house.service.operator_token}
    environ = clean_environ(**where)
    consumer = ProgramUnderTest(("consumer.py",), environ, programs, "consumer")
    try:
        job_id = printed("load.py", capsys).strip()
        said = f"{job_id}: {{'savedCount': 1000, 'skippedCount': 0}}\n"
        eventually_blocking(lambda: consumer.output.read_text() == said, within=60, what="the consumer is done")
        assert consumer.stop() == 0
    finally:
        consumer.kill()
    with sqlite3.connect(programs / "records.db") as stored:
        assert stored.execute("SELECT count(*), min(project) FROM records").fetchone() == (1000, "proj-456")
    assert house.row(job_id)["status"] == "COMPLETED"


def test_the_asynchronous_program_loads_and_runs(programs: Path, capsys: pytest.CaptureFixture[str]):
    assert re.fullmatch(r"[0-9a-f-]{36}\n", printed("asynchronous.py", capsys))


def test_an_operator_retries_counts_and_cleans_up(
    programs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    with DatabaseQueue() as queue:
        job_id = queue.enqueue("VECTORIZE", {"projectId": "p"}, max_attempts=1)
        for job in queue.jobs(["VECTORIZE"], wait=0):
            queue.fail_job(job.job_id, "no")
    monkeypatch.setattr(sys, "argv", ["operate.py", job_id])
    told = printed("operate.py", capsys)
    assert told.startswith("DatabaseQueueStats(pending=1, processing=0, ")
    assert told.endswith("\n0 old jobs removed\n")
