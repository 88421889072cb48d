"""`make run ONCE=1`, twice at the same time on one machine, once below a path with spaces."""

from __future__ import annotations

from pathlib import Path

from jobline_local.paths import DataDir
from jobline_local.sample_batch import read_batches
from support.processes import StackUnderTest
from support.stack import scratch_data_dir


def test_two_sample_runs_side_by_side_complete_every_email(data_dir: DataDir, tmp_path: Path) -> None:
    total = sum(len(batch.recipients) for batch in read_batches())
    with scratch_data_dir("a second one") as other:
        stacks = []
        try:
            for name, data in (("first", data_dir), ("second", other)):
                logs = tmp_path / name
                logs.mkdir()
                stacks.append(StackUnderTest(data.root, logs, "--sample", "--once"))
            for stack, data in zip(stacks, (data_dir, other), strict=True):
                assert stack.wait(110) == 0, stack.errors.read_text()
                output = stack.output.read_text()
                assert f"{total} of {total} e-mails completed" in output
                assert "To: " in output
                assert not data.processes_file.exists()
                assert (data.logs / "worker.log").stat().st_size > 0
        finally:
            for stack in stacks:
                if stack.returncode is None:
                    stack.kill()
