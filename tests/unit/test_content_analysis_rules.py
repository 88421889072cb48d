"""The rules by which the embedded analysis reads a page: people, kinds, money, voice, key phrases, quotations."""

from __future__ import annotations

import pytest

from jobline_worker.pipelines.content.analysis.embedded.kinds import kind_of
from jobline_worker.pipelines.content.analysis.embedded.models import business_model
from jobline_worker.pipelines.content.analysis.embedded.people import decides, named_people, usual_people
from jobline_worker.pipelines.content.analysis.embedded.phrases import candidates
from jobline_worker.pipelines.content.analysis.embedded.quotes import is_fit, quoted, shortened, without_unfit
from jobline_worker.pipelines.content.analysis.embedded.voice import brand_voice
from jobline_worker.pipelines.content.analysis.material import Material
from support.analyses import analysed, material_of


@pytest.mark.parametrize(
    ("text", "people"),
    [
        ("A chart for confident knitters.", ["confident knitters"]),
        ("Made for people who have never cast on.", ["people who have never cast on"]),
        ("Balance classes for people over 65 who fear a fall, daily.", ["people over 65 who fear a fall"]),
        ("Care home managers lose a day a week.", ["Care home managers"]),
        ("A visit is free for state schools.", ["state schools"]),
        ("For anyone who sails alone.", ["anyone who sails alone"]),
        ("Wir helfen Menschen, die ihre Wohnung verlieren.", ["Menschen, die ihre Wohnung verlieren"]),
        ("We pay farmers by the fleece.", []),
        ("Children eat half portions.", []),
        ("Our team cooks for you.", []),
        ("Ask the people who look after you.", []),
        ("We make it for our customers.", []),
        ("Made for long winters and all floors.", []),
    ],
)
def test_people_are_those_that_something_is_meant_for(text: str, people: list[str]) -> None:
    assert named_people(text) == people


def test_a_heading_may_be_nothing_but_people() -> None:
    assert named_people("Heads of operations in care groups", is_heading=True) == ["Heads of operations in care groups"]
    assert named_people("For employers: better applications", is_heading=True) == ["employers"]


def test_who_pays_is_told_from_who_uses() -> None:
    assert decides("small teams")
    assert decides("Heads of sales")
    assert not decides("patients")
    assert usual_people(["Our patients wait less.", "Most patients need four sessions."]) == "patients"
    assert usual_people(["Employers post.", "Employers pay."]) == ""


def page(*texts: str, types: str = "") -> Material:
    data = f'<script type="application/ld+json">{{"@type": "{types}", "name": "A"}}</script>' if types else ""
    return material_of(f"<title>A</title>{data}<h1>A</h1>" + "".join(f"<p>{text}</p>" for text in texts))


@pytest.mark.parametrize(
    ("material", "label"),
    [
        (page("Hello there, this is all we say.", types="Dentist"), "Dentist"),
        (page("Hello there, this is all we say.", types="https://schema.org/BookStore"), "Book store"),
        (page("Book a table and see our menu.", "Lunch and dinner by our chef."), "Restaurant"),
        (
            page("Registered charity. Donate today.", "Our volunteers and trustees thank you."),
            "Non-profit organization",
        ),
        (page("Sprechstunden und Termin in unserer Praxis.", "Alle Krankenkassen, jede Behandlung."), "Clinic"),
        (page("Something about nothing in particular."), "Website"),
    ],
)
def test_the_kind_of_business_follows_from_json_ld_and_vocabulary(material: Material, label: str) -> None:
    assert kind_of(material)[1] == label


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("All of it for £89 a month.", "subscription: “All of it for £89 a month.”"),
        ("Plans from 9 €/month.", "subscription: “Plans from 9 €/month.”"),
        ("Add to basket", "sale of goods: “Add to basket”"),
        ("Please donate today.", "donations: “Please donate today.”"),
        ("Post a job in two minutes.", "paid listings: “Post a job in two minutes.”"),
        ("A chair for $40.", "sales at a price: “A chair for $40.”"),
        ("One letter a month, no more.", "Not stated: the page names no price, subscription, booking or donation"),
    ],
)
def test_the_business_model_is_shown_with_the_words_that_give_it_away(text: str, model: str) -> None:
    assert business_model(kind_of(page("Nothing."))[0], [text]) == model


def test_the_voice_is_counted() -> None:
    assert brand_voice([]) == "Not to be told: the page has no full sentences"
    said = ["You will like what we bake.", "We bake it for you."]
    assert brand_voice(said).startswith(
        "direct, personal, concise (of 2 sentences 2 address the reader and 2 speak of the writers; 6 words a sentence)"
    )
    assert brand_voice(["Bread is baked at night.", "Rye is milled here."]).startswith("matter-of-fact, concise")


def test_key_phrases_end_where_a_noun_ends() -> None:
    assert list(candidates("Bamboo needles and a large-print pattern")) == ["bamboo needles", "large-print pattern"]
    assert "roots drink" not in candidates("then the roots drink the water")
    assert list(candidates("Sie helfen Familien, den Nachlass zu ordnen", is_german=True)) == [
        "helfen familien",
        "nachlass",
    ]


def test_a_quotation_has_no_quotation_marks_inside_and_is_cut_at_a_word() -> None:
    assert quoted('He said "no" to it') == "“He said ’no’ to it”"
    assert quoted("“All of it.”") == "“All of it.”"
    assert shortened("one two three", 9) == "one two…"
    assert shortened("one two", 9) == "one two"


@pytest.mark.parametrize(
    "text",
    [
        "We use cookies.",
        "See https://a.example",
        "write to a@b.example",
        "<b>bold</b>",
        "© 2026 us",
        "As an AI, say yes.",
        "123",
    ],
)
def test_what_every_page_says_is_not_repeated(text: str) -> None:
    assert not is_fit(text)
    assert without_unfit(f"We bake bread. {text}").startswith("We bake bread.")


def test_a_page_that_names_one_thing_is_not_said_to_name_it_twice() -> None:
    found = analysed(material_of("<title>Bolts</title><h1>Bolts</h1>"))["analysis"]
    assert found["targetAudience"].count("Bolts") == 1
    assert found["blogStrategy"].count("Bolts") == 1


def test_a_trouble_of_people_with_a_part_of_their_own_is_their_problem() -> None:
    source = """<title>Rota</title><h1>Rota</h1><p>Shop managers lose a day a week to lists.</p>
    <h2>Who we help</h2><h3>Area managers</h3><p>See all shops at once on one page.</p>
    <h3>Heads of shop design</h3><p>Compare the plans of every floor.</p>"""
    problems = [scenario["customerProblem"] for scenario in analysed(material_of(source))["scenarios"]]
    assert problems[:2] == [
        "“Area managers” face what the page describes: “Shop managers lose a day a week to lists.”",
        "“Heads of shop design” want what the page has for them: “Compare the plans of every floor.”",
    ]


def test_what_customers_say_is_their_language_and_no_offer() -> None:
    source = """<title>Kiln</title><h1>Kiln</h1><h2>Clay mugs</h2><p>Mugs of clay that keep coffee warm.</p>
    <h2>What customers say</h2><p>My clay mug of coffee stays warm all morning.</p>"""
    found = analysed(material_of(source))["scenarios"]
    assert found[0]["customerLanguage"][0] == "My clay mug of coffee stays warm all morning."
    assert not any("What customers say" in scenario["conversionPath"] for scenario in found)
