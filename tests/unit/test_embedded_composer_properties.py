"""Whatever is submitted and whatever pages say, the composer ends quickly with a letter that names the recipient."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobline_worker.pipelines.email.digest import digest
from jobline_worker.pipelines.email.embedded import ComposeInputs, compose, search_terms

NAMES = st.from_regex(r"[A-Za-zéüß][A-Za-zéüß.' -]{1,60}[a-z]", fullmatch=True)
PIECES = st.sampled_from(
    ["{{name}}", "{{ topic }}", "{{", "}}", "{", "}", "[YOUR NAME]", "[INSERT", "{{my_name}}", "{{paper}}", "{{a b c}}",
     "Dear ", "Hi,", "\n\n", "\n", "your work on ", "at ", " and I ", ". ", "?", ", ", "Best,\n", "(", ")", "\ue000", "é"]
)  # fmt: skip
TEMPLATES = st.lists(PIECES | st.text(max_size=20), min_size=1, max_size=40).map("".join)
CONTENTS = st.lists(
    st.sampled_from(["BACKGROUND\n", "SOURCES\n", "Smith wrote a book on folding. ", "“A” (1999)\n", "- "])
    | st.text(max_size=60),
    max_size=20,
).map("".join)


def inputs(template: str, name: str, interest: str, content: str) -> ComposeInputs:
    papers = [{"title": interest, "year": 2020, "abstract": content}]
    return ComposeInputs(template, name, interest, "research", [], content, [], papers)


@settings(max_examples=300, deadline=2000)
@given(TEMPLATES, NAMES, st.text(min_size=2, max_size=500), CONTENTS)
def test_every_letter_names_its_recipient_and_has_no_placeholder(
    template: str, name: str, interest: str, content: str
) -> None:
    email = compose(inputs(template, name, interest, content)).email
    last_word = name.split()[-1].casefold()
    assert last_word in email.casefold()
    assert not re.search(r"\{\{|\}\}|\[INSERT|\[YOUR", email, re.IGNORECASE)
    assert len(email) <= 10_000
    assert not re.search("[\x00\ue000-\ue0ff\ud800-\udfff]", email)


@given(TEMPLATES, NAMES, st.text(min_size=2, max_size=100), CONTENTS)
def test_the_same_inputs_give_the_same_letter(template: str, name: str, interest: str, content: str) -> None:
    first, second = (compose(inputs(template, name, interest, content)) for _ in range(2))
    assert first == second


@given(st.text(max_size=5000), st.text(min_size=2, max_size=255), st.text(min_size=2, max_size=500))
def test_search_terms_keep_their_bounds(template: str, name: str, interest: str) -> None:
    terms = search_terms(template, f"x{name}", f"{interest}y")
    assert 1 <= len(terms) <= 2
    assert all(3 <= len(term) <= 200 for term in terms)
    assert f"x{name}".strip()[:200].strip() in terms[0]


@pytest.mark.parametrize(
    "unit",
    ["{", "{{", "}", "{{ ", "{{a}}", "{{x}} ", "[YOUR ", "[INSERT", "(", "( {{x}}", " at the {{x}}", ",{{x}}", "“",
     "a. ", "? ", "\n", " ", "and I ", "{{name}}", "{{paper}} ", "your {{paper}}", "your a a a ",
     "Dear ", "Dear {{x}}\n", "- a\n", "Dr. "]
)  # fmt: skip
def test_a_template_of_one_repeated_piece_ends_quickly(unit: str) -> None:
    template = (unit * 5000)[:4900] + " {{name}}"
    started = time.perf_counter()
    compose(inputs(template, "Jane Smith", "protein folding", "Smith wrote a book on folding. " * 90))
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    "unit", ["“", "a. (“", "Smith ", "1. ", "- “a” ", "“a” (1999)\n", "Smith wrote. ", " ", "é" * 100 + "\n"]
)
def test_a_page_of_one_repeated_piece_ends_quickly(unit: str) -> None:
    text = "Jane Smith\n" + (unit * 200_000)[:200_000]
    started = time.perf_counter()
    background, works = digest([("https://example.org", "Jane Smith", text)], "Jane Smith", "folding")
    assert time.perf_counter() - started < 10
    assert len(background) <= 8
    assert len(works) <= 10
