"""Puts what is known into the writer's sentences, in the tone that is wanted."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

from jobline_worker.pipelines.content.generation.brief import Brief
from jobline_worker.pipelines.content.generation.embedded.topic import Topic, is_readable, lower_first, upper_first

__all__ = ["Wording", "audience_phrase", "enumeration", "sentence"]

_CONTRACTIONS = {
    "do not": "don't",
    "does not": "doesn't",
    "is not": "isn't",
    "are not": "aren't",
    "cannot": "can't",
    "will not": "won't",
    "it is": "it's",
    "that is": "that's",
    "there is": "there's",
    "you will": "you'll",
    "you are": "you're",
}
_CONTRACTED = re.compile(rf"\b(?:{'|'.join(_CONTRACTIONS)})\b(?=\s+(?!not\b)[a-z])", re.IGNORECASE)
#: What an analysis says where a page names nobody, and what it adds behind those whom it names.
_NO_PEOPLE = re.compile(r"(?:the page|not named|it is|whoever|for|in)\b", re.IGNORECASE)
_END = re.compile(r"[.!?…][”\"')]*$")
_MOST_AUDIENCE_WORDS = 8


class Wording:
    """Fills sentences for one brief. Slots: subject, thing, audience, name, help; with a capital where they begin one."""

    def __init__(self, brief: Brief, topic: Topic, help_words: str, *, is_casual: bool) -> None:
        slots = {
            "subject": topic.subject,
            "thing": topic.thing,
            "audience": audience_phrase(brief) or "everybody who has to do with it",
            "name": brief.business_name or brief.host,
            "help": help_words,
        }
        self._slots = {**slots, **{upper_first(name): upper_first(value) for name, value in slots.items()}}
        self._is_casual = is_casual
        self._seed = zlib.crc32(f"{brief.title}\n{brief.business_name}".encode())

    def __call__(self, template: str) -> str:
        """The sentence with its slots filled; what is filled in is never changed."""
        if self._is_casual:
            template = _CONTRACTED.sub(_contracted, template)
        return template.format_map(self._slots)

    def one_of(self, ways: Sequence[str]) -> str:
        """One of several ways to say the same, always the same for the same brief."""
        return self(ways[self._seed % len(ways)])


def audience_phrase(brief: Brief) -> str:
    """The audience as words inside of a sentence: its first two groups, if they are short; "" if it has none."""
    said = re.split(r",\s(?:for|in)\s", brief.audience.split(":")[-1])[0]
    groups = [group.strip(" .") for group in re.split(r"[;,/]", re.sub(r"[“”\"()]", "", said))]
    fitting = [
        group for group in groups if 0 < len(group.split()) <= _MOST_AUDIENCE_WORDS and not _NO_PEOPLE.match(group)
    ]
    if is_readable(brief.title):
        fitting = [lower_first(group) for group in fitting]
    return enumeration(fitting[:2])


def enumeration(items: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"; semicolons where an item has a comma."""
    if len(items) < 2:
        return "".join(items)
    comma = "; " if any("," in item for item in items) else ", "
    return f"{comma.join(items[:-1])} and {items[-1]}"


def sentence(text: str) -> str:
    """The text with an end."""
    return text if _END.search(text) else f"{text}."


def _contracted(found: re.Match[str]) -> str:
    short = _CONTRACTIONS[found.group().lower()]
    return upper_first(short) if found.group()[0].isupper() else short
