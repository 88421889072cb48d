"""For any page: what it says is on it for its readers, and what they do not see is nowhere."""

from __future__ import annotations

import html
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from jobline_worker.pipelines.content.page.ctas import find_ctas
from jobline_worker.pipelines.content.page.extract import extract_facts
from jobline_worker.pipelines.content.page.text import clean

URL = "https://example.com/"
#: Stands in everything hidden and nowhere else.
MARK = "Zqx"

#: Letters, what HTML must escape, what is not seen, white space of all kinds.
ALPHABET = "abcdeßéжи漢 \t\n&<>\"'#;\u00a0\u00ad\u200b\u202e\u3000🧶-.,0123"
TEXTS = st.text(ALPHABET, min_size=1, max_size=40)

BLOCKS = ("p", "div", "section", "li", "h1", "h2", "h3", "blockquote", "main", "article", "td")
INLINES = ("b", "span", "em", "a", "button")
HIDING = (
    "<div hidden>{}</div>",
    "<span aria-hidden=true>{}</span>",
    "<span style='display:none'>{}</span>",
    "<div style='font-size:0'>{}</div>",
    "<span class=ghost>{}</span>",
    "<script>{}</script>",
    "<template><p>{}</p></template>",
    "<!-- {} -->",
)


@dataclass(frozen=True)
class Piece:
    """Markup, and what a reader sees of it; blocks are apart from what surrounds them."""

    markup: str
    seen: str


def _text(text: str) -> Piece:
    return Piece(html.escape(text), text)


def _hidden(shape: str) -> Piece:
    return Piece(shape.replace("{}", MARK), "")


def _element(tag: str, children: list[Piece]) -> Piece:
    attributes = " href='/x'" if tag == "a" else ""
    apart = " " if tag in BLOCKS else ""
    markup = f"<{tag}{attributes}>{''.join(child.markup for child in children)}</{tag}>"
    return Piece(markup, f"{apart}{''.join(child.seen for child in children)}{apart}")


PIECES = st.recursive(
    TEXTS.map(_text) | st.sampled_from(HIDING).map(_hidden),
    lambda inner: st.builds(_element, st.sampled_from(BLOCKS + INLINES), st.lists(inner, max_size=5)),
    max_leaves=25,
)


@settings(deadline=None, max_examples=150)
@given(st.lists(PIECES, max_size=8))
def test_every_text_of_a_page_is_one_that_its_readers_see(pieces: list[Piece]) -> None:
    body = "".join(piece.markup for piece in pieces)
    page = f"<!doctype html><html><head><style>.ghost{{display:none}}</style></head><body>{body}</body></html>"
    facts = extract_facts(page.encode(), "text/html; charset=utf-8", URL)
    seen = clean("".join(piece.seen for piece in pieces), 1_000_000)
    for text in (
        *(heading.text for heading in facts.headings),
        *facts.paragraphs,
        *(link.text for link in facts.links),
    ):
        assert text
        assert _letters(text) in _letters(seen)
        assert " ".join(text.split()) == text
    assert [text for section in facts.sections for text in section.texts] == list(facts.paragraphs)
    assert MARK not in repr(facts)
    assert {cta.text for cta in find_ctas(facts)} <= {link.text for link in facts.links}


def _letters(text: str) -> str:
    """Without white space: where exactly a block ends is the parser's to say."""
    return "".join(text.split())


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=400), st.text(max_size=60), st.text(max_size=60))
def test_any_bytes_of_any_declared_kind_are_read(body: bytes, content_type: str, url: str) -> None:
    facts = extract_facts(body, content_type, url)
    assert facts.site_name
    find_ctas(facts)


@given(st.text(), st.integers(1, 50))
def test_cleaning_is_final_and_within_the_limit(text: str, limit: int) -> None:
    cleaned = clean(text, limit)
    assert len(cleaned) <= limit
    assert clean(cleaned, limit) == cleaned
    assert "\x00" not in cleaned
