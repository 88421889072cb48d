"""Calls to action: which ones a page has, of which type, and which goes before which."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobline_worker.pipelines.content.page.ctas import Cta, find_ctas
from jobline_worker.pipelines.content.page.facts import BrandColors, Form, Link, PageFacts

TYPES = {
    "button",
    "contact_link",
    "signup_link",
    "demo_link",
    "trial_link",
    "form",
    "email_capture",
    "cta_element",
    "phone_link",
    "download_link",
}
PLACES = ("hero", "header", "main_content", "navigation", "sidebar", "footer")
HREF = "https://example.com/x"


def page(links: Sequence[Link] = (), forms: Sequence[Form] = ()) -> PageFacts:
    return PageFacts(
        url="https://example.com/",
        title="",
        description="",
        language="en",
        site_name="Example",
        headings=(),
        paragraphs=(),
        sections=(),
        links=tuple(links),
        forms=tuple(forms),
        colors=BrandColors("#000000", "#ffffff", "#000000"),
        keywords=(),
        open_graph={},
        structured=(),
    )


def link(text: str, href: str = HREF, placement: str = "main_content", kind: str = "link") -> Link:
    return Link(text, href, placement, kind)


def test_the_example_of_the_jobs_api_scores_ninety() -> None:
    demo = link("Book a demo", "https://example.com/demo", "hero", "button")
    assert find_ctas(page([demo])) == (Cta("Book a demo", "demo_link", "https://example.com/demo", "hero", 90),)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Book a demo", "demo_link"),
        ("Demo anfordern", "demo_link"),
        ("Watch the walk-through", "demo_link"),
        ("Start free trial", "trial_link"),
        ("Try Rosterwren for free", "trial_link"),
        ("Kostenlos testen", "trial_link"),
        ("Sign up", "signup_link"),
        ("Get started", "signup_link"),
        ("Create a free account", "signup_link"),
        ("Join the club", "signup_link"),
        ("Jetzt registrieren", "signup_link"),
        ("Konto erstellen", "signup_link"),
        ("Subscribe", "signup_link"),
        ("Newsletter abonnieren", "signup_link"),
        ("Contact us", "contact_link"),
        ("Talk to sales", "contact_link"),
        ("Request a call back", "contact_link"),
        ("Kontakt", "contact_link"),
        ("Rückruf vereinbaren", "contact_link"),
        ("Anfrage senden", "contact_link"),
        ("Download the guide", "download_link"),
        ("Broschüre herunterladen", "download_link"),
        ("Buy now", "cta_element"),
        ("Add to basket", "cta_element"),
        ("In den Warenkorb", "cta_element"),
        ("Jetzt kaufen", "cta_element"),
        ("Get a quote", "cta_element"),
        ("Angebot anfordern", "cta_element"),
        ("Book a table", "cta_element"),
        ("Termin vereinbaren", "cta_element"),
        ("Donate", "cta_element"),
        ("Jetzt spenden", "cta_element"),
        ("Apply now", "cta_element"),
        ("Jetzt bewerben", "cta_element"),
        ("Become a volunteer", "cta_element"),
        ("Get the checklist", "cta_element"),
    ],
)
def test_a_plain_link_is_a_call_by_its_words(text: str, kind: str) -> None:
    assert [cta.type for cta in find_ctas(page([link(text)]))] == [kind]


@pytest.mark.parametrize(
    "text",
    [
        "Home",
        "Startseite",
        "About us",
        "Blog",
        "Privacy",
        "Privacy policy",
        "Datenschutzerklärung",
        "Terms of service",
        "Impressum",
        "Log in",
        "Sign in",
        "Anmelden",
        "Search",
        "Menu",
        "Close",
        "Skip to content",
        "Accept all",
        "Basket (0)",
        "Next →",
        "Facebook",
        "Deutsch",
        "×",
        "…",
        "3",
        "Post comment",
    ],
)
def test_what_every_site_has_is_no_call_not_even_as_a_button(text: str) -> None:
    assert find_ctas(page([link(text), link(text, kind="button", placement="hero")])) == ()


@pytest.mark.parametrize(
    "text",
    [
        "The book",
        "Look inside the book",
        "Order status",
        "Our team",
        "Support",
        "Learn more",
        "Mehr erfahren",
        "See all 1,940 jobs",
        "Which tickets offshore wind really asks for",
        "How we booked ninety thousand tables in one short summer of work",
        "how to care for wool",
    ],
)
def test_a_link_that_asks_for_nothing_is_no_call(text: str) -> None:
    assert find_ctas(page([link(text)])) == ()


def test_a_button_is_a_call_whatever_it_says_but_reading_on_is_worth_least() -> None:
    found = find_ctas(page([link("Learn more", kind="button"), link("Wool with a postcode", kind="button")]))
    assert [(cta.text, cta.type) for cta in found] == [("Wool with a postcode", "button"), ("Learn more", "button")]


@pytest.mark.parametrize(
    ("text", "href", "kind"),
    [
        ("01632 960 377", "tel:+441632960377", "phone_link"),
        ("Ring Nell", "tel:+441632960377", "phone_link"),
        ("nell@example.com", "mailto:nell@example.com", "contact_link"),
        ("Price list", "https://example.com/prices.PDF?v=2", "download_link"),
        ("Get the price list", "https://example.com/prices.pdf", "download_link"),
    ],
)
def test_an_address_can_say_what_a_link_is_for(text: str, href: str, kind: str) -> None:
    assert [cta.type for cta in find_ctas(page([link(text, href)]))] == [kind]


@pytest.mark.parametrize(
    ("fields", "submit", "kind"),
    [
        (("email",), "Send me the letter", "email_capture"),
        (("first_name", "email", "checkbox"), "Subscribe", "email_capture"),
        (("name", "email", "textarea"), "Send", "form"),
        (("name", "tel"), "Anfrage absenden", "form"),
        (("radio", "number"), "Donate", "form"),
        (("email", "password"), "Create account", "form"),
        ((), "Add to basket", "button"),
        ((), "Sign up", "signup_link"),
    ],
)
def test_a_form_is_a_call_by_what_it_asks_for(fields: tuple[str, ...], submit: str, kind: str) -> None:
    [cta] = find_ctas(page(forms=[Form("main_content", HREF, fields, submit)]))
    assert (cta.text, cta.type, cta.href) == (submit, kind, HREF)


@pytest.mark.parametrize(
    ("fields", "submit"),
    [
        (("search",), "Find"),
        (("email", "password"), "Log in"),
        (("email", "password"), "Continue"),
        (("select", "checkbox"), "Show results"),
        (("textarea", "author", "email"), "Post comment"),
        (("email",), ""),
    ],
)
def test_a_form_that_searches_filters_or_logs_in_is_no_call(fields: tuple[str, ...], submit: str) -> None:
    assert find_ctas(page(forms=[Form("hero", HREF, fields, submit)])) == ()


def test_a_better_place_scores_better() -> None:
    scores = [find_ctas(page([link("Book a demo", placement=place)]))[0].conversion_potential for place in PLACES]
    assert scores == [80, 72, 68, 66, 64, 60]


def test_a_button_goes_before_a_link_and_short_words_before_long_ones() -> None:
    plain, button = link("Order yarn online"), link("Order a kit", kind="button")
    long = link("Order a kit with needles and a pattern", kind="button")
    texts = [cta.text for cta in find_ctas(page([long, plain, button]))]
    assert texts == ["Order a kit", "Order a kit with needles and a pattern"]


def test_one_text_counts_once_in_a_place_and_less_in_a_second_one() -> None:
    links = [
        link("Book a demo", f"{HREF}1", "footer"),
        link("book a DEMO", f"{HREF}2", "hero"),
        link("Book a demo", f"{HREF}3", "hero"),
        link("Talk to us", placement="footer"),
    ]
    found = [(cta.text, cta.placement, cta.conversion_potential) for cta in find_ctas(page(links))]
    assert found == [("book a DEMO", "hero", 80), ("Talk to us", "footer", 45), ("Book a demo", "footer", 40)]


WORDS = st.sampled_from(
    ["Book", "a", "demo", "Buy", "now", "free", "trial", "Kontakt", "wool", "download", "testen", "us"]
)


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            Link,
            st.lists(WORDS, min_size=1, max_size=9).map(" ".join) | st.text(min_size=1, max_size=20),
            st.sampled_from(["", HREF, "tel:+49", "mailto:a@b.example"]),
            st.sampled_from(PLACES),
            st.sampled_from(["link", "button"]),
        ),
        max_size=12,
    ),
    st.lists(
        st.builds(
            Form,
            st.sampled_from(PLACES),
            st.just(HREF),
            st.lists(st.sampled_from(["email", "name", "search", "password", "select"]), max_size=3).map(tuple),
            st.lists(WORDS, max_size=4).map(" ".join),
        ),
        max_size=3,
    ),
)
def test_calls_are_known_types_in_falling_order_and_unique_by_text_and_place(
    links: list[Link], forms: list[Form]
) -> None:
    found = find_ctas(page(links, forms))
    scores = [cta.conversion_potential for cta in found]
    assert scores == sorted(scores, reverse=True)
    assert all(1 <= score <= 100 for score in scores)
    assert {cta.type for cta in found} <= TYPES
    assert len({(cta.text.casefold(), cta.placement) for cta in found}) == len(found)
    assert {cta.text for cta in found} <= {each.text for each in links} | {form.submit for form in forms}
