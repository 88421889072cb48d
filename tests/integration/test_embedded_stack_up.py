"""`jobline up` as its user meets it: what it prints, publishes, refuses, survives and leaves behind."""

import contextlib
import os
import re
import signal
import socket
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest
import redis

from jobline.runtime import Endpoints
from jobline_local.paths import DataDir
from support.eventually import eventually_blocking
from support.processes import StackUnderTest, living, running_stack
from support.stack import Databases, EmbeddedPair, scratch_data_dir

_READY = re.compile(r"ready gateway=http://127\.0\.0\.1:(\d+) queue=127\.0\.0\.1:(\d+) worker=127\.0\.0\.1:(\d+)")


def child_named(stack: StackUnderTest, *words: str) -> psutil.Process:
    """The child of the stack whose command line holds all `words`."""
    (found,) = [p for p in psutil.Process(stack.pid).children() if all(word in " ".join(p.cmdline()) for word in words)]
    return found


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackUnderTest]:
    """A stack for the tests that leave it as it is; at the end Ctrl-C stops everything and leaves no process."""
    with scratch_data_dir() as data, running_stack(data.root, tmp_path_factory.mktemp("serving")) as stack:
        yield stack
        stops_well(stack, data, signal.SIGINT)


def stops_well(stack: StackUnderTest, data: DataDir, number: signal.Signals) -> None:
    """A signal ends the stack in order, with all that it started."""
    family = stack.family()
    assert len(family) > 6
    stack.send(number)
    assert stack.wait() == 0
    assert living(family) == []
    assert not data.endpoints_file.exists()


def test_up_tells_its_addresses_and_publishes_them_privately(serving: StackUnderTest) -> None:
    ports = _READY.fullmatch(serving.output.read_text().strip())
    assert ports is not None
    published = serving.endpoints
    assert published.gateway == f"http://127.0.0.1:{ports[1]}"
    assert (published.queue, published.worker) == (f"127.0.0.1:{ports[2]}", f"127.0.0.1:{ports[3]}")
    tokens = (published.operator_token, published.producer_token, published.worker_token, published.gateway_token)
    assert len(set(tokens)) == 4
    assert all(len(token) >= 32 for token in tokens)
    assert stat.S_IMODE(DataDir.at(serving.data_dir).endpoints_file.stat().st_mode) == 0o600
    assert httpx.get(f"{published.gateway}/health").json() == {"status": "ok"}


def test_a_signal_during_the_start_stops_it(data_dir: DataDir, tmp_path: Path) -> None:
    stack = StackUnderTest(data_dir.root, tmp_path)
    try:
        family = eventually_blocking(lambda: found if len(found := stack.family()) > 2 else None, within=30)
        assert family
        stack.send(signal.SIGTERM)
        assert stack.wait() == 0
        # What was being initialized has been killed, and takes a moment on a slow disk.
        eventually_blocking(lambda: living(family) == [], what="all are gone")
        assert not data_dir.endpoints_file.exists()
    finally:
        if stack.returncode is None:
            stack.kill()


def test_a_second_stack_on_the_same_data_directory_is_refused(serving: StackUnderTest, tmp_path: Path) -> None:
    second = StackUnderTest(serving.data_dir, tmp_path)
    assert second.wait() == 1
    assert "a stack is already running on" in second.errors.read_text()
    assert httpx.get(f"{serving.endpoints.gateway}/health").status_code == 200


def test_without_a_cron_there_are_no_chores(serving: StackUnderTest) -> None:
    assert not is_there(serving, "jobline_queue", "chores")


@pytest.mark.parametrize("setting", ["JOBLINE_GATEWAY_PORT", "JOBLINE_QUEUE_PORT", "JOBLINE_WORKER_PORT"])
def test_a_port_in_use_is_refused_with_the_name_of_its_setting(data_dir: DataDir, tmp_path: Path, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        stack = StackUnderTest(data_dir.root, tmp_path, **{setting: port})
        assert stack.wait() == 1
    assert f"error: {setting}: port {port} on 127.0.0.1 is already in use" in stack.errors.read_text()


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"JOBLINE_QUEUE_PORT": "seventy"}, "JOBLINE_QUEUE_PORT"),
        ({"JOBLINE_GATEWAY_PORT": "15999", "JOBLINE_WORKER_PORT": "15999"}, "JOBLINE_WORKER_PORT: port 15999 is also"),
        ({"JOBLINE_HOST": "203.0.113.7"}, "JOBLINE_HOST: cannot listen on '203.0.113.7'"),
        ({"JOBLINE_ENV": "production"}, "JOBLINE_SERVICE_TOKENS is not set"),
        ({"JOBLINE_CRON": "daily"}, "JOBLINE_CRON: expected one of on, off"),
        ({"JOBLINE_SERVICE_TOKENS": "a:worker:t"}, "missing: gateway, operator, producer"),
        ({"JOBLINE_SERVICE_TOKENS": "a:worker"}, "expected name:role:token"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_its_name(
    data_dir: DataDir, tmp_path: Path, settings: dict[str, str], complaint: str
) -> None:
    stack = StackUnderTest(data_dir.root, tmp_path, **settings)
    assert stack.wait() == 1
    assert complaint in stack.errors.read_text()


_PARTS = [
    ("jobline_queue", "serve"),
    ("jobline_worker",),
    ("jobline_gateway",),
    ("bin/postgres",),
    ("valkey-server",),
    ("jobline_queue", "chores"),
]


def test_every_part_that_is_killed_comes_back_at_its_address_and_a_signal_stops_all_of_them(
    data_dir: DataDir, tmp_path: Path
) -> None:
    with running_stack(data_dir.root, tmp_path, JOBLINE_CRON="on") as stack:
        eventually_blocking(partial(is_there, stack, *_PARTS[-1]), within=30, what="the chores are there")
        before = stack.endpoints
        for words in _PARTS:
            victim = child_named(stack, *words)
            victim.kill()
            eventually_blocking(partial(replaced, stack, words, victim), within=30, what=f"{words} is back")
            eventually_blocking(partial(answers, before), within=30, what=f"all answer after {words}")
        assert stack.endpoints == before
        stops_well(stack, data_dir, signal.SIGTERM)


def is_there(stack: StackUnderTest, *words: str) -> bool:
    with contextlib.suppress(ValueError, psutil.Error):
        return child_named(stack, *words).is_running()
    return False


def replaced(stack: StackUnderTest, words: tuple[str, ...], victim: psutil.Process) -> bool:
    with contextlib.suppress(ValueError, psutil.Error):
        return child_named(stack, *words).pid != victim.pid
    return False


def answers(endpoints: Endpoints) -> bool:
    with (
        contextlib.suppress(httpx.TransportError, psycopg.OperationalError, redis.ConnectionError),
        psycopg.connect(endpoints.database_url),
        redis.Redis.from_url(endpoints.redis_url) as valkey,
    ):
        return bool(valkey.ping()) and httpx.get(f"{endpoints.gateway}/health").status_code == 200
    return False


def test_nothing_outlives_a_killed_stack_and_the_next_start_finds_the_data(data_dir: DataDir, tmp_path: Path) -> None:
    with running_stack(data_dir.root, tmp_path) as stack:
        with psycopg.connect(stack.endpoints.database_url) as connection:
            connection.execute("CREATE TABLE public.kept AS SELECT 42 AS n")
        family = stack.family()
        os.kill(stack.pid, signal.SIGKILL)
        stack.wait()
        eventually_blocking(lambda: not living(family), what="the children are gone")
    with (
        running_stack(data_dir.root, tmp_path, "--queue-port", "0") as again,
        psycopg.connect(again.endpoints.database_url) as connection,
    ):
        assert connection.execute("SELECT n FROM public.kept").fetchone() == (42,)


def test_servers_that_settings_name_are_used_instead_of_embedded_ones(
    data_dir: DataDir, tmp_path: Path, databases: Databases, embedded: EmbeddedPair
) -> None:
    with (
        databases.empty() as database_url,
        running_stack(
            data_dir.root, tmp_path, JOBLINE_DATABASE_URL=database_url, JOBLINE_REDIS_URL=embedded.redis_url
        ) as stack,
    ):
        assert (stack.endpoints.database_url, stack.endpoints.redis_url) == (database_url, embedded.redis_url)
        names = " ".join(process.name() for process in stack.family())
        assert "postgres" not in names
        assert "valkey" not in names
        assert stack.stop() == 0


def test_what_is_sampled_once_needs_a_sample(data_dir: DataDir, tmp_path: Path) -> None:
    stack = StackUnderTest(data_dir.root, tmp_path, "--once")
    assert stack.wait() == 2
    assert "--once needs --sample" in stack.errors.read_text()
