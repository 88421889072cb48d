"""The operator's commands against a real queue service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from jobline.client import JoblineClient, NewJob
from support.cli import COMMAND, CommandLine, QueueServiceUnderTest, running_queue_service
from support.eventually import eventually_blocking
from support.hand_worker import HandWorker
from support.processes import clean_environ
from support.stack import Databases, EmbeddedPair
from support.terminal import on_terminal

UNKNOWN = "0190a000-0000-7000-8000-000000000000"
HOSTILE = "\x1b[2J\x1b]0;owned\x07[bold red]x[/]\u202e"


@pytest.fixture(scope="module")
def database(databases: Databases) -> Iterator[str]:
    with databases.fresh() as url:
        yield url


@pytest.fixture(scope="module")
def service(
    database: str, embedded: EmbeddedPair, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[QueueServiceUnderTest]:
    with running_queue_service(database, embedded.redis_url, tmp_path_factory.mktemp("queue")) as running:
        yield running


@pytest.fixture
def client(service: QueueServiceUnderTest) -> Iterator[JoblineClient]:
    """An operator who finds no job of the tests before."""
    with service.client() as connected:
        for job in list(connected.list_jobs()):
            connected.delete(job.id)
        yield connected


@pytest.fixture
def worker(service: QueueServiceUnderTest) -> Iterator[HandWorker]:
    by_hand = HandWorker(service)
    yield by_hand
    by_hand.close()


@pytest.fixture
def cli(service: QueueServiceUnderTest, tmp_path: Path) -> CommandLine:
    settings = {
        "JOBLINE_QUEUE_ADDRESS": service.endpoints.queue,
        "JOBLINE_TOKEN": service.endpoints.operator_token,
    }
    return CommandLine(tmp_path, settings)


def test_a_pause_holds_jobs_back_is_explained_and_ends(client: JoblineClient, cli: CommandLine) -> None:
    paused = cli.json("queues", "pause", "email_default", "--reason", "maintenance")["queue"]
    assert paused["paused"] is True
    job_id = client.enqueue("email_default", "greet").id
    told = cli.json("jobs", "explain", job_id)
    assert told["waiting_for"][0]["code"] == "QUEUE_PAUSED"
    page = cli.run("jobs", "explain", job_id).stdout.splitlines()
    assert page[0].startswith("Not running: ")
    assert "jobline queues resume email_default" in "\n".join(page)
    table = cli.run("queues", "list").stdout
    assert "paused" in next(line for line in table.splitlines() if line.startswith("email_default"))
    assert cli.json("queues", "resume", "email_default")["queue"]["paused"] is False


def test_queues_are_listed_with_their_counts_and_policies(client: JoblineClient, cli: CommandLine) -> None:
    for _ in range(3):
        client.enqueue("orders", "greet")
    queues = {queue["policy"]["queue"]: queue for queue in cli.json("queues", "list")["queues"]}
    assert queues["orders"]["stats"]["ready"] == 3
    assert queues["email_default"]["policy"]["max_running"] == 1
    assert queues["email_default"]["policy"]["timeout"] == 180


def test_a_queue_is_shown_with_what_became_of_its_jobs(
    client: JoblineClient, cli: CommandLine, worker: HandWorker
) -> None:
    for _ in range(5):
        client.enqueue("parcels", "greet")
    for _ in range(2):
        worker.complete(worker.claim("parcels"), None)
    worker.fail(worker.claim("parcels"), "PROVIDER_ERROR", "the van broke down", retryable=False)
    cli.json("jobs", "cancel", client.enqueue("parcels", "greet").id)
    history = cli.json("queues", "show", "parcels")["queue"]["history"]
    counts = {name: history[name] for name in ("succeeded", "failed", "cancelled")}
    assert counts == {"succeeded": 2, "failed": 1, "cancelled": 1}
    assert history["failure_rate"] == pytest.approx(100 / 6)
    assert history["mean_run_time"] > 0
    assert history["oldest_pending"] is not None
    lines = dict(line.split(maxsplit=1) for line in cli.run("queues", "show", "parcels").stdout.splitlines())
    assert lines["pending"].startswith("2 (the oldest is due for ")
    assert lines["failed"] == "1 (16.7 %)"
    empty = cli.json("queues", "show", "ingestion")["queue"]["history"]
    assert (empty["failure_rate"], empty["mean_run_time"], empty["oldest_pending"]) == (0, None, None)


def test_a_limit_is_set_shown_and_reset(client: JoblineClient, cli: CommandLine) -> None:
    client.enqueue("crates", "greet")
    assert "at most 7 may run, set by an operator" in cli.run("queues", "limit", "crates", "7").stdout
    line = next(line for line in cli.run("queues", "list").stdout.splitlines() if line.startswith("crates"))
    assert line.split()[4] == "7*"
    assert cli.json("queues", "limit", "crates", "--reset")["queue"]["limit_overridden"] is False
    both = cli.run("queues", "limit", "crates", "7", "--reset")
    assert (both.returncode, "expected a number of jobs, or --reset" in both.stderr) == (2, True)


def test_an_operator_sees_what_a_queue_did_and_who_holds_what(
    client: JoblineClient, cli: CommandLine, worker: HandWorker
) -> None:
    for _ in range(2):
        client.enqueue("barrels", "greet")
    worker.complete(worker.claim("barrels"), None)
    worker.fail(worker.claim("barrels"), "PROVIDER_ERROR", "the van broke down", retryable=False)
    lines = cli.run("queues", "trends", "barrels", "--points", "2").stdout.splitlines()
    assert lines[-4].startswith("in all")
    assert lines[-4].split()[2:8] == ["2", "2", "1", "1", "0", "0"]
    assert lines[-1].split() == ["PROVIDER_ERROR", "1"]
    assert "step" in cli.run("workers", "list", "--jobs").stdout


def test_an_operator_stores_businesses_and_their_members(cli: CommandLine, database: str) -> None:
    assert cli.json("businesses", "store", "acme", "--name", "Acme Ltd")["created"] is True
    assert cli.json("businesses", "store", "acme", "--name", "Acme Inc")["created"] is False
    assert "is Support in business acme" in cli.run("businesses", "member", "acme", "u-1", "Support").stdout
    with psycopg.connect(database, autocommit=True) as rows:
        assert rows.execute("SELECT name FROM businesses WHERE id = 'acme'").fetchone() == ("Acme Inc",)
        assert rows.execute("SELECT user_id, role FROM business_members").fetchall() == [("u-1", "Support")]
        cli.json("businesses", "member", "acme", "u-1")
        assert rows.execute("SELECT count(*) FROM business_members").fetchone() == (0,)
    refused = cli.run("businesses", "member", "nobody", "u-1", "User")
    assert (refused.returncode, "business nobody not found" in refused.stderr) == (1, True)


def test_an_operator_gives_a_user_credits_and_sees_what_is_left(cli: CommandLine) -> None:
    unknown = cli.run("credits", "show", "u-2")
    assert (unknown.returncode, "user u-2 not found" in unknown.stderr) == (1, True)
    given = cli.json("credits", "grant", "u-2", "2", "--source", "purchase", "--expires", "30d")
    assert given == {"user_id": "u-2", "credits": {"active": 7, "reserved": 0, "used": 0, "expired": 0}}
    cli.json("credits", "grant", "u-2", "1")
    assert cli.run("credits", "show", "u-2").stdout == "credits of u-2: 8 active, 0 reserved, 0 used, 0 expired\n"
    late = cli.run("credits", "grant", "u-2", "1", "--expires", "2020-01-01")
    assert (late.returncode, "expires_at: expected a time in the future" in late.stderr) == (1, True)
    for wrong in (["0"], ["10001"], ["1", "--source", "theft"], ["1", "--expires", "soon"]):
        assert cli.run("credits", "grant", "u-2", *wrong).returncode == 2


def test_jobs_are_filtered_and_what_the_limit_cuts_is_said(client: JoblineClient, cli: CommandLine) -> None:
    ids = [client.enqueue("orders", "greet", labels={"tenant": "a"}).id for _ in range(3)]
    client.enqueue("orders", "greet", labels={"tenant": "b"})
    filters = (
        "jobs",
        "list",
        "--queue",
        "orders",
        "--label",
        "tenant=a",
        "--state",
        "pending",
        "--created-after",
        "1h",
    )
    told = cli.json(*filters)
    assert [job["id"] for job in told["jobs"]] == ids[::-1]
    assert told["more"] is False
    assert len(cli.json(*filters, "--limit", "0")["jobs"]) == 3
    cut = cli.run(*filters, "--limit", "2")
    assert len(cut.stdout.splitlines()) == 3
    assert "--limit" in cut.stderr


def test_a_finished_job_shows_its_timeline_and_no_control_characters(
    client: JoblineClient, worker: HandWorker, cli: CommandLine
) -> None:
    stored = client.enqueue("orders", "greet", {"name": HOSTILE}, owner="user:[red]", labels={"a": "[bold]"})
    job = worker.claim("orders")
    worker.finish_step(job, "research", {"fact": HOSTILE})
    worker.complete(job, {"text": HOSTILE})
    told = cli.json("jobs", "show", stored.id)
    assert json.loads(told["job"]["result_json"]) == {"text": HOSTILE}
    assert told["steps"][0]["name"] == "research"
    assert told["steps"][0]["duration"] == 1.5
    assert told["attempts"][-1]["outcome"] == "succeeded"
    page = cli.run("jobs", "show", stored.id).stdout
    assert page.isprintable() or all(line.isprintable() for line in page.splitlines())
    assert "[bold red]x[/]" in page
    order = [page.index(line) for line in ("enqueued", "run 1 started", "step research done", "run 1 succeeded")]
    assert order == sorted(order)


def test_a_failed_job_is_explained_and_can_be_retried_and_cancelled(
    client: JoblineClient, worker: HandWorker, cli: CommandLine
) -> None:
    stored = client.enqueue("orders", "greet")
    worker.fail(worker.claim("orders"), "PROVIDER_ERROR", "the model is down", retryable=False)
    page = cli.run("jobs", "explain", stored.id).stdout.splitlines()
    assert page[0].startswith("Failed ")
    assert "PROVIDER_ERROR (the model is down)" in page[0]
    assert f"jobline jobs retry {stored.id}" in "\n".join(page)
    assert cli.run("jobs", "retry", stored.id).stdout == f"job {stored.id} is pending\n"
    assert cli.json("jobs", "cancel", stored.id, "--reason", "wrong list")["job"]["state"] == "cancelled"
    assert "wrong list" in cli.run("jobs", "explain", stored.id).stdout


def test_many_jobs_are_acted_on_after_a_question_with_their_number(client: JoblineClient, cli: CommandLine) -> None:
    client.enqueue_many([NewJob("orders", "greet"), NewJob("orders", "greet"), NewJob("orders", "other")])
    chosen = ("--queue", "orders", "--kind", "greet")
    assert cli.run("jobs", "cancel", *chosen, "--dry-run").stdout == "2 jobs to cancel\n"
    for answer in ("", "n\n"):
        refused = cli.run("jobs", "cancel", *chosen, answer=answer)
        assert (refused.returncode, refused.stdout.strip()) == (1, "")
        assert "cancel 2 jobs?" in refused.stderr
    agreed = cli.run("jobs", "cancel", *chosen, "--reason", "wrong list", answer="y\n")
    assert agreed.stdout.strip() == "2 of 2 jobs cancelled", agreed.stderr
    told = cli.json("jobs", "retry", *chosen, "--state", "cancelled", "--yes")
    assert told == {"total": 2, "done": 2, "skipped": 0, "finished": True}
    assert cli.run("jobs", "retry", *chosen).stdout == "0 jobs to retry\n"
    lines = cli.json("events", "--queue", "orders", "--limit", "4")["events"]
    assert [line["name"] for line in lines] == ["retried", "retried", "bulk_retried", "cancelled"]
    assert "bulk_cancelled" in cli.run("events", "--name", "bulk_cancelled", "--actor", "service:operator").stdout


@pytest.mark.parametrize("arguments", [(), (UNKNOWN, "--queue", "orders"), (UNKNOWN, "--dry-run")])
def test_an_act_is_on_one_job_or_on_those_that_options_choose(cli: CommandLine, arguments: tuple[str, ...]) -> None:
    assert cli.run("jobs", "cancel", *arguments).returncode == 2


def test_jobs_are_listed_in_the_order_that_is_asked_for(client: JoblineClient, cli: CommandLine) -> None:
    ids = [client.enqueue("orders", "greet", priority=priority).id for priority in (3, 9, 5)]
    told = cli.json("jobs", "list", "--queue", "orders", "--order", "priority", "--ascending")
    assert [job["id"] for job in told["jobs"]] == [ids[0], ids[2], ids[1]]


def test_an_unknown_job_queue_or_worker_is_one_line_and_exit_code_1(cli: CommandLine) -> None:
    for arguments in (
        ("jobs", "show", UNKNOWN),
        ("jobs", "explain", UNKNOWN),
        ("jobs", "watch", UNKNOWN),
        ("queues", "pause", "nowhere"),
        ("workers", "drain", "nobody"),
    ):
        done = cli.run(*arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"error: {arguments[0].removesuffix('s')} {arguments[2]} not found\n"


def test_a_malformed_id_and_a_wrong_state_are_told_as_the_service_does(
    client: JoblineClient, worker: HandWorker, cli: CommandLine
) -> None:
    bad = cli.run("jobs", "show", "not-an-id")
    assert bad.returncode == 1
    assert bad.stderr.startswith("error: id: expected")
    client.enqueue("orders", "greet")
    job = worker.claim("orders")
    worker.complete(job, None)
    late = cli.run("jobs", "cancel", job.job_id)
    assert (late.returncode, late.stderr) == (1, "error: cannot cancel a job that is succeeded\n")


def test_a_wrong_token_is_told_with_the_setting(cli: CommandLine) -> None:
    done = CommandLine(cli.folder, {**cli.settings, "JOBLINE_TOKEN": "wrong"}).run("queues", "list")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "JOBLINE_TOKEN" in done.stderr


def test_a_watch_in_a_pipe_tells_each_change_and_ends_with_its_jobs(
    client: JoblineClient, worker: HandWorker, cli: CommandLine
) -> None:
    ids = [client.enqueue("orders", "greet").id for _ in range(2)]
    with ThreadPoolExecutor() as pool:
        lines = pool.submit(cli.run, "jobs", "watch", *ids)
        documents = pool.submit(cli.run, "jobs", "watch", *ids, "--json")
        for _ in ids:
            job = worker.claim("orders")
            worker.report(job, "greeting", 1, 2)
            worker.complete(job, {"text": "hello"})
        told, changes = lines.result(timeout=60), documents.result(timeout=60)
    assert (told.returncode, changes.returncode) == (0, 0)
    for job_id in ids:
        assert f"{job_id} succeeded" in told.stdout
    last = {change["job"]["id"]: change["job"] for change in map(json.loads, changes.stdout.splitlines())}
    assert {job["state"] for job in last.values()} == {"succeeded"}
    assert {job["result_json"].replace(" ", "") for job in last.values()} == {'{"text":"hello"}'}


def test_a_watch_on_a_terminal_is_a_live_picture_that_ends_with_its_jobs(
    client: JoblineClient, worker: HandWorker, cli: CommandLine
) -> None:
    ids = [client.enqueue("orders", "greet").id for _ in range(2)]
    with on_terminal([COMMAND, "jobs", "watch", *ids], clean_environ(**cli.settings)) as (watch, screen):
        eventually_blocking(lambda: "2 pending" in screen.text(), within=20)
        job = worker.claim("orders")
        worker.report(job, "greeting", 1, 2)
        eventually_blocking(lambda: "1 pending, 1 running" in screen.text() and "greeting" in screen.text(), within=20)
        worker.complete(job, None)
        worker.complete(worker.claim("orders"), None)
        eventually_blocking(lambda: watch.poll() is not None and "2 succeeded" in screen.text(), within=20)
        assert watch.returncode == 0
        assert "\x1b[?25l" in screen.text(), "the cursor is hidden while the picture is drawn anew in place"
        assert "\x1b[?25h" in screen.text()
