"""JSON from outside: whatever passes the check, PostgreSQL takes; whatever PostgreSQL refuses, the check refuses first."""

import json

import pytest

from jobline_queue.core.errors import InvalidField, TooLarge
from jobline_queue.core.json_text import MAX_BYTES, check_json, check_text, content_hash


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize(
    "text",
    [
        "null",
        ' {"a": [1, -2.5, 1e2, true, "\\u00e9\\ud83d\\ude00"]}\n',
        deep(64),
        str(2**63 - 1),
        str(-(2**63)),
        "1.7976931348623157e308",
        "5e-324",
        "0e0",
        '"\\\\u0000"',
        '"\\\\ud800"',
        json.dumps("x" * (MAX_BYTES - 2)),
        # Wide, not deep; and what stands in strings is neither a bracket nor a number.
        "[" + "[[]]," * 100 + deep(63) + "]",
        json.dumps(["[" * 70 + '"{\\' * 70, "3e999", "\\", "é\n", "12345678901234567890"]),
        json.dumps([{"id": "018f3e5c-0e10-7000", "tags": ["a"], "n": -1.5, "x": {}}] * 100),
    ],
)
def test_values_that_a_database_can_keep_are_taken(text: str):
    assert check_json("payload_json", text) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "nul",
        "'a'",
        "{} {}",
        "NaN",
        "[Infinity]",
        "-Infinity",
        '"\\u0000"',
        '{"\\u0000": 1}',
        '"a\0b"',
        '"\\ud800"',
        '["\\udc00\\ud800"]',
        '{"\\udfff": 1}',
        # Of a key that comes again a parser keeps the last value, but a database reads them all.
        '{"a": "\\u0000", "a": 1}',
        '{"a": {"\\ud800": 1}, "a": 1}',
        '{"a": ' + deep(64) + ', "a": 1}',
        deep(65),
        deep(100_000),
        "[" + "[[]]," * 100 + deep(64) + "]",
        '["[", "\\\\", ' + deep(64) + "]",
        json.dumps([{"a": []}] * 100)[:-1] + ', "\\u0000"]',
        json.dumps([{"a": []}] * 100)[:-1] + ", 1e999]",
        json.dumps([{"a": []}] * 100)[:-1] + f", {2**63}]",
        str(2**63),
        str(-(2**63) - 1),
        "9" * 5000,
        "1e309",
        "-1e999",
        "[1E+400]",
        "1" * 310 + ".5",
        "1e-20000",
        "0e-20000",
        "0e99999999999",
        "0." + "0" * 17_000 + "1",
        "1e" + "9" * 5000,
    ],
)
def test_what_a_database_cannot_keep_is_refused_by_name(text: str):
    with pytest.raises(InvalidField) as refusal:
        check_json("jobs[3].payload_json", text)
    (problem,) = refusal.value.problems
    assert problem.field == "jobs[3].payload_json"
    assert problem.expected.startswith("expected")


@pytest.mark.parametrize(
    "text",
    [
        json.dumps("x" * MAX_BYTES),
        json.dumps("é" * (MAX_BYTES // 2), ensure_ascii=False),
        # A double of five characters is one of 309 digits once jsonb has written it out.
        "[" + ",".join(["1e308"] * 10_000) + "]",
    ],
)
def test_text_beyond_the_cap_is_too_large(text: str):
    with pytest.raises(TooLarge, match="payload_json"):
        check_json("payload_json", text)


def test_contents_that_differ_in_spelling_only_have_one_hash():
    one = content_hash("queue", json.loads('{"b": [1, 2], "a": "\\u00e9"}'))
    assert one == content_hash("queue", json.loads('{ "a":"é","b":[1,2] }'))
    assert one != content_hash("queue", json.loads('{"b": [2, 1], "a": "é"}'))


@pytest.mark.parametrize("text", ["", "ab\0", "a" * 11, "\ud800"])
def test_plain_texts_have_a_length_and_neither_nul_nor_lone_surrogates(text: str):
    with pytest.raises(InvalidField, match="owner"):
        check_text("owner", text, 10, 1)


def test_lengths_count_code_points():
    assert check_text("owner", "😀" * 10, 10) == "😀" * 10
