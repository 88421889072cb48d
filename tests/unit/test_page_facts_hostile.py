"""Pages that want to harm their reader: whatever the bytes are, there are facts, few and small ones, soon.

No test here looks at a clock: each page would keep a naive reader busy for minutes or end its process, which the
suite's own time limit finds. What is counted is what comes out, and how much of the page is looked at.
"""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Callable
from dataclasses import asdict

import pytest
from lxml.html import document_fromstring

from jobline_worker.pipelines.content.page import content, structure
from jobline_worker.pipelines.content.page.ctas import find_ctas
from jobline_worker.pipelines.content.page.extract import extract_facts
from jobline_worker.pipelines.content.page.facts import PageFacts
from jobline_worker.pipelines.content.page.styles import Declarations
from jobline_worker.providers.pages.extraction import extract_text
from jobline_worker.providers.pages.markup import parseable

URL = "https://hostile.example/"


def read(body: str, head: str = "") -> PageFacts:
    return extract_facts(f"<html><head>{head}</head><body><h1>Top</h1>{body}</body></html>".encode(), "text/html", URL)


ARTICLE = "<meta property=og:type content=article>"

HOSTILE: dict[str, Callable[[], PageFacts]] = {
    "nothing": lambda: extract_facts(b"", "", ""),
    "spaces": lambda: extract_facts(b" \n" * 1000, "text/html", URL),
    "NUL": lambda: extract_facts(b"\0" * 1_000_000, "text/html", URL),
    "noise": lambda: extract_facts(random.Random(1).randbytes(1_000_000), "text/html; charset=utf-8", URL),
    "a picture": lambda: extract_facts(b"\x89PNG\r\n\x1a\n" + random.Random(2).randbytes(10_000), "text/html", URL),
    "UTF-7": lambda: extract_facts(b"+ADw-script+AD4-alert(1)", "text/html; charset=utf-7", URL),
    "punycode": lambda: extract_facts(b"a-" * 500_000, "text/html; charset=punycode", URL),
    "lone surrogates": lambda: read("<p>&#xD800;&#55296; and \\ud800</p><a href='/&#xDFFF;'>&#xD834;Go</a>"),
    "character references": lambda: read("&#x202e;&zwj;&#0;&#x110000;&nosuch;" * 50_000),
    "100 000 nested elements": lambda: read("<div>" * 100_000 + "deep" + "</div>" * 100_000),
    "never closed": lambda: read("<p><b>" * 200_000),
    "closed too often": lambda: read("<div>" * 200 + "</b></p></span>" * 40_000),
    "nested links": lambda: read("<a href=x>y" * 40_000),
    "nested buttons and labels": lambda: read("<button><label>" * 40_000),
    "an element of 150 000 attributes": lambda: read("<p " + " ".join(f"a{n}=1" for n in range(150_000)) + ">text</p>"),
    "attributes in quotes": lambda: read("<p " + " ".join(f"a{n}='><'" for n in range(100_000)) + ">text</p>"),
    "tags in tags": lambda: read("<p" * 1_000_000),
    "tags in attributes": lambda: read("<p a=" * 400_000),
    "tags in quotes": lambda: read("<p a='<p b=\"" * 150_000),
    "25 000 links": lambda: read("".join(f"<a href='/{n}'>Buy {n}</a> " for n in range(25_000))),
    "forms": lambda: read("<form><input name=email><button>Go</button></form>" * 6_000),
    "a form of 30 000 fields": lambda: read("<form>" + "".join(f"<input name=f{n}>" for n in range(30_000))),
    "options": lambda: read("<form><select>" + "<option>x" * 50_000),
    "headings": lambda: read("<h1>x</h1>" * 30_000),
    "one word": lambda: read("a" * 1_500_000),
    "one paragraph": lambda: read("word " * 300_000),
    "10 MB": lambda: read("<p>Another paragraph of text.</p>" * 320_000),
    "an article for hours": lambda: read("<p><b>" * 60_000, ARTICLE),
    "an article of lists": lambda: read("<ul><li>" * 3_500, ARTICLE),
    "style attributes": lambda: read("".join(f"<p style='display:block;color:#{n:06x}'>x</p>" for n in range(5_000))),
    "brackets in styles": lambda: read(
        f"<p style='left:{'(' * 1_900}'>text</p>", f"<style>a{{b:{'(' * 90_000}</style>"
    ),
    "braces in styles": lambda: read("text", f"<style>{'a{' * 40_000}</style>"),
    "100 000 selectors": lambda: read("text", f"<style>{'a,' * 100_000}b{{color:red}}</style>"),
    "variables without end": lambda: read(
        "text", "<style>:root{" + "".join(f"--primary{n}:var(--primary{n + 1});" for n in range(3_000)) + "}</style>"
    ),
    "variables of many variables": lambda: read(
        "text",
        "<style>:root{"
        + "".join(f"--brand{n}:{f'var(--brand{n + 1}) ' * 25};" for n in range(20))
        + "}</style>"
        + "<style>.btn{background:var(--brand0)}</style>",
    ),
    "titles deep in a drawing": lambda: read(f"<svg>{'<g>' * 240}{'<title>a</title>' * 120_000}"),
    "nested JSON": lambda: read("text", f'<script type="application/ld+json">{"[" * 150_000}</script>'),
    "a long integer": lambda: read("text", f'<script type="application/ld+json">{{"n":{"9" * 9_000}}}</script>'),
    "JSON objects": lambda: read(
        "text", '<script type="application/ld+json">[' + ",".join(['{"a":1}'] * 20_000) + "]</script>"
    ),
    "meta tags": lambda: read("text", "".join(f"<meta name=n{n} content=c>" for n in range(15_000))),
    "separators": lambda: read("text", f"<title>{' - ' * 300_000}</title>"),
    "cookie notices in each other": lambda: read("<div class=cookie><a>ok</a>cookie " * 20_000),
    "a frameset": lambda: extract_facts(b"<frameset>" * 50_000, "text/html", URL),
    "plain text in HTML": lambda: extract_facts(b"<plaintext>" + b"<p>" * 100_000, "text/html", URL),
    "entities of XML": lambda: extract_facts(
        b"<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]><html><body>&b;</body></html>",
        "text/html",
        URL,
    ),
    "a file of this machine": lambda: extract_facts(
        b"<!DOCTYPE x [<!ENTITY f SYSTEM 'file:///etc/passwd'>]><html><body>&f;</body></html>",
        "application/xhtml+xml",
        URL,
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_every_page_has_facts_that_are_few_small_and_storable(name: str) -> None:
    facts = HOSTILE[name]()
    assert facts.site_name
    assert len(facts.headings) <= content.MAX_HEADINGS
    assert len(facts.paragraphs) <= content.MAX_PARAGRAPHS
    assert sum(map(len, facts.paragraphs)) <= content.MAX_TEXT
    assert len(facts.links) <= structure.MAX_LINKS
    assert len(facts.forms) <= structure.MAX_FORMS
    assert all(len(form.fields) <= structure.MAX_FIELDS for form in facts.forms)
    stored = json.dumps(asdict(facts), ensure_ascii=False, allow_nan=False).encode()
    assert b"\\u0000" not in stored
    assert len(stored) < 1_500_000
    assert pickle.loads(pickle.dumps(facts)) == facts
    assert len(find_ctas(facts)) <= structure.MAX_LINKS + structure.MAX_FORMS
    assert "root:" not in repr(facts)


def test_what_lies_behind_two_mebibytes_is_not_read() -> None:
    assert read("<p>Early text here.</p>" + " " * 2 * 1024 * 1024 + "<p>Late text here.</p>").paragraphs == (
        "Early text here.",
    )


def test_no_more_elements_are_looked_at_than_the_bound() -> None:
    asked = 0

    def count(element: object) -> bool:
        nonlocal asked
        asked += 1
        return False

    root = document_fromstring("<html><body>" + "<b>x</b>" * (2 * structure.MAX_ELEMENTS))
    structure.read_structure(root, count, URL)
    assert asked == structure.MAX_ELEMENTS - 1  # nobody asks whether the body is seen


@pytest.mark.parametrize("brackets", ["(", "[", "{", "f({["])
def test_a_style_of_very_many_brackets_is_not_read(brackets: str) -> None:
    assert Declarations.parse(f"display:none;left:{brackets * 15}").get("display") == "none"
    assert Declarations.parse(f"display:none;left:{brackets * 70}").values == {}


@pytest.mark.parametrize(
    ("tag", "kept"),
    [
        ("<p a=1 b='2' c>text</p>", True),
        ("<p " + " ".join(f"a{n}=1" for n in range(200)) + ">text</p>", True),
        ("<p " + " ".join(f"a{n}=1" for n in range(1000)) + ">text</p>", False),
        ("<p " + " ".join(f"a{n}='>'" for n in range(1000)) + ">text</p>", False),
        ("<p " + " ".join(f'a{n}="<b>"' for n in range(1000)) + ">text</p>", False),
        ("<p " + "/".join(f"a{n}" for n in range(1000)) + ">text</p>", False),
        ("<p x=1" + "".join(f" =a{n}" for n in range(1000)) + ">text</p>", False),
        ("<p " + "\f".join(f"a{n}\n=\n1" for n in range(1000)) + ">text</p>", False),
    ],
)
def test_only_tags_with_very_many_attributes_are_cut(tag: str, kept: bool) -> None:
    assert (parseable(tag) == tag) is kept
    assert len(parseable(tag)) < 5_000
    assert extract_facts(parseable(f"{tag}<p>and after</p>").encode(), "text/html", URL).paragraphs[-1] == "and after"


@pytest.mark.parametrize(
    "markup",
    ["<script>if(a<b {}</script>", "<!-- a <b {}-->", "<style>a<b {}</style>", "<script>x='<a {}'</script>"],
)
def test_a_less_than_sign_in_a_script_takes_nothing_of_what_follows(markup: str) -> None:
    source = markup.replace("{}", "word " * 2000) + "<p>What follows it.</p>"
    assert extract_facts(source.encode(), "text/html", URL).paragraphs == ("What follows it.",)


def test_the_readable_text_of_a_page_for_emails_is_safe_from_attributes_too() -> None:
    page = "<p " + " ".join(f"a{n}=1" for n in range(150_000)) + ">Some readable text.</p>"
    assert extract_text(page.encode(), "text/html")[1] == "Some readable text."
