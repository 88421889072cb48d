"""DELETE of an item: of one that a worker is about to take, and of somebody else's (fault catalogue: F22, F26)."""

from __future__ import annotations

from pathlib import Path

from support.email_desk import recipients
from support.rest_stack import User
from support.world import World, world

ROUNDS = 50


def test_an_item_cancelled_in_a_race_with_its_claim_is_either_gone_or_processed(
    fresh_database: str, tmp_path: Path
) -> None:
    with world(fresh_database, tmp_path) as w:
        user, names, chased = w.desk.user(), recipients(ROUNDS, "Before"), recipients(ROUNDS, "Chased")
        for name in names:
            w.providers.hold("email_composer", name)
        pairs = [name for pair in zip(names, chased, strict=True) for name in pair]
        ids = user.submit(*pairs)
        removed = [
            item_id
            for round_number, (name, item_id) in enumerate(zip(names, ids[1::2], strict=True))
            if is_removed(w, user, name, item_id, head_start=round_number % 4)
        ]
        kept = [item_id for item_id in ids if item_id not in removed]
        w.desk.wait_until_ended(kept)
        w.desk.check_each_ended_once(kept)
        assert ROUNDS < len(kept) < 2 * ROUNDS, "both sides should have won some races"
        for name, item_id in zip(pairs, ids, strict=True):
            assert w.providers.calls("template_parser", name) == (0 if item_id in removed else 1)
        assert [item["id"] for item in user.items()] == kept
        assert {user.call("DELETE", f"/api/queue/{item_id}").status_code for item_id in removed} == {404}


def is_removed(w: World, user: User, before: str, item_id: str, head_start: int) -> bool:
    """Lets the item before finish and cancels this one at the same time, some requests later; whether that worked."""
    w.providers.wait_for("email_composer", before)
    w.providers.release("email_composer", before)
    for _ in range(head_start):
        assert w.desk.client.get("/health").status_code == 200
    answer = user.call("DELETE", f"/api/queue/{item_id}")
    if answer.status_code == 200:
        assert answer.json() == {"message": "Queue item cancelled"}
        return True
    assert answer.status_code == 400, answer.text
    too_late = [f"Cannot cancel item with status '{status}'" for status in ("processing", "completed")]
    assert answer.json()["detail"] in too_late
    return False


def test_items_and_emails_of_others_are_not_there_for_a_user(fresh_database: str, tmp_path: Path) -> None:
    with world(fresh_database, tmp_path) as w:
        owner, stranger, names = w.desk.user(), w.desk.user(), recipients(3)
        w.providers.hold("template_parser", names[1])
        ids = owner.submit(*names)
        w.wait_in_step(ids[1], names[1], "template_parser")
        completed, processing, pending = owner.items()
        assert [completed["status"], processing["status"], pending["status"]] == ["completed", "processing", "pending"]
        assert stranger.items() == []
        assert stranger.call("GET", "/api/email/").json() == []
        for item_id in ids:
            answer = stranger.call("DELETE", f"/api/queue/{item_id}")
            assert (answer.status_code, answer.json()) == (404, {"detail": "Queue item not found"})
        for method, options in (("GET", {}), ("PATCH", {"json": {"displayed": False}})):
            answer = stranger.call(method, f"/api/email/{completed['email_id']}", **options)
            hidden = {"detail": "Email not found or you don't have permission to access it"}
            assert (answer.status_code, answer.json()) == (404, hidden)
        w.providers.release("template_parser", names[1])
        w.desk.wait_until_ended(ids)
        w.desk.check_each_ended_once(ids)
        assert [email["displayed"] for email in owner.call("GET", "/api/email/").json()] == [True, True, True]
