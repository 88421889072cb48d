"""The checks of the e-mail surface: their order, their words, and that no body gets past them by surprise."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobline_gateway.problems import Problem
from jobline_gateway.surfaces.email.schemas import EmailBatch
from jobline_gateway.surfaces.email.validation import parse_batch, parse_displayed, require_uuid

TEMPLATE = "Hey {{name}}, I loved your work!"
GOOD: dict[str, Any] = {"recipient_name": "Dr. Jane Smith", "recipient_interest": "machine learning"}
NAME_TOO_SHORT = {
    "loc": ["body", "items", 0, "recipient_name"],
    "msg": "String should have at least 2 characters",
    "type": "string_too_short",
}


def refused(body: Any) -> tuple[int, Any]:
    """Status and `detail` of the refusal of a body, which may be bytes already."""
    with pytest.raises(Problem) as caught:
        parse_batch(body if isinstance(body, bytes) else json.dumps(body).encode())
    problem = caught.value
    return problem.status, problem.content["detail"] if problem.content else problem.text


def batch(*items: Any, template: Any = TEMPLATE) -> dict[str, Any]:
    return {"items": list(items), "email_template": template}


def item(**changes: Any) -> dict[str, Any]:
    return {**GOOD, **changes}


def one(loc: list[str | int], kind: str) -> tuple[int, list[tuple[list[str | int], str]]]:
    return 422, [(loc, kind)]


def fields(body: Any) -> tuple[int, list[tuple[list[str | int], str]]]:
    status, detail = refused(body)
    assert all(error["msg"] for error in detail)
    return status, [(error["loc"], error["type"]) for error in detail]


def test_the_example_of_the_specification_passes_and_keeps_its_values() -> None:
    body = batch(item(), item(recipient_name="  padded  ", extra=1))
    parsed = parse_batch(json.dumps(body | {"unknown": None}).encode())
    assert [entry.recipient_name for entry in parsed.items] == ["Dr. Jane Smith", "  padded  "]
    assert parsed.email_template == TEMPLATE


@pytest.mark.parametrize(
    ("body", "loc", "kind"),
    [
        (b"", ["body"], "missing"),
        (b"{", ["body"], "json_invalid"),
        (b"\xff\xfe", ["body"], "json_invalid"),
        (b'{"items": NaN}', ["body"], "json_invalid"),
        (b'{"items": [], "x": -Infinity}', ["body"], "json_invalid"),
        (b"[" * 200_000, ["body"], "json_invalid"),
        (b'{"a":' * 100_000, ["body"], "json_invalid"),
        (b'{"items":' + b"9" * 5000 + b"}", ["body"], "json_invalid"),
        (b"[]", ["body"], "dict_type"),
        (b"null", ["body"], "dict_type"),
        (b'"items"', ["body"], "dict_type"),
        ({}, ["body", "items"], "missing"),
        ({"email_template": 7}, ["body", "items"], "missing"),
        ({"items": None}, ["body", "items"], "list_type"),
        ({"items": {}}, ["body", "items"], "list_type"),
        ({"items": "ab"}, ["body", "items"], "list_type"),
    ],
)
def test_check_2_asks_for_an_object_with_a_list_of_items(body: Any, loc: list[str | int], kind: str) -> None:
    assert fields(body) == one(loc, kind)


def test_a_missing_list_is_answered_literally() -> None:
    assert refused({}) == (422, [{"loc": ["body", "items"], "msg": "Field required", "type": "missing"}])


@pytest.mark.parametrize(
    ("count", "detail"),
    [(0, "Batch must contain at least 1 item"), (101, "Maximum 100 items per batch")],
)
def test_checks_3_and_4_are_about_the_size_and_go_before_every_field(count: int, detail: str) -> None:
    assert refused({"items": [{"recipient_name": 1}] * count, "email_template": "x"}) == (400, detail)


def test_a_hundred_items_are_allowed() -> None:
    assert len(parse_batch(json.dumps(batch(*[item()] * 100)).encode()).items) == 100


def test_a_length_is_answered_literally() -> None:
    assert refused(batch(item(recipient_name="x"))) == (422, [NAME_TOO_SHORT])


@pytest.mark.parametrize(
    ("body", "loc", "kind"),
    [
        (batch(7), ["body", "items", 0], "dict_type"),
        (batch(item(), None), ["body", "items", 1], "dict_type"),
        (batch({"recipient_interest": "ab"}), ["body", "items", 0, "recipient_name"], "missing"),
        (batch({"recipient_name": "ab"}), ["body", "items", 0, "recipient_interest"], "missing"),
        (batch(item(recipient_name=None)), ["body", "items", 0, "recipient_name"], "string_type"),
        (batch(item(recipient_name=12)), ["body", "items", 0, "recipient_name"], "string_type"),
        (batch(item(recipient_name="x" * 256)), ["body", "items", 0, "recipient_name"], "string_too_long"),
        (batch(item(recipient_interest="x")), ["body", "items", 0, "recipient_interest"], "string_too_short"),
        (batch(item(recipient_interest="x" * 501)), ["body", "items", 0, "recipient_interest"], "string_too_long"),
        ({"items": [GOOD]}, ["body", "email_template"], "missing"),
        (batch(GOOD, template=["x"]), ["body", "email_template"], "string_type"),
        (batch(GOOD, template="{{name}}x"), ["body", "email_template"], "string_too_short"),
        (batch(GOOD, template="{{name}}" + "x" * 4993), ["body", "email_template"], "string_too_long"),
        (batch(item(recipient_name="a\0b")), ["body", "items", 0, "recipient_name"], "string_nul"),
        (batch(item(recipient_name="ab\ud800")), ["body", "items", 0, "recipient_name"], "string_unicode"),
        (batch(GOOD, template=TEMPLATE + "\udfff"), ["body", "email_template"], "string_unicode"),
    ],
)
def test_check_5_names_the_field(body: Any, loc: list[str | int], kind: str) -> None:
    assert fields(body) == one(loc, kind)


def test_check_5_lists_every_offending_field_of_the_whole_batch() -> None:
    body = batch(item(recipient_name="x"), item(), {"recipient_name": "ab"}, template="short")
    assert fields(body) == (
        422,
        [
            (["body", "items", 0, "recipient_name"], "string_too_short"),
            (["body", "items", 2, "recipient_interest"], "missing"),
            (["body", "email_template"], "string_too_short"),
        ],
    )


@pytest.mark.parametrize(
    "entry",
    [item(recipient_name="😀😀"), item(recipient_name="😀" * 255), item(recipient_interest="é" * 500), item()],
)
def test_lengths_count_code_points(entry: dict[str, Any]) -> None:
    assert parse_batch(json.dumps(batch(entry, template="{{n}}" + "😀" * 4995)).encode()).items


def test_lengths_are_measured_before_trimming() -> None:
    assert parse_batch(json.dumps(batch(item(recipient_name=" x"))).encode()).items[0].recipient_name == " x"


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (batch(item(recipient_name="  ")), "items[0].recipient_name"),
        (batch(item(), item(recipient_interest="\t\n ")), "items[1].recipient_interest"),
        (batch(item(recipient_interest="  "), item(recipient_name="  ")), "items[0].recipient_interest"),
        (batch(GOOD, template=" " * 10), "email_template"),
    ],
)
def test_check_6_refuses_what_is_blank(body: Any, name: str) -> None:
    assert refused(body) == (400, f"{name} must not be blank")


def test_structure_anywhere_goes_before_blankness_anywhere() -> None:
    assert refused(batch(item(recipient_name="  "), item(recipient_name="x")))[0] == 422


@pytest.mark.parametrize(
    "template", ["Dear professor", "{{}} nothing", "{ {name} } {x}", "{{name} } only", "}}name{{ x"]
)
def test_check_7_asks_for_a_placeholder(template: str) -> None:
    assert refused(batch(GOOD, template=template)) == (
        400,
        "email_template must contain at least one {{placeholder}}",
    )


def test_a_blank_field_goes_before_a_missing_placeholder() -> None:
    assert refused(batch(item(recipient_name="  "), template="no placeholder"))[1].endswith("must not be blank")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
TEXT = st.text(alphabet=st.characters(), max_size=12) | JSON
NEARLY_GOOD = st.fixed_dictionaries(
    {},
    optional={
        "items": JSON
        | st.lists(
            st.fixed_dictionaries({}, optional={"recipient_name": TEXT, "recipient_interest": TEXT, "more": JSON})
            | JSON,
            max_size=4,
        ),
        "email_template": TEXT | st.just(TEMPLATE),
    },
)


@given(JSON.map(json.dumps).map(str.encode) | NEARLY_GOOD.map(json.dumps).map(str.encode) | st.binary())
@example(b"\xef\xbb\xbf{}")
def test_every_body_is_either_a_batch_within_bounds_or_a_400_or_422(body: bytes) -> None:
    parsed, problem = outcome(body)
    if problem is not None:
        assert problem.status in (400, 422)
        assert json.dumps(problem.content or problem.text).encode()
    if parsed is not None:
        assert 1 <= len(parsed.items) <= 100
        assert all(2 <= len(entry.recipient_name.encode().decode()) <= 255 for entry in parsed.items)


def outcome(body: bytes) -> tuple[EmailBatch | None, Problem | None]:
    try:
        return parse_batch(body), None
    except Problem as problem:
        return None, problem


@pytest.mark.parametrize("value", [True, False])
def test_displayed_is_taken_when_it_is_a_boolean(value: bool) -> None:
    assert parse_displayed(json.dumps({"displayed": value, "more": 1}).encode()) is value


@pytest.mark.parametrize(
    ("body", "loc", "kind"),
    [
        (b"{}", ["body", "displayed"], "missing"),
        (b'{"displayed": null}', ["body", "displayed"], "bool_type"),
        (b'{"displayed": 0}', ["body", "displayed"], "bool_type"),
        (b'{"displayed": "false"}', ["body", "displayed"], "bool_type"),
        (b"[false]", ["body"], "dict_type"),
        (b"", ["body"], "missing"),
    ],
)
def test_displayed_that_is_missing_or_no_boolean_is_422(body: bytes, loc: list[str], kind: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_displayed(body)
    assert caught.value.content is not None
    [error] = caught.value.content["detail"]
    assert (caught.value.status, error["loc"], error["type"]) == (422, loc, kind)


def test_a_uuid_may_be_in_either_case() -> None:
    assert require_uuid("550E8400-e29b-41d4-A716-446655440000", "email") == "550e8400-e29b-41d4-a716-446655440000"


@pytest.mark.parametrize(
    "value",
    [
        "42",
        "",
        "550e8400e29b41d4a716446655440000",
        "{550e8400-e29b-41d4-a716-446655440000}",
        "urn:uuid:550e8400-e29b-41d4-a716-446655440000",
        "550e8400-e29b-41d4-a716-44665544000",
        "550e8400-e29b-41d4-a716-446655440000\n",
        "550e8400-e29b-41d4-a716-44665544000g",
        "٥50e8400-e29b-41d4-a716-446655440000",
    ],
)
def test_anything_else_is_no_uuid(value: str) -> None:
    with pytest.raises(Problem) as caught:
        require_uuid(value, "queue item")
    assert (caught.value.status, caught.value.text) == (400, f"Invalid queue item ID format: {value}")
