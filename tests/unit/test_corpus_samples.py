"""The shipped sample: every recipient has a page, and every letter is confident and tells a fact of that page."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from jobline_worker.pipelines.email.checks import broken_checks
from jobline_worker.pipelines.email.digest import digest
from jobline_worker.pipelines.email.embedded import ComposeInputs, compose, search_terms
from jobline_worker.pipelines.email.scraped_content import Source, scraped_content
from jobline_worker.pipelines.email.template_parser import template_type
from jobline_worker.providers.corpus import Corpus

SAMPLES = Path(__file__).parents[2] / "deploy" / "samples"
CORPUS = Corpus.load(SAMPLES / "corpus")
TEMPLATES = {path.stem: path.read_text() for path in (SAMPLES / "templates").glob("*.txt")}
with (SAMPLES / "recipients.csv").open(newline="") as file:
    RECIPIENTS = [tuple(row.values()) for row in csv.DictReader(file)]


def pages(template: str, name: str, interest: str) -> list[Source]:
    hits = {hit.url: hit for term in search_terms(template, name, interest) for hit in CORPUS.search(term, 10)}
    return [Source(hit.url, hit.title, CORPUS.page(hit.url) or "") for hit in hits.values()]


def letter(template: str, name: str, interest: str) -> tuple[str, bool]:
    content, sources = scraped_content(pages(template, name, interest), name, interest)
    answer = compose(ComposeInputs(template, name, interest, template_type(template), [], content, sources, []))
    return answer.email, answer.is_confident


def test_each_template_is_of_the_type_it_is_named_for() -> None:
    assert {name: template_type(text) for name, text in TEMPLATES.items()} == {name: name for name in TEMPLATES}
    assert len(TEMPLATES) == 3
    assert len(RECIPIENTS) >= 12


@pytest.mark.parametrize("kind", sorted(TEMPLATES))
@pytest.mark.parametrize(("name", "interest", "_"), RECIPIENTS)
def test_every_sample_letter_is_confident_and_passes_every_check(name: str, interest: str, _: str, kind: str) -> None:
    email, is_confident = letter(TEMPLATES[kind], name, interest)
    assert is_confident
    assert broken_checks(email, name) == []
    assert email.startswith(f"Dear {name},\n\n")
    assert "interested to read that you" in email


@pytest.mark.parametrize(("name", "interest", "_"), RECIPIENTS)
def test_another_interest_chooses_another_fact(name: str, interest: str, _: str) -> None:
    headings = re.findall(r"^([A-Z][^.“”:\n]{5,60})$", pages("", name, interest)[0].text, re.MULTILINE)
    letters = {letter("Dear {{name}}, thank you.", name, heading)[0].split("read that")[1][:80] for heading in headings}
    assert len(letters) >= 3


def test_a_stranger_gets_no_page_of_somebody_else() -> None:
    assert pages("{{research}}", "Jane Nobody", "distributed systems") == []


def test_the_digest_takes_only_sentences_of_the_page() -> None:
    source = pages("", "Barbara Liskov", "distributed systems")[0]
    background, works = digest([(source.url, source.title, source.text)], "Barbara Liskov", "distributed systems")
    listed = [re.sub(r" \(.*", "", work) for work in works]
    assert all(sentence in source.text for sentence in (*background, *listed))
    assert "Viewstamped Replication" in background[0]
