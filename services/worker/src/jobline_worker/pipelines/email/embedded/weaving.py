"""Where found facts and a closing go in a letter: only places are chosen here, as marks."""

from __future__ import annotations

import re

from jobline_worker.pipelines.email.embedded.letter import body_span
from jobline_worker.pipelines.email.embedded.placeholders import Mark
from jobline_worker.providers.passages import split_keeping_spaces

__all__ = ["with_closing", "with_fact_sentences", "with_facts"]

_PARAGRAPH = re.compile(r"[^\n]+(?:\n[^\n]+)*+")
_LIST_LINE = re.compile(r"^[ \t]*(?:[-*•]|\d{1,2}[.)])[ \t]", re.MULTILINE)
_SENTENCE_ENDS = tuple(".!?”\"')…" + Mark.FACT)
_ASKS = re.compile(
    r"(?:do|does|did|would|could|can|will|is|are|may|might|should|what|how|which|when|where|why|who|"
    r"hätten|könnten|würden|haben|können|darf|dürfte|was|wie|welche[rs]?|wann|wo|warum|wer)\b",
    re.IGNORECASE,
)
_FACT_SENTENCE = re.compile(
    rf"(?:^|(?<=[.!?][ \t])|(?<=\n)|(?<={Mark.NAME},[ \t])|(?<={Mark.FACT}[ \t]))"
    rf"{Mark.FACT}[.!]?(?=\s|$)",
    re.MULTILINE,
)


def with_fact_sentences(text: str) -> str:
    """Fact placeholders that are a sentence of their own stay; one inside a sentence can only take a title."""
    kept = _FACT_SENTENCE.sub("\ue020", text)
    return kept.replace(Mark.FACT, Mark.WORK).replace("\ue020", Mark.FACT)


def with_facts(text: str, count: int) -> str:
    """The marked text with `count` fact marks in all; surplus ones go.

    They follow the paragraph that speaks of the recipient's subject, before a question it may end with.
    """
    present = text.count(Mark.FACT)
    if present >= count:
        return _without_last_facts(text, present - count)
    position = _place(text)
    before, after = text[:position].rstrip(), text[position:]
    facts = " ".join([Mark.FACT] * (count - present))
    if not before:
        return f"{facts}\n\n{after.lstrip()}".rstrip("\n")
    gap = "\n\n" if before.endswith((":", ",", ";", "-", "–", "—")) or _is_list(before) else " "
    end = "" if before.endswith(_SENTENCE_ENDS) or gap != " " else "."
    rest = f" {after.lstrip()}" if after[:1] not in {"\n", ""} else after
    return f"{before}{end}{gap}{facts}{rest}"


def with_closing(text: str, paragraph: str) -> str:
    """The text with one more paragraph at the end of its body, before sign-off and signature."""
    if not paragraph:
        return text
    _, end = body_span(text)
    body, rest = text[:end].rstrip(), text[end:].lstrip("\n")
    return f"{body}\n\n{paragraph}\n\n{rest}".rstrip()


def _without_last_facts(text: str, surplus: int) -> str:
    for _ in range(surplus):
        head, _, tail = text.rpartition(Mark.FACT)
        text = head.rstrip(" \t") + tail.lstrip(".!")
    return text


def _is_list(text: str) -> bool:
    return _LIST_LINE.match(text, text.rfind("\n") + 1) is not None


def _place(text: str) -> int:
    start, end = body_span(text)
    paragraphs = [(found.start(), found.group()) for found in _PARAGRAPH.finditer(text, start, end)]
    wanted = (Mark.INTEREST, Mark.WORK, Mark.PAPER, Mark.BOOK, "your", "Ihr")
    for words in wanted:
        for offset, paragraph in paragraphs:
            if words in paragraph:
                return offset + _behind_statements(paragraph)
    return paragraphs[0][0] + _behind_statements(paragraphs[0][1]) if paragraphs else end


def _behind_statements(paragraph: str) -> int:
    """The length of the paragraph without the questions at its end."""
    pieces = split_keeping_spaces(paragraph.replace("\n", " "))
    if sum(map(len, pieces)) != len(paragraph):
        return len(paragraph)
    kept = len(pieces)
    while kept > 1 and _is_question(pieces[kept - 1]):
        kept -= 1
    return len(paragraph) if _is_question(pieces[kept - 1]) else sum(len(piece) for piece in pieces[:kept])


def _is_question(sentence: str) -> bool:
    """Also one whose question mark the sender left out."""
    text = sentence.strip()
    return text.endswith("?") or (not text.endswith(_SENTENCE_ENDS) and _ASKS.match(text) is not None)
