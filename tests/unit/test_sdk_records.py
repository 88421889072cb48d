"""What a record says: which of its fields is its text, and what stands in when it has none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobline.records import CONTENT_KEYS, content_of, text_of

LONG = "The answer was clear and complete."
TEN = "ten chars!"

TEXTS: list[tuple[Any, str | None]] = [
    # a string is its own text
    (LONG, LONG),
    ("x", "x"),
    (" ", " "),
    ("", None),
    # the first key that has text
    ({"feedback": LONG}, LONG),
    ({"response": LONG, "feedback": TEN, "other": "x" * 99}, TEN),
    ({"feedback": "the wrong text", "feedback_content": LONG}, LONG),
    ({"feedback_content": "", "feedback": " \n\t\u2003", "prompt": None, "content": LONG}, LONG),
    ({"feedback": 1234567890123, "prompt": ["a list of things"], "content": {"text": LONG}, "body": LONG}, LONG),
    ({"feedback": True, "text": f"  {TEN}  "}, f"  {TEN}  "),
    ({"Feedback": "x" * 99, "text": LONG}, LONG),
    # it is too short: the longest field with more than ten characters
    ({"feedback": "short", "prompt": LONG}, LONG),
    ({"feedback": "nine char", "note": "eleven char"}, "eleven char"),
    ({"feedback": "short", "note": TEN}, None),
    ({"note": TEN}, None),
    ({"note": "eleven char"}, "eleven char"),
    ({"a": "eleven char", "b": LONG, "c": "eleven CHAR"}, LONG),
    ({"a": "eleven char", "b": "eleven CHAR"}, "eleven char"),
    ({"a": " " * 99, "b": "eleven char"}, "eleven char"),
    # characters are code points
    ({"feedback": "😀" * 10}, "😀" * 10),
    ({"feedback": "😀" * 9}, None),
    ({"note": "é" * 10}, None),
    # nothing that is text
    ({}, None),
    ({"feedback": ""}, None),
    ({"rating": 5, "metadata": {"feedback": LONG}, "tags": [LONG]}, None),
]


@pytest.mark.parametrize("number", range(len(TEXTS)))
def test_the_text_of_a_record(number: int) -> None:
    record, text = TEXTS[number]
    assert text_of(record) == text
    assert content_of(record) == (
        json.dumps(record, ensure_ascii=False, separators=(",", ":")) if text is None else text
    )


def test_without_text_the_content_is_the_record_as_compact_json_with_its_keys_in_order() -> None:
    assert content_of({"z": "ü", "a": [1, 2.5, None], "feedback": ""}) == '{"z":"ü","a":[1,2.5,null],"feedback":""}'
    assert content_of("") == '""'
    assert content_of({"big": 2**64}) == '{"big":18446744073709551616}'


KEYS = st.sampled_from(CONTENT_KEYS) | st.text(max_size=5)
VALUES = st.text(max_size=15) | st.none() | st.booleans() | st.integers() | st.lists(st.text(max_size=12), max_size=2)


@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_the_text_is_one_of_the_fields_and_none_that_deserves_it_more_was_passed_over(record: dict[str, Any]) -> None:
    text = text_of(record)
    full = {key: value for key, value in record.items() if isinstance(value, str) and value.strip()}
    named = [full[key] for key in CONTENT_KEYS if key in full]
    if text is None:
        assert all(len(value) <= 10 for value in full.values())
        assert not named or len(named[0]) < 10
    else:
        assert text in full.values()
        assert len(text) >= 10
        if text != next(iter(named), None):
            assert not named or len(named[0]) < 10
            assert len(text) == max(map(len, full.values())) > 10


@given(st.text() | st.dictionaries(KEYS, VALUES, max_size=6))
def test_the_content_is_never_empty(record: Any) -> None:
    assert content_of(record)
