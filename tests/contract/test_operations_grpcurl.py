"""The grpcurl walk-through of docs/operations.md runs as it stands, with the real grpcurl against a real service."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from jobline.client import JobFilter, JobState
from support.cli import running_queue_service
from support.processes import clean_environ

GUIDE = Path(__file__).parents[2] / "docs" / "operations.md"
SCRIPTS = Path(sys.executable).parent


def walk_through() -> str:
    """All `sh` blocks of the guide as one script, in their order."""
    return "\n".join(re.findall(r"^```sh\n(.*?)^```$", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL))


def documents(text: str) -> list[dict[str, Any]]:
    """The JSON objects in the output of grpcurl, which pretty-prints each from its first column on."""
    return [json.loads(block) for block in re.findall(r"^\{\n.*?^\}$", text, re.MULTILINE | re.DOTALL)]


def test_every_command_of_the_walk_through_runs_and_does_what_the_guide_says(
    fresh_database: str, redis_url: str, tmp_path: Path
) -> None:
    with running_queue_service(fresh_database, redis_url, tmp_path) as service:
        (tmp_path / "endpoints.json").write_text(json.dumps(dataclasses.asdict(service.endpoints)), "utf-8")
        told = tmp_path / "told"
        # A file, not a pipe: the watch in the background would hold a pipe open after a command that failed.
        with told.open("wb") as output:
            done = subprocess.run(
                ["sh", "-eu", "-c", walk_through()],
                stdout=output,
                stderr=output,
                env=clean_environ(JOBLINE_DATA_DIR=str(tmp_path), PATH=f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"),
                timeout=100,
                check=False,
            )
        text = told.read_text("utf-8")
        assert done.returncode == 0, text
        with service.client() as client:
            jobs = {job.state: client.get(job.id) for job in client.list_jobs(JobFilter(queues=["walkthrough"]))}
    assert set(jobs) == {JobState.SUCCEEDED, JobState.CANCELLED}
    assert jobs[JobState.SUCCEEDED].job.result == {"text": "Hello Ada"}
    for expected in ("jobline.v1.JobService", "jobline.v1.WorkService", "rpc EnqueueJobs", '"SERVING"', "NO_WORKER"):
        assert expected in text
    watched = [change["job"] for change in documents(text) if "change_id" in change]
    assert watched[-1]["state"] == "JOB_STATE_SUCCEEDED"
