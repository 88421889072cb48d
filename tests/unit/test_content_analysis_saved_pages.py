"""The embedded analysis of ten pages as they are on the web: what a customer would read, and that all of it is the page's."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from typing import Any

import pytest

from jobline_worker.pipelines.content.analysis.embedded import audiences
from support.analyses import analysed, material_of
from support.page_traces import PageTrace, quotations, texts_in
from support.saved_pages import SAVED_PAGES

KINDS = {
    "shop": ("Online shop", "sale of goods", "Shop all yarn"),
    "clinic": ("Medical clinic", "fees for services", "Book"),
    "saas": ("SaaS", "subscription", "Book a demo"),
    "law_firm": ("Law firm", "fees for services", "Termin vereinbaren"),
    "blog": ("Blog", "Not stated", "Get the Sunday letter"),
    "restaurant": ("Restaurant", "tables and meals", "Reserve a table"),
    "nonprofit": ("Non-profit organization", "donations", "Plant a metre of bank"),
    "portfolio": ("Portfolio", "commissions", "Mirela"),
    "documentation": ("Software documentation", "open source", "Download Tidegate"),
    "job_board": ("Job board", "paid listings", "Post a job"),
}

#: For each page some of the subjects that its audiences must be about.
SUBJECTS = {
    "shop": ("First Hat kit", "Moorland Sock", "people who have never cast on", "confident knitters"),
    "clinic": ("Sports injuries", "Lower back and neck", "people over 65 who have had a fall or fear one"),
    "saas": ("Registered managers", "Heads of operations in care groups", "Carers and nurses"),
    "law_firm": ("Arbeitsrecht", "Mietrecht", "Erbrecht für Familien"),
    "blog": ("What happens inside the fruit", "Varieties that split less"),
    "restaurant": ("The net room", "Give somebody an evening by the sea"),
    "nonprofit": ("Teach at the waterside", "state schools", "Give fish a bed"),
    "portfolio": ("North Kiln Pottery", "Brask Knives"),
    "documentation": ("Write your first rule", "Before production"),
    "job_board": ("employers", "Marine electrician"),
}

names = pytest.mark.parametrize("name", sorted(SAVED_PAGES))


@cache
def read(name: str) -> dict[str, Any]:
    page = SAVED_PAGES[name]
    return analysed(material_of(page.body, page.url, page.content_type))


@cache
def trace(name: str) -> PageTrace:
    return PageTrace(SAVED_PAGES[name].body)


@names
def test_the_kind_of_business_and_how_it_earns_are_told_from_the_page(name: str) -> None:
    analysis = read(name)["analysis"]
    kind, model, call = KINDS[name]
    assert analysis["businessType"] == kind
    assert analysis["businessModel"].startswith(model)
    assert call in analysis["websiteGoals"]


@names
def test_the_audiences_are_those_of_the_page(name: str) -> None:
    told = "\n".join(texts_in(read(name)["scenarios"]))
    assert [subject for subject in SUBJECTS[name] if subject not in told] == []


@names
def test_whatever_is_quoted_stands_on_the_page(name: str) -> None:
    assert trace(name).missing(read(name)) == []


@names
def test_the_words_of_customers_and_key_phrases_stand_on_the_page(name: str) -> None:
    scenarios = read(name)["scenarios"]
    told = [text for each in scenarios for text in (*each["customerLanguage"], *each["seoKeywords"])]
    assert [text for text in told if not trace(name).has(text)] == []
    assert trace(name).has(read(name)["analysis"]["description"])
    assert trace(name).has(read(name)["analysis"]["businessName"])


@names
def test_every_audience_has_a_pitch_that_quotes_the_page_and_ends_in_its_call_to_action(name: str) -> None:
    found = read(name)
    calls = [action.text for action in material_of(SAVED_PAGES[name].body).actions]
    assert 4 <= len(found["scenarios"]) <= 5
    assert len(found["pitches"]) == len(set(found["pitches"])) == len(found["scenarios"])
    for scenario, pitch in zip(found["scenarios"], found["pitches"], strict=True):
        assert len(quotations(pitch)) >= 2
        assert quotations(pitch)[-1] in calls
        assert quotations(scenario["conversionPath"])[-1] == quotations(pitch)[-1]


@names
def test_audiences_of_one_page_differ_and_are_in_order(name: str) -> None:
    scenarios = read(name)["scenarios"]
    assert [scenario["businessValue"]["priority"] for scenario in scenarios] == list(range(1, len(scenarios) + 1))
    for key in ("customerProblem", "conversionPath", "seoKeywords", "contentIdeas"):
        assert len({str(scenario[key]) for scenario in scenarios}) == len(scenarios)


def test_no_two_pages_have_an_audience_or_a_pitch_in_common() -> None:
    for one, other in combinations(sorted(SAVED_PAGES), 2):
        assert not set(read(one)["pitches"]) & set(read(other)["pitches"])
        ours, theirs = ({s["customerProblem"] for s in read(name)["scenarios"]} for name in (one, other))
        assert not ours & theirs


def test_pages_share_no_sentence_that_only_their_quotations_tell_apart() -> None:
    """A clinic's articles are not a shop's: each kind has patterns of its own."""
    clinic, shop = (
        {idea["title"].partition(":")[2] for scenario in read(name)["scenarios"] for idea in scenario["contentIdeas"]}
        for name in ("clinic", "shop")
    )
    assert not (clinic - {""}) & (shop - {""})


@names
def test_the_same_page_gives_the_same_analysis(name: str) -> None:
    page = SAVED_PAGES[name]
    again = material_of(page.body, page.url, page.content_type)
    assert audiences(again).model_dump(mode="json")["scenarios"] == read(name)["scenarios"]
