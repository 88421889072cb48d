"""Thousands of messages over workers that die: in order, each sent once, and none forgotten."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path

import httpx

from jobline.v1 import communication_service_pb2 as pb
from support.message_house import MessageHouse, message_house
from support.queue_calls import refused

#: By priority, then the time at which it was due, then insertion: the order of the specification, in SQL.
_RANK = "CASE priority WHEN 'high' THEN 0 WHEN 'normal' THEN 1 ELSE 2 END, scheduled_at, created_at, id"


def test_two_thousand_messages_are_sent_in_order_and_once_though_workers_are_killed(
    fresh_database: str, tmp_path: Path
) -> None:
    with message_house(fresh_database, tmp_path) as house:
        house.submit(messages(2000))
        first, _ = house.start_worker("communications"), house.start_worker("communications")
        house.wait_until_sent(300)
        first.process.kill()
        third = house.start_worker("communications")
        house.wait_until_sent(1000)
        third.process.kill()
        house.start_worker("communications")
        house.wait_until_sent(2000)
        check_each_was_sent_once(house, 2000)
        check_order(house)


def test_two_overlapping_calls_to_process_now_send_each_message_once(fresh_database: str, tmp_path: Path) -> None:
    with message_house(fresh_database, tmp_path) as house:
        house.submit(messages(120))
        workers = [house.start_worker("email_default"), house.start_worker("email_default")]
        with house.gateway(workers[0]) as one, house.gateway(workers[1]) as other, ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(process_now, (one, other)))
            assert answers == [(200, {"success": True, "message": "Queue processing completed"})] * 2
        check_each_was_sent_once(house, 120)


def test_an_internal_caller_has_what_is_due_attempted_by_the_first_worker_service_that_answers(
    fresh_database: str, tmp_path: Path
) -> None:
    with message_house(fresh_database, tmp_path) as house:
        house.submit(messages(25))
        with refused("WORKER_UNAVAILABLE"):
            house.process()
        house.start_worker("email_default").process.kill()
        house.start_worker("email_default")
        done = house.process()
        assert (done.attempted, done.succeeded, done.failed, done.complete) == (25, 25, 0, True)
        check_each_was_sent_once(house, 25)


def messages(count: int) -> list[pb.NewMessage]:
    """Messages of mixed priority, due at mixed times of the last hour."""
    dice = random.Random(4)
    now = datetime.now(UTC)
    made = []
    for number in range(count):
        message = pb.NewMessage(
            channel=pb.CHANNEL_SMS,
            recipient_contact=f"+4930{number:06d}",
            body=f"Message {number}",
            priority=dice.choice((pb.MESSAGE_PRIORITY_HIGH, pb.MESSAGE_PRIORITY_NORMAL, pb.MESSAGE_PRIORITY_LOW)),
        )
        message.scheduled_at.FromDatetime(now - timedelta(seconds=dice.randrange(3600)))
        made.append(message)
    return made


def process_now(client: httpx.Client) -> tuple[int, object]:
    answer = client.post("/process-now")
    return answer.status_code, answer.json()


def check_each_was_sent_once(house: MessageHouse, count: int) -> None:
    assert house.queue.execute("SELECT status, count(*) FROM communication_queue GROUP BY status") == [
        ("completed", count)
    ]
    assert house.queue.execute("SELECT count(*), count(DISTINCT job_id) FROM communication_outbox") == [(count, count)]


def check_order(house: MessageHouse) -> None:
    """A message starts after one that is to go behind it only if it was lost with a worker: two died with up to ten each."""
    rows = house.queue.execute(f"SELECT started_at FROM communication_queue ORDER BY {_RANK}")
    starts = [started_at for (started_at,) in rows]
    first_behind = list(accumulate(reversed(starts), min))[::-1]
    late = [start for start, earliest in zip(starts, first_behind[1:], strict=False) if start > earliest]
    assert len(late) <= 20
