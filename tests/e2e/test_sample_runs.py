"""`make run ONCE=1`, twice at the same time on one machine."""

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
            for stack in stacks:
                assert stack.wait(110) == 0, stack.errors.read_text()
                assert f"{total} of {total} e-mails completed" in stack.output.read_text()
        finally:
            for stack in stacks:
                if stack.returncode is None:
                    stack.kill()
