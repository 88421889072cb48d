"""C12: the walk-through of docs/worker-protocol.md, a worker made of grpcurl, runs as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from support.processes import clean_environ
from support.queue_service import queue_service

GUIDE = Path(__file__).parents[2] / "docs" / "worker-protocol.md"
SCRIPTS = Path(sys.executable).parent


def walk_through() -> str:
    """All `sh` blocks of the guide as one script, in their order."""
    return "\n".join(re.findall(r"^```sh\n(.*?)^```$", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL))


def test_a_shell_is_a_worker(fresh_database: str, tmp_path: Path) -> None:
    with queue_service(fresh_database, tmp_path) as service:
        told = tmp_path / "told"
        environ = clean_environ(
            QUEUE=service.address,
            PRODUCER=service.producer_token,
            WORKER=service.worker_token,
            PATH=f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}",
        )
        # A file, not a pipe: the stream in the background would hold a pipe open after a command that failed.
        with told.open("wb") as output:
            script = ["sh", "-eu", "-c", walk_through()]
            done = subprocess.run(script, stdout=output, stderr=output, env=environ, timeout=60, check=False)
        text = told.read_text("utf-8")
        assert done.returncode == 0, text
        rows = service.execute("SELECT state, attempt, result, kind FROM jobline.jobs ORDER BY seq")
        steps = service.execute("SELECT name, output FROM jobline.steps ORDER BY finished_at")
        assert service.faults == []
    assert rows == [("succeeded", 1, "Hello Ada", "greet"), ("succeeded", 1, "Hello Grace", "greet")]
    assert steps == [("look_up", 1), ("look_up", 2)]
    for expected in ("OUTCOME_STATUS_ALREADY_COMMITTED", "OUTCOME_STATUS_COMMITTED", "STEP_STATUS_STORED"):
        assert expected in text
