"""Repeating a page's words so that a reader sees that they are the page's.

A quotation is a run of the page's own text between “ and ”. Quotation marks inside of it become single ones, and what is
too long is cut at a word and ends in "…"; nothing else is changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from jobline_worker.providers.passages import sentences

__all__ = [
    "MAX_QUOTE",
    "QUOTATION_MARKS",
    "fitting_sentences",
    "is_fit",
    "listed",
    "quoted",
    "shortened",
    "without_unfit",
]

MAX_QUOTE = 240

QUOTATION_MARKS = '"“”„«»‟'
_INNER = str.maketrans(dict.fromkeys(QUOTATION_MARKS, "’"))
_MARKUP = re.compile(
    r"[<>{}|\\`~^\ufffd]|://|\bwww\.|@|[\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ue000-\uf8ff]"
)

#: What every page says and no analysis should repeat, and what is aimed at a machine that reads along.
_NOISE = re.compile(
    r"\bcookies?\b|\bjavascript\b|©|\bcopyright\b|\ball rights reserved\b|\balle rechte vorbehalten\b|\bskip to\b|"
    r"\b(?:ignore|disregard|forget)\b.{0,40}\b(?:instructions?|prompts?|rules|above)\b|\bsystem prompt\b|"
    r"\bas an ai\b|\blanguage model\b",
    re.IGNORECASE,
)


def is_fit(text: str) -> bool:
    """Whether a text is worth repeating: plain words, neither markup nor an address, nor what every page says."""
    return any(character.isalpha() for character in text) and not _MARKUP.search(text) and not _NOISE.search(text)


def fitting_sentences(text: str) -> list[str]:
    """The text's whole sentences of four words or more that are worth repeating."""
    return [
        sentence
        for sentence in sentences(text)
        if sentence[-1] in '.!?…”’"' and len(sentence.split()) >= 4 and is_fit(sentence)
    ]


def without_unfit(text: str) -> str:
    """The text, or what is left of it without the sentences that are not worth repeating."""
    return text if is_fit(text) else " ".join(sentence for sentence in sentences(text) if is_fit(sentence))


def sentences_of(texts: Iterable[str]) -> tuple[str, ...]:
    """The fitting sentences of several texts, none twice."""
    return tuple(dict.fromkeys(sentence for text in texts for sentence in fitting_sentences(text)))


def shortened(text: str, most: int = MAX_QUOTE) -> str:
    """The text, or as many of its words as fit and "…"."""
    if len(text) <= most:
        return text
    cut = text[: most - 1]
    return f"{cut[: cut.rfind(' ')] if ' ' in cut else cut}".rstrip(" ,;:–-") + "…"


def quoted(text: str, most: int = MAX_QUOTE) -> str:
    """The text as a quotation; marks around all of it become those of the quotation."""
    if len(text) > 2 and text[0] in QUOTATION_MARKS and text[-1] in QUOTATION_MARKS:
        text = text[1:-1]
    return f"“{shortened(text.translate(_INNER), most)}”"


def listed(texts: Iterable[str], most: int = 100) -> str:
    """Several quotations in a row: `“a”, “b” and “c”`."""
    *head, last = [quoted(text, most) for text in texts]
    return f"{', '.join(head)} and {last}" if head else last
