"""The jobs API from the request to the stored result: analyses and texts as users meet them, and cancels in every step."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.content_house import Caller, ContentHouse, content_house
from support.eventually import eventually_blocking
from support.gated_content import ANALYSIS_CALLS, GENERATION_CALLS
from support.generation_jobs import SAVED_POST_KEYS
from support.jobs_rest import ANALYSIS_RESULT, GENERATION_RESULT, job_path
from support.stack import Databases

LABELS = ["Analyzing website…", "Generating audiences…", "Generating pitches…", "Generating images…"]
ANALYSIS_KEYS = {
    *("businessType", "businessName", "decisionMakers", "endUsers", "targetAudience", "contentFocus", "brandVoice"),
    *("brandColors", "description", "businessModel", "websiteGoals", "blogStrategy", "searchBehavior"),
    *("connectionMessage", "organizationId"),
}
SCENARIO_KEYS = {
    *("customerProblem", "targetSegment", "businessValue", "customerLanguage", "seoKeywords", "conversionPath"),
    *("contentIdeas", "pitch", "imageUrl"),
}
CTA_KEYS = {"id", "text", "type", "href", "placement", "conversion_potential", "data_source"}


@pytest.fixture(scope="module")
def house(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContentHouse]:
    with databases.fresh() as url, content_house(url, tmp_path_factory.mktemp("house")) as running:
        yield running


@pytest.fixture
def unaided(house: ContentHouse) -> ContentHouse:
    """Whose worker analyses, writes and draws by itself."""
    house.employ(house.providers.page_settings)
    return house


@pytest.fixture
def scripted(house: ContentHouse) -> ContentHouse:
    """Whose worker asks the model and the painter of the house."""
    house.employ(house.providers.settings)
    return house


def events(caller: Caller, house: ContentHouse, job_id: str) -> list[dict[str, Any]]:
    """What is told of a job until the stream ends."""
    with house.client.stream("GET", job_path("events", job_id), headers=caller.headers, timeout=60) as stream:
        assert stream.status_code == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        return [json.loads(line.removeprefix("data: ")) for line in stream.iter_lines() if line.startswith("data: ")]


def steps_of(told: list[dict[str, Any]]) -> list[str]:
    """The labels in the order of their first mention, after a check that progress never fell."""
    progress = [status["progress"] for status in told]
    assert progress == sorted(progress)
    return list(dict.fromkeys(status["currentStep"] for status in told if status["currentStep"]))


def test_a_session_has_a_page_analysed_and_watches_it_to_the_end(unaided: ContentHouse) -> None:
    caller, url = unaided.session(), unaided.providers.page("saas")
    job_id = caller.analyse(url)
    told = events(caller, unaided, job_id)
    assert told[-1] == caller.status(job_id)
    assert told[-1]["status"] == "succeeded", told[-1]
    seen = steps_of(told)
    assert [label for label in LABELS if label in seen] == seen
    result = told[-1]["result"]
    check_analysis(result, url)
    for scenario in result["scenarios"]:
        picture = unaided.client.get(scenario["imageUrl"])
        assert (picture.status_code, picture.headers["content-type"]) == (200, "image/svg+xml")
        assert picture.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in picture.headers["content-security-policy"]
    again = caller.ended(caller.analyse(url))["result"]
    assert again["organizationId"] == result["organizationId"]
    assert [cta["id"] for cta in again["ctas"]] == [cta["id"] for cta in result["ctas"]]
    stranger = unaided.session()
    assert stranger.ended(stranger.analyse(url))["result"]["organizationId"] != result["organizationId"]
    assert stranger.call("GET", job_path("status", job_id)).status_code == 404


def check_analysis(result: dict[str, Any], url: str) -> None:
    """The specification's shape, and its rules between the parts."""
    assert list(result) == list(ANALYSIS_RESULT)
    assert (result["success"], result["url"]) == (True, url)
    assert result["analysis"].keys() >= ANALYSIS_KEYS
    assert all(result["analysis"].values())
    assert result["analysis"]["organizationId"] == result["organizationId"]
    assert result["metadata"]["title"]
    assert result["metadata"]["headings"]
    assert len(result["scenarios"]) in (4, 5)
    for scenario in result["scenarios"]:
        assert scenario.keys() >= SCENARIO_KEYS
        assert scenario["pitch"]
    assert [cta.keys() for cta in result["ctas"]] == [CTA_KEYS] * result["ctaCount"]
    strengths = [cta["conversion_potential"] for cta in result["ctas"]]
    assert strengths == sorted(strengths, reverse=True)
    assert result["hasSufficientCTAs"] is (len(strengths) >= 3)


def test_a_text_for_an_analysed_organization_is_saved_and_costs_one_credit(unaided: ContentHouse) -> None:
    user = unaided.user()
    organization = user.ended(user.analyse(unaided.providers.page("saas")))["result"]["organizationId"]
    done = user.ended(user.write("How to plan shifts for a small team", organizationId=organization))
    assert (done["status"], done["progress"], done["error"]) == ("succeeded", 100, None)
    result = done["result"]
    assert list(result) == list(GENERATION_RESULT)
    post, data = result["savedPost"], result["data"]
    assert post.keys() == set(SAVED_POST_KEYS)
    assert (post["user_id"], post["organization_id"], post["status"]) == (user.sub, organization, "draft")
    assert (post["title"], post["content"]) == (data["title"], data["content"])
    assert data["organizationContext"]["hasWebsiteData"] is True
    assert result["imageGeneration"]["blogPostId"] == post["id"]
    assert (user.credits(), user.posts()) == ({"active": 4, "used": 1}, 1)
    spent = "SELECT used_for_type, used_for_id::text FROM user_credits WHERE user_id = %s AND status = 'used'"
    assert unaided.queue.execute(spent, user.sub) == [("content_generation", post["id"])]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://10.11.12.13/", "the address is not public"),
        ("http://169.254.169.254/latest/meta-data", "the address is not public"),
        ("{house}/nothing", "HTTP 404"),
    ],
)
def test_a_page_that_must_not_or_cannot_be_fetched_fails_the_job_readably(
    unaided: ContentHouse, url: str, reason: str
) -> None:
    caller, url = unaided.session(), url.replace("{house}", unaided.providers.url)
    failed = caller.ended(caller.analyse(url))
    assert (failed["status"], failed["errorCode"]) == ("failed", "FETCH_FAILED")
    assert failed["error"] == f"Could not fetch {url}: {reason}"
    assert failed["result"] is None


def test_a_poll_sees_the_four_steps_in_order_and_a_progress_that_never_falls(scripted: ContentHouse) -> None:
    caller, providers = scripted.session(), scripted.providers
    gates = ("page", "content_audiences", "content_pitches", "image")
    told: list[dict[str, Any]] = []
    before = {gate: providers.calls(gate) for gate in gates}
    for gate in gates:
        providers.hold(gate)
    job_id = caller.analyse(providers.page("clinic"))
    for gate, label in zip(gates, LABELS, strict=True):

        def polled(label: str = label) -> bool:
            told.append(caller.status(job_id))
            return told[-1]["currentStep"] == label

        providers.wait_for(gate, "", more_than=before[gate])
        eventually_blocking(polled, within=30, what=f"the status says {label}")
        assert told[-1]["estimatedTimeRemaining"] >= 0
        providers.release(gate)
    told.append(caller.ended(job_id))
    assert steps_of(told) == LABELS
    assert [told[-1][key] for key in ("status", "progress", "currentStep")] == ["succeeded", 100, None]


def cancelled_in(
    house: ContentHouse, caller: Caller, at: str, create: Callable[[], str], later: tuple[str, ...]
) -> str:
    """A job that was cancelled while its provider `at` had not answered; `later` are those that must not be asked."""
    providers = house.providers
    asked, before = providers.calls(at), {call: providers.calls(call) for call in later}
    providers.hold(at)
    try:
        job_id = create()
        providers.wait_for(at, "", more_than=asked)
        caller.cancel(job_id)
        caller.cancel(job_id)
        assert caller.status(job_id)["status"] == "running"
    finally:
        providers.release(at)
    found = caller.ended(job_id)
    assert [found[key] for key in ("status", "error", "errorCode", "result")] == [
        "failed",
        "Cancelled",
        "CANCELLED",
        None,
    ]
    assert {call: providers.calls(call) for call in later} == before
    return job_id


@pytest.mark.parametrize("at", ["page", "content_audiences", "content_pitches", "image"])
def test_an_analysis_cancelled_in_a_step_asks_no_later_provider_and_can_be_retried(
    scripted: ContentHouse, at: str
) -> None:
    caller = scripted.session()
    later = ANALYSIS_CALLS[ANALYSIS_CALLS.index("content_analyze" if at == "page" else at) + 1 :]
    job_id = cancelled_in(scripted, caller, at, lambda: caller.analyse(scripted.providers.page("clinic")), later)
    assert scripted.queue.execute("SELECT count(*) FROM public.media WHERE job_id = %s", job_id) == [(0,)]
    caller.retry(job_id)
    assert caller.ended(job_id)["status"] == "succeeded"


@pytest.mark.parametrize("at", GENERATION_CALLS)
def test_a_text_cancelled_in_a_step_asks_no_later_provider_costs_nothing_and_can_be_retried(
    scripted: ContentHouse, at: str
) -> None:
    user = scripted.user()
    later = GENERATION_CALLS[GENERATION_CALLS.index(at) + 1 :]
    job_id = cancelled_in(scripted, user, at, user.write, later)
    assert (user.credits(), user.posts()) == ({"active": 5}, 0)
    user.retry(job_id)
    assert user.ended(job_id)["status"] == "succeeded"
    assert (user.credits(), user.posts()) == ({"active": 4, "used": 1}, 1)
