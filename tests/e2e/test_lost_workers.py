"""Workers that die, freeze or leave in the middle of an item (fault catalogue: F1, F21; invariants I1 to I5)."""

from __future__ import annotations

import signal
from pathlib import Path

from support.email_desk import RESEARCH_TEMPLATE, recipients, worker_lost
from support.gated_providers import STEPS
from support.world import World, world


def test_a_worker_killed_in_any_step_costs_exactly_its_item(fresh_database: str, tmp_path: Path) -> None:
    with world(fresh_database, tmp_path, workers=2) as w:
        user = w.desk.user()
        names = recipients(2 * len(STEPS))
        victims = dict(zip(STEPS, names[::2], strict=True))
        for step, victim in victims.items():
            w.providers.hold(step, victim)
        # Only the one that dies in the arXiv step passes it: requests to arXiv are three seconds apart.
        ids = user.submit(*names[:4])
        ids += user.submit(names[4], template=RESEARCH_TEMPLATE)
        ids += user.submit(*names[5:])
        killed = dict(zip(STEPS, ids[::2], strict=True))
        for step, item_id in killed.items():
            w.wait_in_step(item_id, victims[step], step)
            assert user.item(item_id)["current_step"] == step
            w.holder(item_id).kill()
            w.spawn_worker()
        w.desk.wait_until_ended(ids)
        lost = {item_id: worker_lost(step) for step, item_id in killed.items()}
        w.desk.check_each_ended_once(ids, failed=lost)
        assert [user.item(item_id)["error_message"] for item_id in ids] == [lost.get(item_id) for item_id in ids]


def test_what_a_frozen_worker_says_after_its_lease_changes_nothing(fresh_database: str, tmp_path: Path) -> None:
    with world(fresh_database, tmp_path, workers=2) as w:
        names = recipients(3)
        w.providers.hold("email_composer", names[0])
        ids = w.desk.user().submit(*names)
        w.wait_in_step(ids[0], names[0], "email_composer")
        frozen = w.holder(ids[0])
        frozen.send(signal.SIGSTOP)
        w.desk.wait_until_ended(ids)
        w.providers.release("email_composer", names[0])
        frozen.send(signal.SIGCONT)
        for worker in w.workers:
            if worker is not frozen:
                worker.kill()
        # Only the worker that was frozen is left: that it serves shows that it has found its old lease to be void.
        ids += w.desk.user().submit("Somebody Else")
        w.desk.wait_until_ended(ids)
        w.desk.check_each_ended_once(ids, failed={ids[0]: worker_lost("email_composer")})


def test_a_worker_that_is_asked_to_leave_finishes_its_item_and_begins_no_other(
    fresh_database: str, tmp_path: Path
) -> None:
    with world(fresh_database, tmp_path) as w:
        user, names = w.desk.user(), recipients(3)
        w.providers.hold("web_scraper", names[0])
        ids = user.submit(*names)
        w.wait_in_step(ids[0], names[0], "web_scraper")
        leaving = w.holder(ids[0])
        w.ask_to_leave(leaving)
        w.providers.release("web_scraper", names[0])
        assert leaving.wait() == 0
        assert [(item["status"], item["position"]) for item in user.items()] == [
            ("completed", None),
            ("pending", 1),
            ("pending", 2),
        ]
        w.start_worker()
        w.desk.wait_until_ended(ids)
        w.desk.check_each_ended_once(ids)


def test_a_worker_that_must_leave_at_once_puts_its_item_back_in_front_without_an_attempt(
    fresh_database: str, tmp_path: Path
) -> None:
    with world(fresh_database, tmp_path) as w:
        user, names = w.desk.user(), recipients(3)
        w.providers.hold("web_scraper", names[0])
        ids = user.submit(*names)
        w.wait_in_step(ids[0], names[0], "web_scraper")
        leaving = w.holder(ids[0])
        w.ask_to_leave(leaving)
        leaving.send(signal.SIGTERM)
        assert leaving.wait() == 0
        assert [(item["status"], item["position"]) for item in user.items()] == [("pending", n) for n in (1, 2, 3)]
        assert attempts_of(w, ids[0]) == [("released", 1)]
        w.providers.release("web_scraper", names[0])
        w.start_worker()
        w.desk.wait_until_ended(ids)
        w.desk.check_each_ended_once(ids)


def attempts_of(w: World, item_id: str) -> list[tuple[str, int]]:
    """Outcome and number of each run that did not succeed."""
    found = w.desk.rows("SELECT outcome, number FROM jobline.attempts WHERE job_id = %s ORDER BY id", item_id)
    return [(str(outcome), int(number)) for outcome, number in found]
