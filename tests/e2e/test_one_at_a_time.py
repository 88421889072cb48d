"""One item at a time in the whole system, first come first served, with exact positions (invariants I7, I9)."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from support.email_desk import recipients
from support.list_watch import Item, watching
from support.rest_stack import User
from support.world import world

PROGRESS = ("pending", "processing", "completed")


def test_two_workers_and_two_users_never_see_two_items_processing_nor_a_wrong_position(
    fresh_database: str, tmp_path: Path
) -> None:
    with world(fresh_database, tmp_path, workers=2) as w:
        users = [w.desk.user(), w.desk.user()]
        with watching(users, fresh_database) as watch:
            # Items are faster than looks: unless every answer waits for one, there is next to nothing to see.
            w.providers.keep_pace_with(watch.wait_for_a_look)
            submitted = submit_at_once(users)
            w.desk.wait_until_ended([item_id for ids in submitted for item_id in ids])
        order = [item.id for item in w.desk.items()]
        for user, ids in zip(users, submitted, strict=True):
            assert [item_id for item_id in order if item_id in ids] == ids
            assert [item["id"] for item in user.items()] == ids
        w.desk.check_each_ended_once(order)
        assert len(watch.moments) > len(order)
        assert max(watch.processing) == 1
        check_moments(watch.moments, order)
        check_lists(watch.lists)


def submit_at_once(users: Sequence[User]) -> list[list[str]]:
    """Two batches from each user, the users side by side; each user's ids in the order of submission."""
    start = threading.Barrier(len(users))

    def submit(user: User) -> list[str]:
        start.wait()
        return [item_id for group in ("First", "Second") for item_id in user.submit(*recipients(4, group))]

    with ThreadPoolExecutor(len(users)) as pool:
        return list(pool.map(submit, users))


def check_moments(moments: Sequence[list[Item]], order: Sequence[str]) -> None:
    """At each moment at most one item was processing, and positions were 1, 2, 3 in the order of submission."""
    for moment in moments:
        assert sum(item["status"] == "processing" for item in moment) <= 1
        pending = {item["id"]: item["position"] for item in moment if item["status"] == "pending"}
        waiting = [item_id for item_id in order if item_id in pending]
        assert [pending[item_id] for item_id in waiting] == list(range(1, len(waiting) + 1))


def check_lists(lists: Sequence[list[Item]]) -> None:
    """In no answer were two items processing, and from answer to answer no position rose and no status went back."""
    seen: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for items in lists:
        assert sum(item["status"] == "processing" for item in items) <= 1
        for item in items:
            seen[item["id"]].append((-PROGRESS.index(item["status"]), item["position"] or 0))
    for states in seen.values():
        assert states == sorted(states, reverse=True)


def test_the_first_item_of_a_user_waits_behind_all_that_others_submitted_before(
    fresh_database: str, tmp_path: Path
) -> None:
    with world(fresh_database, tmp_path) as w:
        first, second = w.desk.user(), w.desk.user()
        names = recipients(5)
        for name in names:
            w.providers.hold("template_parser", name)
        ids = first.submit(*names[:4])
        w.providers.wait_for("template_parser", names[0])
        ids += second.submit(names[4])
        assert [item["position"] for item in first.items()] == [None, 1, 2, 3]
        for position, name, item_id in zip((4, 3, 2, 1, None), names, ids, strict=True):
            w.wait_in_step(item_id, name, "template_parser")
            assert second.item(ids[4])["position"] == position
            w.providers.release("template_parser", name)
        w.desk.wait_until_ended(ids)
        w.desk.check_each_ended_once(ids)
