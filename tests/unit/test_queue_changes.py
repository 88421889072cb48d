"""The ring of changes: numbered in commit order, resumed without a gap, and honest about what is gone."""

import asyncio
from typing import Any

import pytest

from jobline_queue.core.lifecycle import State
from jobline_queue.core.live_job import LiveJob
from jobline_queue.dispatch import changes as changes_module
from jobline_queue.dispatch.changes import Change, Changes


def job(number: int) -> LiveJob:
    return LiveJob(str(number), "q", "k", "o", "p", 0, 0.0, number, "", "", "{}", "null", 0, 3, 0, 0.0)


def ring(count: int, epoch: int = 7) -> Changes:
    made = Changes(epoch)
    for number in range(1, count + 1):
        made.publish(job(number), State.PENDING)
    return made


async def read_all(made: Changes, after: int) -> list[Change]:
    """Everything up to the last change."""
    found: list[Change] = []
    if after < made.last:
        async for batch in made.read(after):
            found += batch
            if batch[-1].number == made.last:
                break
    return found


async def test_changes_are_numbered_in_order_and_read_from_any_number():
    made = ring(2500)
    assert [change.number for change in await read_all(made, 0)] == list(range(1, 2501))
    assert [change.number for change in await read_all(made, 2498)] == [2499, 2500]


async def test_a_reader_waits_for_news_and_stops_with_the_term():
    made = ring(1)
    reader: Any = made.read(1)
    coming = asyncio.create_task(anext(reader))
    await asyncio.sleep(0)
    assert not coming.done()
    made.publish(job(2), None)
    (change,) = await asyncio.wait_for(coming, 5)
    assert (change.number, change.job_id, change.state) == (2, "2", None)
    end = asyncio.create_task(anext(reader, None))
    await asyncio.sleep(0)
    made.close()
    assert await asyncio.wait_for(end, 5) is None


@pytest.mark.parametrize(("change_id", "number"), [("7-0", 0), ("7-3", 3), ("7-5", 5)])
def test_a_number_of_the_ring_is_a_place_to_resume_from(change_id: str, number: int):
    assert ring(5).resume_point(change_id) == number


@pytest.mark.parametrize(
    "change_id",
    ["7-6", "6-3", "8-3", "", "7", "7-", "-3", "7--1", "7-x", "7-²", "7-" + "9" * 5000, "x-3", "07-3", "7- 3"],
)
def test_anything_else_is_none(change_id: str):
    assert ring(5).resume_point(change_id) is None


async def test_what_has_left_the_ring_is_gone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(changes_module, "RING", 10)
    made = ring(25)
    assert made.resume_point("7-14") is None
    assert made.resume_point("7-15") == 15
    with pytest.raises(LookupError):
        await anext(made.read(14))
    assert [change.number for change in await read_all(made, 15)] == list(range(16, 26))
