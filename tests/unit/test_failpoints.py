"""Failpoints do nothing unless they are armed, and are armed only by a setting that is right, outside of production."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobline import failpoints
from jobline.runtime import Settings, SettingsError
from support.processes import ProgramUnderTest, clean_environ

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    failpoints.arm(Settings({}))


def arm(setting: str, **environ: str) -> None:
    failpoints.arm(Settings({failpoints.SETTING: setting, **environ}))


async def test_a_point_that_is_not_armed_does_nothing():
    arm("claim.after_commit=error")
    await failpoints.reach("claim.before_commit")


async def test_an_error_is_raised_each_time_or_at_the_one_hit_that_was_asked_for():
    arm("claim.after_commit=error, finish.after_commit=error@2")
    for _ in range(2):
        with pytest.raises(failpoints.FailpointReached):
            await failpoints.reach("claim.after_commit")
    await failpoints.reach("finish.after_commit")
    with pytest.raises(failpoints.FailpointReached):
        await failpoints.reach("finish.after_commit")
    await failpoints.reach("finish.after_commit")


async def test_a_wait_ends_when_the_file_is_there(tmp_path: Path):
    gate = tmp_path / "gate"
    arm(f"claim.after_commit=wait:{gate}")
    gate.touch()
    await failpoints.reach("claim.after_commit")


async def test_an_inert_point_costs_less_than_two_microseconds():
    started = time.thread_time()  # what other programs of the machine take is no cost of the point
    for _ in range(20_000):
        await failpoints.reach("claim.after_commit")
    assert (time.thread_time() - started) / 20_000 < 2e-6


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("claim.after_comit=kill", "there is no failpoint 'claim.after_comit'; known are enqueue.before_commit, "),
        ("claim.after_commit=explode", "expected one of kill, exit, error, hang, wait:FILE, got 'explode'"),
        ("claim.after_commit=wait:", "got 'wait:'"),
        ("claim.after_commit", "got ''"),
        ("claim.after_commit=kill@0", "expected a hit from 1 after the @, got '0'"),
        ("claim.after_commit=kill@x", "got 'x'"),
    ],
)
def test_a_name_or_an_action_that_does_not_exist_is_refused_with_those_that_do(setting: str, complaint: str):
    with pytest.raises(SettingsError, match=re.escape(complaint)) as refusal:
        arm(setting)
    assert failpoints.SETTING in str(refusal.value)


def test_production_refuses_any():
    with pytest.raises(SettingsError, match="JOBLINE_ENV=production refuses failpoints"):
        arm("claim.after_commit=kill", JOBLINE_ENV="production")
    assert not failpoints.armed


@pytest.mark.parametrize("program", ["jobline_queue", "jobline_worker"])
def test_a_service_in_production_does_not_start_with_failpoints(program: str, tmp_path: Path):
    environ = clean_environ(JOBLINE_FAILPOINTS="claim.after_commit=kill", JOBLINE_ENV="production")
    process = ProgramUnderTest(("-m", program, "serve"), environ, tmp_path, program)
    assert process.wait(30) in (1, 2)
    assert "JOBLINE_FAILPOINTS is set: JOBLINE_ENV=production refuses failpoints" in process.errors.read_text()


def test_every_point_is_somewhere_in_the_programs_and_none_is_unknown():
    sources = [*ROOT.glob("sdk/python/src/jobline/worker/*.py"), *ROOT.glob("services/queue/src/**/*.py")]
    used = {name for source in sources for name in re.findall(r'reach\("([a-z_.]+)"', source.read_text("utf-8"))}
    assert used == set(failpoints.POINTS)
