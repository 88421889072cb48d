"""The gateway as a process: its start and end, and clients that hold the line."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from support.eventually import eventually_blocking
from support.gateway import bearer, gateway_process
from support.processes import ProgramUnderTest, clean_environ


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=20)


def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "jobline_gateway", *arguments)
    environ = clean_environ(**settings)
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ProgramUnderTest, str]]:
    """A gateway for the tests that leave it as it is."""
    with gateway_process(tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture(scope="module")
def slow_line(serving: tuple[ProgramUnderTest, str]) -> Iterator[socket.socket]:
    """A client whose request head never ends. Its patience is tried while the other tests run."""
    with connect(serving[1]) as line:
        line.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        yield line


@pytest.mark.usefixtures("slow_line")
def test_its_log_names_no_token(serving: tuple[ProgramUnderTest, str]) -> None:
    process, url = serving
    headers = bearer()
    assert httpx.get(f"{url}/api/queue/", headers=headers).status_code == 503
    # The line is written once the answer is on its way.
    eventually_blocking(lambda: "GET /api/queue/ 503" in process.errors.read_text(), what="the request is in the log")
    assert headers["authorization"].split()[1] not in process.errors.read_text()


def test_it_serves_on_the_port_it_names_and_ends_well_on_sigterm(tmp_path: Path) -> None:
    with gateway_process(tmp_path) as (process, url):
        assert httpx.get(f"{url}/health").text == '{"status":"ok"}'
        process.send(signal.SIGTERM)
        assert process.wait(15) == 0
        assert "Traceback" not in process.errors.read_text()


def test_an_idle_connection_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    with gateway_process(tmp_path) as (process, url), connect(url):
        process.send(signal.SIGINT)
        assert process.wait(15) == 0


@pytest.mark.parametrize("size", [9_000, 60_000])
def test_an_absurdly_long_token_is_answered_like_any_bad_one(serving: tuple[ProgramUnderTest, str], size: int) -> None:
    answer = httpx.get(f"{serving[1]}/api/queue/", headers={"authorization": f"Bearer {'x' * size}"})
    assert (answer.status_code, answer.json()) == (401, {"detail": "Invalid token: too long"})


def test_a_large_body_from_a_stranger_is_answered_before_it_is_read(serving: tuple[ProgramUnderTest, str]) -> None:
    with connect(serving[1]) as line:
        line.sendall(b"POST /api/queue/batch HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n")
        assert line.recv(4096).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"JOBLINE_ENV": "production"}, "JOBLINE_JWT_SECRET"),
        ({"JOBLINE_GATEWAY_PORT": "70000"}, "JOBLINE_GATEWAY_PORT"),
        ({"JOBLINE_HOST": "203.0.113.1"}, "JOBLINE_HOST"),
    ],
)
def test_a_setting_that_cannot_be_used_stops_the_start(settings: dict[str, str], named: str) -> None:
    base = {"JOBLINE_QUEUE_ADDRESS": "127.0.0.1:1", "JOBLINE_TOKEN": "token"}
    ended = run("serve", **{**base, **settings})
    assert ended.returncode == 2
    assert named in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_help_explains_every_setting() -> None:
    shown = run("serve", "--help").stdout
    assert all(name in shown for name in ("JOBLINE_JWT_SECRET", "JOBLINE_QUEUE_ADDRESS", "JOBLINE_GATEWAY_PORT"))


def test_a_request_head_that_never_ends_is_cut_off(slow_line: socket.socket) -> None:
    assert slow_line.recv(4096) == b""
