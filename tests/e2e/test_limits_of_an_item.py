"""What ends an item besides its e-mail: the time limit, a provider that is out of order, its age."""

from __future__ import annotations

from pathlib import Path

from support.email_desk import recipients
from support.eventually import eventually_blocking
from support.gated_providers import CUT
from support.world import world

NO_RESULTS = (
    "Web scraping timeout: No results found for search terms after 3 attempts. "
    "Please verify recipient information and try again."
)
OUT_OF_ORDER = "HTTP {}: out of order after 3 attempts"


def test_an_item_over_its_time_limit_fails_and_the_next_one_follows_at_once(
    fresh_database: str, tmp_path: Path
) -> None:
    with world(fresh_database, tmp_path, timeout='"5s"', lease='"30s"') as w:
        names = recipients(2)
        w.providers.hold("web_scraper", names[0])
        w.providers.hold("template_parser", names[1])
        ids = w.desk.user().submit(*names)
        w.wait_in_step(ids[0], names[0], "web_scraper")
        # The first call still waits: the next item does not depend on its end.
        w.providers.wait_for("template_parser", names[1])
        w.providers.release("template_parser", names[1])
        w.desk.wait_until_ended(ids)
        late = "Processing timeout: exceeded 5 seconds in step 'web_scraper'"
        w.desk.check_each_ended_once(ids, failed={ids[0]: late})
        first, second = w.desk.items()
        assert first.started_at
        assert first.completed_at
        assert second.started_at
        assert 5.0 <= (first.completed_at - first.started_at).total_seconds() < 10.0
        assert (second.started_at - first.completed_at).total_seconds() < 2.0


def test_a_provider_that_is_out_of_order_is_asked_three_times_and_the_next_item_goes_on(
    fresh_database: str, tmp_path: Path
) -> None:
    outages = {
        ("template_parser", 429): f"Step 'template_parser' failed: language model answered {OUT_OF_ORDER.format(429)}",
        ("web_scraper", CUT): NO_RESULTS,
        ("web_scraper", 503): f"Step 'web_scraper' failed: search answered {OUT_OF_ORDER.format(503)}",
        ("email_composer", 500): f"Step 'email_composer' failed: language model answered {OUT_OF_ORDER.format(500)}",
    }
    with world(fresh_database, tmp_path) as w:
        *unlucky, lucky = recipients(len(outages) + 1)
        for (step, status), name in zip(outages, unlucky, strict=True):
            w.providers.answer(step, status, name)
        ids = w.desk.user().submit(*unlucky, lucky)
        w.desk.wait_until_ended(ids)
        w.desk.check_each_ended_once(ids, failed=dict(zip(ids, outages.values(), strict=False)))
        assert [w.providers.calls(step, name) for (step, _), name in zip(outages, unlucky, strict=True)] == [3] * 4
        assert [w.providers.calls(step, lucky) for step, _ in outages] == [1] * 4


def test_an_item_past_its_age_is_gone_for_its_user_unless_it_is_being_processed(
    fresh_database: str, tmp_path: Path
) -> None:
    with world(fresh_database, tmp_path, expires_after='"6s"', lease='"30s"') as w:
        user, names = w.desk.user(), recipients(3)
        w.providers.hold("email_composer", names[0])
        ids = user.submit(*names)
        w.wait_in_step(ids[0], names[0], "email_composer")
        eventually_blocking(lambda: user.items() == [], within=30, what="nothing is listed any more")
        assert [user.call("DELETE", f"/api/queue/{item_id}").status_code for item_id in ids] == [404, 404, 404]
        other = w.desk.user()
        (later,) = other.submit("Somebody Else")
        assert other.item(later)["position"] == 1
        w.providers.release("email_composer", names[0])
        w.desk.wait_until_ended([ids[0], later])
        (email,) = user.call("GET", "/api/email/").json()
        assert email["recipient_name"] == names[0]
        assert [w.providers.calls("template_parser", name) for name in names] == [1, 0, 0]
        gone = "SELECT job_id::text, name, from_state FROM jobline.events ORDER BY id"
        expired = [(item_id, "expired", "pending") for item_id in ids[1:]]
        eventually_blocking(lambda: w.desk.rows(gone) == expired, within=30, what="the rows are swept")
