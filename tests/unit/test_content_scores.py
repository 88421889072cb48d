"""What is measured of a post: the SEO score rule by rule, readability, and how much was known."""

from __future__ import annotations

from typing import Any

import pytest

from jobline_worker.pipelines.content.generation.completeness import Level, standing_of
from jobline_worker.pipelines.content.generation.readability import reading_ease
from jobline_worker.pipelines.content.generation.seo_score import SeoScore, score_post
from support.content_briefs import ANALYSIS, content_payload

KEYWORD = "shift planning"
SENTENCE = "The team can see who works on a day and who is free. "
SECTION = SENTENCE * 18
CONTENT = f"""# A short guide to shift planning

Good shift planning starts small. {SECTION}

## Why shift planning helps

{SECTION}

## What to do

Your shift planning needs a date. Shift planning needs a name. Shift planning needs a day. {SECTION}

See [our prices](/pricing).

## Next

{SENTENCE} [Book a demo](https://example.com/demo)
"""
GOOD: dict[str, Any] = {
    "title": "A short guide to shift planning",
    "meta_description": "What shift planning is good for, how to begin with it, and what to look for in a tool.",
    "content": CONTENT,
    "keyword": KEYWORD,
    "calls_to_action": ["Book a demo"],
    "language": "en",
}


def score(**changes: Any) -> SeoScore:
    return score_post(**{**GOOD, **changes})


def test_a_post_that_keeps_every_rule_has_a_hundred_points_and_no_advice() -> None:
    assert score() == SeoScore(100, ())


@pytest.mark.parametrize(
    ("changes", "points", "advice"),
    [
        ({"content": CONTENT.replace(SECTION, SENTENCE * 8)}, 95, "Add detail"),
        ({"content": CONTENT.replace(SECTION, SENTENCE * 4)}, 90, "Add detail"),
        ({"title": "On shift planning"}, 93, "Bring the title to 30 to 65"),
        ({"title": "Short shift planning guide"}, 97, "Bring the title to 30 to 65"),
        ({"content": CONTENT.replace("## Next", "# More\n\n## Next")}, 96, "exactly one top heading"),
        ({"content": CONTENT.replace("## What", "### What").replace("## Next", "### Next")}, 96, "three sections"),
        (
            {"content": CONTENT.replace("\n\n## What to do\n\n", f" {SECTION}\n\n### What to do\n\n")},
            92,
            "longest section",
        ),
        ({"title": "A short guide to better planning"}, 92, "into the title"),
        ({"content": CONTENT.replace("Good shift planning starts", "All starts")}, 94, "first 100 words"),
        ({"content": CONTENT.replace("Why shift planning helps", "Why it helps")}, 94, "heading of a section"),
        ({"content": CONTENT.replace(SECTION, SECTION + "Shift planning. " * 6)}, 92, "less often"),
        ({"meta_description": "Shift planning."}, 92, "meta description to 50 to 160"),
        (
            {"meta_description": "What planning is good for, how to begin with it, and what to look for."},
            96,
            "in the meta",
        ),
        ({"content": CONTENT.replace("[our prices](/pricing)", "our prices")}, 96, "Link to two or more"),
        ({"content": CONTENT.replace("[Book a demo]", "[Look here]")}, 96, "call to action"),
        ({"calls_to_action": []}, 96, "call to action"),
        (
            {
                "content": CONTENT.replace(
                    "The team can see", "Interdepartmental collaboration necessitates visibility of"
                )
            },
            90,
            "shorter sentences",
        ),
    ],
)
def test_each_rule_costs_its_points_and_says_how_to_earn_them(
    changes: dict[str, Any], points: int, advice: str
) -> None:
    scored = score(**changes)
    assert scored.score == points, scored
    assert any(advice in sentence for sentence in scored.advice), scored


def test_the_dearest_advice_comes_first_and_an_empty_text_has_few_points() -> None:
    scored = score(content="", title="", meta_description="")
    assert scored.score <= 10
    assert scored.advice[0].startswith("Add detail")


def test_what_cannot_be_measured_is_left_out_of_the_whole() -> None:
    assert score(language="ja").score == 100


@pytest.mark.parametrize(
    ("text", "language", "least", "most"),
    [
        ("The cat sat on the mat. The dog ran to the man. It was a hot day. " * 3, "en", 100, 125),
        ("Organizational interdependencies necessitate comprehensive collaborative consideration. " * 8, "en", -250, 0),
        ("Die Katze sitzt auf dem Dach. Der Hund lief zu dem Mann. Es war ein Tag. " * 3, "de", 80, 125),
    ],
)
def test_easy_texts_read_easier_than_hard_ones(text: str, language: str, least: float, most: float) -> None:
    ease = reading_ease([text], language)
    assert ease is not None
    assert least < ease < most


@pytest.mark.parametrize(("text", "language"), [("The cat sat on the mat.", "en"), ("word " * 50, "fr"), ("", "en")])
def test_too_little_text_or_an_unknown_language_has_no_reading_ease(text: str, language: str) -> None:
    assert reading_ease([text], language) is None


BUSINESS = {"businessType": "SaaS", "targetAudience": "planners"}


@pytest.mark.parametrize(
    ("analysis", "calls", "changes", "points", "level"),
    [
        ({}, 0, {}, 0, "basic"),
        (ANALYSIS, 0, {}, 45, "medium"),
        (ANALYSIS, 1, {}, 55, "medium"),
        (ANALYSIS, 3, {}, 60, "medium"),
        ({**ANALYSIS, "description": "Not stated: the page says nothing"}, 3, {}, 50, "medium"),
        ({}, 0, {"businessInfo": {**BUSINESS, "businessName": "Plansome"}}, 10, "basic"),
        (
            {},
            0,
            {"businessInfo": {**BUSINESS, "brandVoice": "calm", "websiteGoals": "demos", "other": "x"}},
            15,
            "basic",
        ),
        ({}, 0, {"businessInfo": {**BUSINESS, "brandVoice": "  ", "other": ""}}, 0, "basic"),
        ({}, 0, {"topic": {"title": "T", "searchIntent": "informational"}}, 10, "basic"),
        ({}, 0, {"instructions": "Short."}, 5, "basic"),
        (ANALYSIS, 3, {"businessInfo": {**BUSINESS, "businessName": "Plansome"}}, 60, "medium"),
        (ANALYSIS, 3, {"businessInfo": {**BUSINESS, "businessName": "Plansome GmbH"}, "instructions": "x"}, 75, "high"),
        (
            ANALYSIS,
            9,
            {
                "businessInfo": {**BUSINESS, "businessName": "A", "brandVoice": "b", "websiteGoals": "c", "d": "e"},
                "topic": {"title": "T", "a": 1},
                "instructions": "x",
            },
            100,
            "high",
        ),
    ],
)
def test_completeness_follows_its_table(
    analysis: dict[str, Any], calls: int, changes: dict[str, Any], points: int, level: Level
) -> None:
    standing = standing_of(content_payload(**changes), analysis, calls)
    assert (standing.completeness, standing.level) == (points, level)
    assert standing.has_website_data == bool(analysis)


def test_a_detail_that_repeats_the_analysis_is_no_manual_input() -> None:
    copied = content_payload(businessInfo={**BUSINESS, "businessName": ANALYSIS["businessName"]})
    assert not standing_of(copied, ANALYSIS, 0).has_manual_inputs
    assert standing_of(copied, {}, 0).has_manual_inputs
