"""Texts of strangers, made fit to stand inside of a sentence, a markdown line or a prompt.

A topic's title or a page's words may hold markup, links, or characters that turn the direction of writing. Here they
become plain words on one line, so that nothing which is built from them has to think of that again.
"""

from __future__ import annotations

import re
import unicodedata

from jobline_worker.providers.storable import storable

__all__ = ["plain", "plain_list"]

_TAG = re.compile(r"<[^<>]*>?")
_SCRIPT = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|$)", re.IGNORECASE | re.DOTALL)
_MARKDOWN_LINK = re.compile(r"!?\[([^\[\]]*)\](?:\((?:[^()]|\([^()]*\))*\))?")
_ADDRESS = re.compile(r"(?:\b(?:https?|ftp|file|javascript|data|vbscript)\s*:|//|\bwww\.)\S*", re.IGNORECASE)
_MARKS = re.compile(r"[`*~|\\<>\[\]{}]+|(?<!\w)[_#]+|_+(?!\w)")
_SPACE_BEFORE_MARK = re.compile(r"\s+(?=[,.;:!?](?:\s|$))")

#: Joiners are invisible, but some scripts need them.
_JOINERS = "\u200c\u200d"


def plain(value: object, most: int = 300) -> str:
    """The words of a text on one line, at most `most` characters, cut between words; "" for what is no text."""
    if not isinstance(value, str):
        return ""
    text = "".join(map(_visible, storable(value[: 4 * most])))
    text = _TAG.sub(" ", _SCRIPT.sub(" ", text))
    text = _MARKDOWN_LINK.sub(r"\1", text)
    text = _MARKS.sub(" ", _ADDRESS.sub(" ", text))
    text = _SPACE_BEFORE_MARK.sub("", " ".join(text.split())).strip(" -–—•·,;:")
    return text if len(text) <= most else _cut(text, most)


def plain_list(value: object, most: int, longest: int = 120) -> list[str]:
    """At most `most` different plain texts of a list, or of one text that separates them by commas, semicolons or lines."""
    if isinstance(value, str):
        value = re.split(r"[,;\n]", value[: 4 * most * longest])
    if not isinstance(value, list):
        return []
    texts = (plain(each, longest) for each in value[: 4 * most])
    return list({text.casefold(): text for text in texts if text}.values())[:most]


def _visible(character: str) -> str:
    if character in _JOINERS:
        return character
    return " " if unicodedata.category(character) in ("Cc", "Cf", "Cn", "Co", "Zl", "Zp") else character


def _cut(text: str, most: int) -> str:
    head, _, _ = text[:most].rpartition(" ")
    return (head if len(head) > most // 2 else text[: most - 1]).rstrip(" ,;:–-") + "…"
