"""What loading records takes and refuses, as JSON, and what is then sent to the queue service."""

from __future__ import annotations

import json
from traceback import walk_tb
from typing import Any

import grpc
import pytest

from jobline.v1 import ingestion_service_pb2 as pb
from jobline_gateway.problems import Problem
from jobline_gateway.surfaces.ingestion.json_records import read_body
from support.gateway import bearer, gateway_client
from support.ingestion_load import JSON_PATH, MEBIBYTE, MINE, STARTED, WANTED, load
from support.ingestion_rest import LITERALS, RECORD, answer, form, said
from support.queue_peers import Unread, queue_peer, refuse

THEIRS = refuse(grpc.StatusCode.PERMISSION_DENIED, "FORBIDDEN")
NOBODYS = refuse(grpc.StatusCode.NOT_FOUND, "PROJECT_NOT_FOUND")


# ---- JSON -----------------------------------------------------------------------------------------------------------


async def test_records_are_sent_as_they_were_spelled_after_what_is_to_become_of_them() -> None:
    body = (
        b' {"more":[1,{"projectId":"no"}],"type":"FEEDBACK","projectId":"proj/4 56%","filterKeywords":["answer","\xc3\xbc"],'
        b'"generateEmbeddings":false,"url":"https://example.com/export","records":[ {"price": 1.50, "id":123456789012345678}'
        b' , "just text" ,{"nested":{"a":[1e2]}}]} '
    )
    got, messages = await load(body)
    assert answer(got) == STARTED
    first, *rest = messages
    assert len(first.ingest.request_id) == 36
    first.ingest.request_id = ""
    assert first.ingest == pb.Ingest(
        project_id="proj/4 56%",
        type=pb.RECORD_TYPE_FEEDBACK,
        filter_keywords=["answer", "ü"],
        generate_embeddings=False,
        source="https://example.com/export",
    )
    [chunk] = rest
    spelled = '[{"price": 1.50, "id":123456789012345678},"just text",{"nested":{"a":[1e2]}}]'
    assert chunk.records.items_json == spelled


async def test_what_is_optional_may_be_null_or_left_out() -> None:
    nothing = {"type": None, "filterKeywords": None, "generateEmbeddings": None, "url": None}
    for more in ({}, nothing, {"filterKeywords": [], "url": ""}, {"filterKeywords": ["", " "]}):
        got, messages = await load({**WANTED, **more})
        assert answer(got) == STARTED
        sent = messages[0].ingest
        assert (sent.type, sent.generate_embeddings, list(sent.filter_keywords), sent.source) == (1, True, [], "")


async def test_of_a_repeated_member_the_last_counts() -> None:
    got, messages = await load(b'{"projectId":7,"records":"no","records":["a"],"projectId":"proj-456"}')
    assert answer(got) == STARTED
    assert (messages[0].ingest.project_id, messages[1].records.items_json) == ("proj-456", '["a"]')


async def test_many_records_travel_in_chunks_that_are_not_too_large() -> None:
    records = [{"task_id": number, "text": "The ä answer " * 40} for number in range(3_000)]
    got, messages = await load({**WANTED, "records": records})
    assert answer(got) == STARTED
    sent = [message.records.items_json for message in messages[1:]]
    assert len(sent) > 2
    assert all(len(text.encode()) <= 512 * 1024 for text in sent)
    assert [record for text in sent for record in json.loads(text)] == records
    assert not any(message.HasField("ingest") for message in messages[1:])


BAD: list[tuple[dict[str, Any], str]] = [
    ({"records": None}, "records must be an array of objects or strings"),
    ({"records": {}}, "records must be an array of objects or strings"),
    ({"records": "just a text"}, "records must be an array of objects or strings"),
    ({"records": []}, "records must hold at least one record"),
    ({"records": [RECORD, 7]}, "records[1] must be an object or a string"),
    ({"records": ["", None]}, "records[1] must be an object or a string"),
    ({"records": [[RECORD]]}, "records[0] must be an object or a string"),
    ({"records": [True]}, "records[0] must be an object or a string"),
    ({"records": ["x", "x" * 524_285]}, "records[1] must have at most 524286 bytes, it has 524287"),
    ({"type": "task"}, "type must be one of TASK, FEEDBACK"),
    ({"type": 1}, "type must be one of TASK, FEEDBACK"),
    ({"filterKeywords": "answer"}, "filterKeywords must be an array of strings"),
    ({"filterKeywords": ["answer", 7]}, "filterKeywords must be an array of strings"),
    ({"filterKeywords": ["x" * 256]}, "filterKeywords must hold at most 100 strings of at most 255 characters"),
    ({"filterKeywords": ["x"] * 101}, "filterKeywords must hold at most 100 strings of at most 255 characters"),
    ({"filterKeywords": ["\0"]}, "filterKeywords must not contain NUL characters"),
    ({"filterKeywords": "x" * MEBIBYTE}, "filterKeywords is too long"),
    ({"generateEmbeddings": "true"}, "generateEmbeddings must be true or false"),
    ({"generateEmbeddings": 1}, "generateEmbeddings must be true or false"),
    ({"url": 7}, "url must be a string"),
    ({"url": "x" * 2049}, "url must have at most 2048 characters"),
    ({"projectId": 7}, "projectId must be a string of 1 to 255 characters"),
    ({"projectId": "x" * 256}, "projectId must be a string of 1 to 255 characters"),
    ({"projectId": "\0"}, "projectId must be a string of 1 to 255 characters"),
    ({"projectId": ["proj-456"]}, "projectId must be a string of 1 to 255 characters"),
]


@pytest.mark.parametrize("number", range(len(BAD)))
async def test_a_bad_member_is_named(number: int) -> None:
    bad, text = BAD[number]
    got, messages = await load({**WANTED, **bad})
    assert ((got.status_code, got.json()), messages) == (said(text), None)


@pytest.mark.parametrize("value", [None, "", 0, False, []])
async def test_without_a_project_nothing_can_be_loaded(value: Any) -> None:
    for content in ({**WANTED, "projectId": value}, {"records": [RECORD]}):
        got, messages = await load(content)
        assert (answer(got), messages) == (LITERALS["no project id"], None)


NOT_JSON: list[tuple[bytes, str]] = [
    (b"", "Input data was truncated"),
    (b"{", "Input data was truncated"),
    (b"nope", "invalid character (byte 4)"),
    (b"{'projectId':1}", "object keys must be strings (byte 1)"),
    (b'{"records":[1,]}', "trailing comma in array (byte 14)"),
    (b'{"records":[NaN]}', "invalid character (byte 12)"),
    (b'{"records":["\x01"]}', "invalid character (byte 13)"),
    (b'{"records":["\xff"]}', "byte 13 is not UTF-8"),
    (b'{"records":' + b"[" * 100_000, "nested too deeply"),
    (b"[" * 100_000, ""),
    (b'\xef\xbb\xbf{"records":[]}', "invalid character (byte 0)"),
    (b'{"records":[]} {}', "trailing characters (byte 16)"),
]


@pytest.mark.parametrize("number", range(len(NOT_JSON)))
async def test_a_body_that_is_not_json_is_unreadable_and_the_place_is_told(number: int) -> None:
    content, why = NOT_JSON[number]
    got, messages = await load(content)
    text = f"Request body is not valid JSON: {why}" if why else "Request body must be a JSON object"
    assert ((got.status_code, got.json()), messages) == (said(text), None)


@pytest.mark.parametrize("content", [b"[]", b"null", b"1", b'"text"', b"true"])
async def test_json_that_is_no_object_is_told_so(content: bytes) -> None:
    got, _ = await load(content)
    assert (got.status_code, got.json()) == said("Request body must be a JSON object")


async def test_a_number_that_no_double_holds_is_out_of_range_where_it_is_read() -> None:
    got, _ = await load(b'{"projectId":"proj-456","url":1e999,"records":["a"]}')
    assert (got.status_code, got.json()) == said("url is out of range")


async def test_a_million_records_that_say_nothing_are_too_many() -> None:
    got, messages = await load(b'{"projectId":"proj-456","records":[' + b"{}," * 1_000_000 + b"{}]}")
    assert (got.status_code, got.json()) == said("records must hold at most 1000000 records, they are 1000001")
    assert messages is None


def test_what_was_too_much_is_not_kept_by_its_refusal() -> None:
    """An exception keeps the frames that it came through, and they what they held."""
    body = read_body(b'{"records":[' + b"{}," * 1_000_000 + b"{}]}")
    with pytest.raises(Problem) as refusal:
        body.record_list()
    held = [value for frame, _ in walk_tb(refusal.tb) for value in frame.f_locals.values()]
    assert not [value for value in held if isinstance(value, list) and len(value) > 1_000]


async def test_a_record_that_only_the_queue_service_refuses_is_named() -> None:
    no = refuse(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", fields={"records[17].a": "expected no NUL"})
    got, _ = await load(WANTED, StartIngest=no)
    assert (got.status_code, got.json()) == said("records[17].a: expected no NUL")


async def test_16_mebibytes_are_read_and_a_byte_more_is_too_much() -> None:
    body = json.dumps(WANTED).encode().ljust(16 * MEBIBYTE)
    got, messages = await load(body)
    assert (answer(got), len(messages)) == (STARTED, 2)
    got, messages = await load(body + b" ")
    assert (answer(got), messages) == (LITERALS["too large"], None)
    got, _ = await load(WANTED, StartIngest=refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_LARGE"))
    assert answer(got) == LITERALS["too large"]


# ---- the order of the checks ----------------------------------------------------------------------------------------

BAD_RECORDS = {**WANTED, "records": [7]}
BAD_FORMS = [
    form(b"a,b\n1\n"),
    form(None),
    form(type="x"),
    form(generateEmbeddings="yes"),
    form(filterKeywords=",".join("x" * 101)),
]


async def test_another_users_project_is_403_whatever_else_is_wrong_with_a_readable_body() -> None:
    for content in (
        WANTED,
        BAD_RECORDS,
        {**WANTED, "type": 7},
        {**WANTED, "url": "x" * MEBIBYTE},
        {"projectId": "proj-456"},
    ):
        got, _ = await load(content, GetProject=THEIRS, StartIngest=THEIRS)
        assert answer(got) == LITERALS["forbidden"]
    for each in (form(), *BAD_FORMS):
        got, _ = await load(form=each, GetProject=THEIRS, StartIngest=THEIRS)
        assert answer(got) == LITERALS["forbidden"]
    for content in (b"{", {"records": [RECORD]}, {**WANTED, "projectId": 7}):
        got, _ = await load(content, GetProject=THEIRS, StartIngest=THEIRS)
        assert got.status_code == 400


async def test_bad_input_goes_before_a_project_that_does_not_exist() -> None:
    got, _ = await load(BAD_RECORDS, GetProject=NOBODYS, StartIngest=NOBODYS)
    assert (got.status_code, got.json()) == said("records[0] must be an object or a string")
    got, _ = await load(form=form(b"a,b\n1\n"), GetProject=NOBODYS, StartIngest=NOBODYS)
    assert got.status_code == 400
    for got, _ in (await load(WANTED, StartIngest=NOBODYS), await load(form=form(), StartIngest=NOBODYS)):
        assert answer(got) == LITERALS["no project"]


async def test_where_the_right_cannot_be_asked_for_that_is_the_answer() -> None:
    away = refuse(grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
    got, _ = await load(BAD_RECORDS, GetProject=away)
    assert answer(got) == LITERALS["unavailable"]


async def test_an_upload_that_meets_a_standby_is_sent_again_whole_and_under_the_same_id() -> None:
    not_active = refuse(grpc.StatusCode.UNAVAILABLE, "NOT_ACTIVE")
    records = ["The answer was clear. " * 10_000] * 5
    async with (
        queue_peer(**{**MINE, "StartIngest": not_active}) as standby,
        queue_peer(**MINE) as active,
        gateway_client(standby.address, active.address) as gateway,
    ):
        got = await gateway.post(JSON_PATH, json={**WANTED, "records": records}, headers=bearer())
        assert answer(got) == STARTED
        [first], [second] = (
            [call.messages for call in peer.received if call.method == "StartIngest"] for peer in (standby, active)
        )
        assert first == second
        assert len(first) == 6


async def test_an_upload_that_breaks_off_is_sent_again_elsewhere_and_without_anywhere_is_503() -> None:
    breaks = Unread(refuse(grpc.StatusCode.UNAVAILABLE))
    body = {**WANTED, "records": ["The answer was clear. " * 10_000] * 30}
    async with queue_peer(**{**MINE, "StartIngest": breaks}) as broken, queue_peer(**MINE) as whole:
        async with gateway_client(broken.address) as gateway:
            assert answer(await gateway.post(JSON_PATH, json=body, headers=bearer())) == LITERALS["unavailable"]
        async with gateway_client(broken.address, whole.address) as gateway:
            assert answer(await gateway.post(JSON_PATH, json=body, headers=bearer())) == STARTED
        assert whole.calls("StartIngest") == 1
