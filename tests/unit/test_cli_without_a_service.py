"""The parts of the `jobline` command that need no service, run as a user runs them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jwt
import pytest

from jobline.runtime import DEVELOPMENT_JWT_SECRET

COMMAND = Path(sys.executable).with_name("jobline")
ID = "0190a000-0000-7000-8000-000000000000"


def jobline(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("JOBLINE_")}
    return subprocess.run(
        [COMMAND, *arguments], capture_output=True, text=True, cwd=cwd, env=clean | environ, timeout=60, check=False
    )


def test_token_prints_only_a_token_with_the_roles_that_were_asked_for(tmp_path: Path) -> None:
    arguments = ["--sub", "u1", "--role", "admin", "--business", "b1=Admin", "--business", "b2=Support", "--ttl", "5m"]
    done = jobline("token", *arguments, cwd=tmp_path)
    assert done.returncode == 0
    claims = jwt.decode(done.stdout.removesuffix("\n"), DEVELOPMENT_JWT_SECRET, algorithms=["HS256"])
    assert claims["app_metadata"] == {"role": "admin", "businesses": {"b1": "Admin", "b2": "Support"}}
    assert done.stderr == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("token",),
        ("token", "--sub", "u1", "--role", "root"),
        ("token", "--sub", "u1", "--ttl", "soon"),
        ("token", "--sub", "u1", "--business", "b1"),
        ("jobs", "list", "--state", "done"),
        ("jobs", "list", "--label", "tenant"),
        ("jobs", "list", "--created-after", "yesterday"),
        ("jobs", "show"),
        ("top", "--interval", "1ms"),
        ("nonsense",),
    ],
)
def test_wrong_usage_is_exit_code_2_with_an_explanation_on_standard_error(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    done = jobline(*arguments, cwd=tmp_path, JOBLINE_QUEUE_ADDRESS="127.0.0.1:1", JOBLINE_TOKEN="t")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()


def test_production_refuses_to_sign_without_a_secret(tmp_path: Path) -> None:
    done = jobline("token", "--sub", "u1", cwd=tmp_path, JOBLINE_ENV="production")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: JOBLINE_JWT_SECRET must be set")


def test_settings_lists_every_setting_with_its_value_and_hides_secrets(tmp_path: Path) -> None:
    environ = {"JOBLINE_TOKEN": "hunter2", "JOBLINE_QUEUE_PORT": "50099"}
    told = json.loads(jobline("settings", "--json", cwd=tmp_path, **environ).stdout)["settings"]
    values = {setting["name"]: setting["value"] for setting in told}
    assert values["JOBLINE_TOKEN"] == "********"
    assert values["JOBLINE_QUEUE_PORT"] == "50099"
    table = jobline("settings", cwd=tmp_path, **environ).stdout
    assert "hunter2" not in table
    assert all(name in table for name in values)


def test_without_any_address_it_says_how_to_start_or_name_a_service(tmp_path: Path) -> None:
    done = jobline("queues", "list", cwd=tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "JOBLINE_QUEUE_ADDRESS" in done.stderr
    assert "jobline up" in done.stderr


def test_an_unreachable_service_is_one_line_that_names_the_address(tmp_path: Path) -> None:
    commands = [("jobs", "explain", ID), ("jobs", "watch", ID, "--json")]
    with socket.socket() as unused, ThreadPoolExecutor() as pool:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        settings = {"JOBLINE_QUEUE_ADDRESS": address, "JOBLINE_TOKEN": "t"}
        answers = list(pool.map(lambda arguments: jobline(*arguments, cwd=tmp_path, **settings), commands))
    for done in answers:
        assert done.returncode == 1
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert address in done.stderr
        assert "JOBLINE_QUEUE_ADDRESS" in done.stderr


def test_help_lists_every_command(tmp_path: Path) -> None:
    told = jobline("--help", cwd=tmp_path).stdout
    assert all(f" {name} " in told for name in ("up", "token", "settings", "top", "jobs", "queues", "workers"))


def test_a_terminal_that_cannot_show_a_character_gets_an_escape(tmp_path: Path) -> None:
    done = jobline("settings", cwd=tmp_path, JOBLINE_CORPUS_DIR="日本", PYTHONIOENCODING="latin-1")
    assert done.returncode == 0
    assert "\\u65e5\\u672c" in done.stdout
