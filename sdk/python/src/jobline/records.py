"""What a record says: the text that is embedded and searched.

Who loads records decides by it what is worth loading, and the worker what it stores, so the rule is written once.
Lengths are in characters (code points), of the text as it was given. A field counts where its value is a string with
something other than whitespace in it: numbers, lists and objects are data, not text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["CONTENT_KEYS", "MIN_CHARACTERS", "Record", "content_of", "text_of"]

Record = Mapping[str, Any] | str

#: Where an object's text is looked for; the first of these fields that has some counts.
CONTENT_KEYS = (
    "feedback_content",
    "feedback",
    "prompt",
    "content",
    "body",
    "task_content",
    "text",
    "message",
    "instruction",
    "response",
)
#: A shorter text under one of the keys is passed over; a field of another name must be longer.
MIN_CHARACTERS = 10


def text_of(record: Record) -> str | None:
    """What `record` says in its own words, unchanged, or None when it says too little.

    A string says itself, however short, unless it is empty. An object says the first of its CONTENT_KEYS that has text;
    if that is under MIN_CHARACTERS or there is none, the longest of all its texts with more than MIN_CHARACTERS, the
    first of several that are as long. Fields inside other fields do not count.
    """
    if isinstance(record, str):
        return record or None
    named = next(_texts(record.get(key) for key in CONTENT_KEYS), "")
    if len(named) >= MIN_CHARACTERS:
        return named
    longest = max(_texts(record.values()), key=len, default="")
    return longest if len(longest) > MIN_CHARACTERS else None


def content_of(record: Record) -> str:
    """What of `record` is embedded and searched, never empty: its text, else all of it as compact JSON, keys in their
    order."""
    text = text_of(record)
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")) if text is None else text


def _texts(values: Iterable[Any]) -> Iterator[str]:
    return (value for value in values if isinstance(value, str) and value.strip())
