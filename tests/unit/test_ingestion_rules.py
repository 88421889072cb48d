"""What is read out of a record: the spec's table and examples, and what hostile exports hold."""

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobline_worker.pipelines.ingestion.rules import Authorship, Keywords, authorship_of, category_of, ids_of

TOP, BOTTOM, NEITHER = "TOP_10", "BOTTOM_10", ""

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["task_id", "id", "rating", "score", "metadata", "created_at", "created_by_name", "label", "x"])
RECORDS = st.dictionaries(KEYS, JSON, max_size=6) | st.text()


@pytest.mark.parametrize(
    ("rating", "category"),
    [
        ("Top 10", TOP),
        ("TOP_10%", TOP),
        ("top", TOP),
        ("Selected", TOP),
        ("not selected", TOP),
        ("this one is Better", TOP),
        ("Bottom 10", BOTTOM),
        ("bottom", BOTTOM),
        ("REJECTED", BOTTOM),
        ("Worse than the other", BOTTOM),
        ("from bottom to top", TOP),
        ("average", NEITHER),
        (4, TOP),
        (5.0, TOP),
        (1e300, TOP),
        (3.999, NEITHER),
        (2.001, NEITHER),
        (2, BOTTOM),
        (1.001, BOTTOM),
        (1, TOP),
        (0.801, TOP),
        (0.8, NEITHER),
        (0.5, NEITHER),
        (0.2, NEITHER),
        (0.199, BOTTOM),
        (0, BOTTOM),
        (-7, BOTTOM),
        ("4", TOP),
        (" 4.5 ", TOP),
        ("+4", TOP),
        ("1e1", TOP),
        (".9", TOP),
        ("0.8", NEITHER),
        ("3", NEITHER),
        ("2.", BOTTOM),
        ("-1", BOTTOM),
        ("4/5", NEITHER),
        ("4 stars", NEITHER),
        ("1_0", NEITHER),
        ("0x10", NEITHER),
        ("inf", NEITHER),
        ("NaN", NEITHER),
        ("٥", NEITHER),
        ("1e999", TOP),
        (True, NEITHER),
        (False, NEITHER),
        ([5], NEITHER),
        ({"value": 5}, NEITHER),
    ],
)
def test_a_rating_makes_a_category(rating: Any, category: str):
    assert category_of({"rating": rating}) == category


def test_the_first_rating_that_is_there_counts_whatever_it_says():
    keys = (
        "prompt_quality_rating",
        "feedback_quality_rating",
        "quality_rating",
        "rating",
        "category",
        "label",
        "score",
    )
    for number, key in enumerate(keys):
        record = {"avg_score": 5, key: "average", **dict.fromkeys(keys[number + 1 :], "top 10")}
        assert category_of(record) == NEITHER, key
    assert category_of({"avg_score": 5}) == TOP
    assert category_of({"prompt_quality_rating": None, "rating": "", "category": "  ", "label": "worse"}) == BOTTOM
    assert category_of({"rating": False, "label": "top"}) == NEITHER


@pytest.mark.parametrize("record", ["top 10", {}, {"Rating": 5}, {"metadata": {"rating": 5}}])
def test_without_a_rating_of_its_own_a_record_has_no_category(record: Any):
    assert category_of(record) == NEITHER


@settings(deadline=None)
@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_make_the_categories_of_the_table_also_as_text(number: float):
    if number >= 4 or 0.8 < number <= 1:
        expected = TOP
    elif number < 0.2 or 1 < number <= 2:
        expected = BOTTOM
    else:
        expected = NEITHER
    assert category_of({"score": number}) == category_of({"score": repr(number)}) == expected


@pytest.mark.parametrize(
    ("record", "ids"),
    [
        ({"task_id": "t-1"}, ("t-1",)),
        ({"id": 7}, ("7",)),
        ({"id": 7.0}, ("7",)),
        ({"id": 7.5}, ("7.5",)),
        ({"id": 0}, ("0",)),
        ({"id": -(2**63)}, ("-9223372036854775808",)),
        ({"record_id": "r", "uuid": "u", "id": "i", "task_id": "t"}, ("t", "i", "u", "r")),
        ({"task_id": "", "id": None, "uuid": "  ", "record_id": "r"}, ("r",)),
        ({"id": "i", "metadata": {"task_id": "t", "id": "i"}}, ("i", "t")),
        ({"id": "", "metadata": {"uuid": 5}}, ("5",)),
        ({"task_id": "5", "id": 5}, ("5",)),
        ({"id": " 5"}, (" 5",)),
        ({"id": True, "uuid": [1], "record_id": {"id": 1}}, ()),
        ({"metadata": '{"id": 1}'}, ()),
        ({"metadata": [{"id": 1}]}, ()),
        ({"ID": "x", "meta": {"id": "y"}}, ()),
        ("id", ()),
    ],
)
def test_a_record_carries_ids(record: Any, ids: tuple[str, ...]):
    assert ids_of(record) == ids


@settings(deadline=None)
@given(number=st.integers(-(2**63), 2**63 - 1))
def test_a_whole_number_is_the_same_id_as_its_digits(number: int):
    assert ids_of({"id": number}) == ids_of({"id": str(number)}) == (str(number),)


@pytest.mark.parametrize(
    ("words", "content", "admitted"),
    [
        ([], "anything", True),
        ([], "", True),
        (["", "  "], "anything", True),
        (["answer"], "The Answer was clear", True),
        (["ANSWER"], "unanswered", True),
        (["answer", "question"], "no questions", True),
        (["answer"], "nothing of the kind", False),
        (["clear answer"], "a clear  answer", False),
        (["straße"], "STRASSE", True),
        (["ÄRGER"], "viel ärger", True),
        (["ОТВЕТ"], "ясный ответ", True),
        ([".*"], "anything", False),
    ],
)
def test_keywords_admit_what_has_one_of_them_in_whatever_case(words: list[str], content: str, admitted: bool):
    assert Keywords(words).admit(content) is admitted


@settings(deadline=None)
@given(before=st.text(), word=st.text(min_size=1), after=st.text())
def test_a_keyword_is_found_wherever_it_stands(before: str, word: str, after: str):
    assert Keywords([word]).admit(before + word + after)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-02-06T10:00:00Z", datetime(2026, 2, 6, 10, tzinfo=UTC)),
        ("2026-02-06t10:00:00.123456+02:00", datetime(2026, 2, 6, 8, 0, 0, 123456, tzinfo=UTC)),
        ("2026-02-06 10:00", datetime(2026, 2, 6, 10, tzinfo=UTC)),
        (" 2026-02-06 ", datetime(2026, 2, 6, tzinfo=UTC)),
        ("2026-02-30", None),
        ("06.02.2026", None),
        ("yesterday", None),
        ("", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("9999-12-31T23:59:59Z", None),
        ("0001-01-01", datetime(1, 1, 1, tzinfo=UTC)),
        ("99999-01-01", None),
        ("2026-02-06T10:00:00 or so", None),
        ("9" * 30, None),
        (1_770_372_000, None),
        (True, None),
        (None, None),
        (["2026-02-06"], None),
    ],
)
def test_a_date_is_read_or_left_out(text: Any, moment: datetime | None):
    found = authorship_of({"created_at": text, "updated_at": text})
    assert (found.created_at, found.updated_at) == (moment, moment)


def test_who_made_a_record_stands_in_three_fields():
    record = {"created_by_id": 17, "created_by_name": "Ada", "created_by_email": "ada@example.com"}
    assert authorship_of(record) == Authorship("17", "Ada", "ada@example.com")
    assert authorship_of({"created_by_id": {}, "created_by_name": None, "created_by_email": " "}) == Authorship()
    assert authorship_of("Ada") == Authorship()


@settings(deadline=None)
@given(record=RECORDS)
def test_no_record_makes_a_rule_fail(record: Any):
    assert category_of(record) in (TOP, BOTTOM, NEITHER)
    ids = ids_of(record)
    assert len(set(ids)) == len(ids)
    assert all(ids)
    found = authorship_of(record)
    for moment in (found.created_at, found.updated_at):
        assert moment is None or moment.tzinfo is UTC


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_what_is_no_number_of_json_is_no_id(number: float):
    assert ids_of({"id": number}) == ()
