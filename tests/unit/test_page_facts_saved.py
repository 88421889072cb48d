"""The ten saved pages, read as a customer would: who it is, what they say, what they want visitors to do."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from jobline_worker.pipelines.content.page.ctas import find_ctas
from jobline_worker.pipelines.content.page.extract import extract_facts
from jobline_worker.pipelines.content.page.facts import PageFacts
from support.saved_pages import SAVED_PAGES


@dataclass(frozen=True)
class Expected:
    """`calls` are the texts and types of the best calls to action, best first."""

    site: str
    heading: str
    says: str
    colors: tuple[str, str, str]
    calls: tuple[tuple[str, str], ...]
    language: str = "en"


EXPECTED = {
    "shop": Expected(
        "Larkmoor Yarn House",
        "Wool with a postcode",
        "A hard-wearing 4 ply that survives the washing machine. Twelve plant-dyed shades, 425 m to the skein.",
        ("#7a2e4d", "#f7f1e8", "#d9a521"),
        (("Shop all yarn", "button"), ("Add to basket", "button"), ("Start with a kit", "button")),
    ),
    "clinic": Expected(
        "Pellbrook Joint & Spine Clinic",
        "What we treat",
        "First assessment, 45 minutes £68",
        ("#0b6e75", "#e6f4f3", "#ff8a5b"),
        (("Book your first assessment", "button"), ("Book an appointment", "button"), ("Request a call back", "form")),
    ),
    "saas": Expected(
        "Rosterwren",
        "Registered managers",
        "See the month at a glance, and approve instead of building it from scratch.",
        ("#4338ca", "#eef2ff", "#f59e0b"),
        (("Book a demo", "demo_link"), ("Start free trial", "trial_link"), ("Download the checklist", "email_capture")),
    ),
    "law_firm": Expected(
        "Kanzlei Röttgering & Suhl",
        "Gekündigt? Sie haben drei Wochen Zeit.",
        "Ersteinschätzung am nächsten Werktag, schriftlich und verständlich.",
        ("#1f2f46", "#f3eee6", "#a8823a"),
        (
            ("Termin vereinbaren", "cta_element"),
            ("Anfrage absenden", "form"),
            ("Kündigung prüfen lassen", "cta_element"),
        ),
        "de",
    ),
    "blog": Expected(
        "The Slow Allotment",
        "What happens inside the fruit",
        "Do not water for two days after heavy rain, even if the surface looks dry.",
        ("#3f6b35", "#fbfaf5", "#f2c14e"),
        (("Get the Sunday letter", "email_capture"), ("Write to Imke", "contact_link")),
    ),
    "restaurant": Expected(
        "Saltmarsh Table",
        "From the fire",
        "Wednesday to Saturday: 12.00–14.30 and 18.00–22.00",
        ("#e8b75a", "#f4efe4", "#10262b"),
        (("Reserve a table", "cta_element"), ("Enquire about the net room", "form")),
    ),
    "nonprofit": Expected(
        "Ennelwater Trust",
        "Three ways to help",
        "212 water samples every month",
        ("#00587c", "#eef6f8", "#f28c28"),
        (("Plant a metre of bank for £10", "button"), ("Become a volunteer", "button"), ("Give now", "form")),
    ),
    "portfolio": Expected(
        "Mirela Santhoven",
        "How a project goes",
        "I photograph things that people make, and the hands that make them.",
        ("#ff5a36", "#ffebe7", "#ff5a36"),
        (("Send it to Mirela", "form"), ("Tell me what you make", "contact_link")),
    ),
    "documentation": Expected(
        "Tidegate documentation",
        "Write your first rule",
        "Two instances count in their own memory. Configure a shared store.",
        ("#0d3b66", "#f4f6f8", "#1769aa"),
        (("Download Tidegate 3.4.1", "download_link"), ("get a support plan", "cta_element")),
    ),
    "job_board": Expected(
        "Harbourhands",
        "For employers: fewer applications, better ones",
        "Night crossings with 900 passengers.",
        ("#12436d", "#e8f0f6", "#28a197"),
        (("Apply in two minutes", "button"), ("Create a free profile", "signup_link"), ("Post a job", "button")),
    ),
}


def facts_of(name: str) -> PageFacts:
    page = SAVED_PAGES[name]
    return extract_facts(page.body, page.content_type, page.url)


def test_every_saved_page_is_expected_to_say_something() -> None:
    assert set(EXPECTED) == set(SAVED_PAGES)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_saved_page_is_read_as_a_customer_would(name: str) -> None:
    expected, facts = EXPECTED[name], facts_of(name)
    assert (facts.site_name, facts.language) == (expected.site, expected.language)
    assert expected.heading in [heading.text for heading in facts.headings]
    assert any(expected.says in paragraph for paragraph in facts.paragraphs)
    assert (facts.colors.primary, facts.colors.secondary, facts.colors.accent) == expected.colors
    calls = tuple((cta.text, cta.type) for cta in find_ctas(facts))
    assert calls[: len(expected.calls)] == expected.calls


@pytest.mark.parametrize("name", EXPECTED)
def test_nothing_that_frames_a_saved_page_is_taken_for_what_it_says(name: str) -> None:
    facts = facts_of(name)
    said = " ".join((*facts.paragraphs, *(cta.text for cta in find_ctas(facts)))).lower()
    for word in ("accept all", "privacy", "datenschutz", "skip to", "©", "we use cookies", "verwendet nur technisch"):
        assert word not in said
    assert 10 <= len(facts.paragraphs) <= 60
    assert all(len(paragraph) >= 3 for paragraph in facts.paragraphs)
