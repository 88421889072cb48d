"""The check of JSON text and PostgreSQL agree: what passes the one is stored by the other, with its value kept (F12)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from jobline_queue.core.errors import JoblineError
from jobline_queue.core.json_text import check_json
from support.stack import EmbeddedPair

Connection = psycopg.Connection[tuple[Any, ...]]
_PER_TEST = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

GOOD_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
GOOD_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | GOOD_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(GOOD_TEXT, inner, max_size=4),
    max_leaves=20,
)
ANY_VALUES = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters()), inner, max_size=4),
    max_leaves=20,
)
NUMBERS = st.from_regex(r"-?(0|[1-9]\d{0,30})(\.\d{1,30})?([eE][+-]?\d{1,6})?", fullmatch=True)


@pytest.fixture(scope="module")
def connection(embedded: EmbeddedPair) -> Iterator[Connection]:
    with psycopg.connect(embedded.postgres.url, autocommit=True) as opened:
        yield opened


def passes(text: str) -> bool:
    try:
        check_json("payload_json", text)
    except JoblineError:
        return False
    return True


def read(text: str) -> Any:
    """The value of JSON text, its numbers as doubles: jsonb may write 1e16 as an integer."""
    return json.loads(text, parse_int=float)


def stored(connection: Connection, text: str) -> Any:
    row = connection.execute("SELECT CAST(CAST(%s AS jsonb) AS text)", (text,)).fetchone()
    assert row is not None
    return read(row[0])


@_PER_TEST
@given(GOOD_VALUES, st.booleans())
def test_whatever_a_database_can_keep_passes_and_comes_back_as_it_was(
    connection: Connection, value: Any, ascii_only: bool
):
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert passes(text)
    assert stored(connection, text) == read(text)


@_PER_TEST
@given(ANY_VALUES, st.booleans())
@example("\0", True)
@example("\ud800", True)
@example([2**63, float("nan")], True)
def test_whatever_passes_is_stored(connection: Connection, value: Any, ascii_only: bool):
    text = json.dumps(value, ensure_ascii=ascii_only)
    if passes(text):
        stored(connection, text)


@_PER_TEST
@given(NUMBERS)
@example("1e-20000")
@example("0e-17000")
@example("0e999999")
@example("1e99999")
@example("123456789012345678901234567890e-99")
def test_a_number_that_passes_is_stored_however_it_is_written(connection: Connection, number: str):
    text = f'{{"n": [{number}]}}'
    if passes(text):
        assert float(stored(connection, text)["n"][0]) == float(number)


@_PER_TEST
@example('{"a": "\\u0000", "a": 1}')
@given(st.text(st.sampled_from('{}[],:"\\u0dD8aeE+-.19 \n'), max_size=40))
def test_broken_text_never_passes_what_a_database_refuses(connection: Connection, text: str):
    if passes(text):
        stored(connection, text)
