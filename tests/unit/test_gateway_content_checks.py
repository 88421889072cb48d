"""What the jobs API takes and refuses when a job is created or a list is asked for, and what it then asks for."""

from __future__ import annotations

import json
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.message import Message

from jobline.v1 import content_service_pb2 as pb
from support.gateway import bearer, gateway_client
from support.jobs_rest import BASE, GENERATION, JOB_ID, LITERALS, body
from support.queue_peers import Answer, queue_peer, refuse

WEBSITE = f"{BASE}/website-analysis"
CONTENT = f"{BASE}/content-generation"
SESSION = {"x-session-id": "s-1"}


async def post(path: str, content: Any, **answers: Answer | Message) -> tuple[httpx.Response, Any]:
    """The answer, and the request to the queue service, None when there was none."""
    made = {
        "CreateWebsiteAnalysis": pb.CreateWebsiteAnalysisResponse(id=JOB_ID),
        "CreateContentGeneration": pb.CreateContentGenerationResponse(id=JOB_ID),
    }
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    async with queue_peer(**{**made, **answers}) as peer, gateway_client(peer.address) as gateway:
        got = await gateway.post(path, content=text, headers=bearer())
        calls = [call.request for call in peer.received if call.method != "EnsureCaller"]
        return got, calls[-1] if calls else None


def answer(got: httpx.Response) -> tuple[int, str]:
    return got.status_code, got.text


NOT_JSON = [
    b"",
    b"{",
    b"nope",
    b"{'url':1}",
    b'{"url":NaN}',
    b'{"url":-Infinity}',
    b'{"n":' + b"9" * 5000 + b"}",
    b'{"url":"\xff"}',
    b"[" * 100_000,
    b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    b'\xef\xbb\xbf{"url":"https://example.com"}',
    b'{"url":"https://example.com"} {}',
]


@pytest.mark.parametrize("path", [WEBSITE, CONTENT])
@pytest.mark.parametrize("number", range(len(NOT_JSON)))
async def test_a_body_that_is_not_json_is_unreadable(path: str, number: int) -> None:
    got, request = await post(path, NOT_JSON[number])
    assert (answer(got), request) == (LITERALS["not json"], None)


@pytest.mark.parametrize("content", [b"[]", b"null", b"1", b'"https://example.com"', b"1e999", b"true"])
async def test_json_that_is_no_object_lacks_every_field(content: bytes) -> None:
    for path, literal in ((WEBSITE, "no url"), (CONTENT, "missing")):
        got, request = await post(path, content)
        assert (answer(got), request) == (LITERALS[literal], None)


# ---- website-analysis -----------------------------------------------------------------------------------------------

GOOD_URLS = [
    "https://example.com",
    "HTTP://EXAMPLE.com:8080/a?b=c#d",
    "http://localhost",
    "http://[::1]:80/",
    "https://bücher.example/straße",
    "https://example.com/" + "é" * 2028,
]
BAD_URLS: list[Any] = [
    None,
    "",
    " ",
    7,
    True,
    ["https://example.com"],
    {"href": "https://example.com"},
    "example.com",
    "//example.com",
    "ftp://example.com",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "mailto:a@example.com",
    "https://",
    "https:///path",
    "https://?q",
    "http:example.com",
    "https://:443",
    "https://.",
    "https://example.com:port",
    "https://example.com:0",
    "https://example.com:99999",
    "https://[::1",
    "https://exa mple.com",
    " https://example.com",
    "https://example.com\n",
    "https://example.com/a\tb",
    "https:\\\\example.com",
    "https://example.com/\0",
    "https://example.com/\ud800",
    "https://example.com/" + "x" * 2029,
]


@pytest.mark.parametrize("number", range(len(GOOD_URLS)))
async def test_an_analysis_is_asked_for_with_the_address_as_it_came(number: int) -> None:
    url = GOOD_URLS[number]
    got, request = await post(WEBSITE, {"url": url, "more": 1})
    assert answer(got) == (201, f'{{"jobId":"{JOB_ID}"}}')
    assert request.url == url
    assert len(request.request_id) == 36
    assert request.owner == ""


@pytest.mark.parametrize("number", range(len(BAD_URLS)))
async def test_what_is_no_web_address_is_refused_at_creation(number: int) -> None:
    got, request = await post(WEBSITE, {"url": BAD_URLS[number]})
    assert (answer(got), request) == (LITERALS["no url"], None)


async def test_of_a_repeated_key_the_last_value_counts_and_a_missing_url_is_as_bad_as_none() -> None:
    got, _ = await post(WEBSITE, b'{"url":"https://example.com","url":null}')
    assert answer(got) == LITERALS["no url"]
    got, request = await post(WEBSITE, b'{"url":7,"url":"https://example.com"}')
    assert (got.status_code, request.url) == (201, "https://example.com")
    assert answer((await post(WEBSITE, {}))[0]) == LITERALS["no url"]


async def test_an_address_that_only_the_queue_service_refuses_is_refused_in_the_same_words() -> None:
    no = refuse(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", fields={"url": "expected a shorter one"})
    got, _ = await post(WEBSITE, {"url": "https://example.com"}, CreateWebsiteAnalysis=no)
    assert answer(got) == LITERALS["no url"]


# ---- content-generation ---------------------------------------------------------------------------------------------


async def test_a_text_is_asked_for_with_what_is_known_of_it_and_further_keys_are_kept_where_they_may_be() -> None:
    wanted = {
        "topic": {"title": "Ä ", "keywords": ["a", None, {"b": 1.5}], "none": None},
        "businessInfo": {"targetAudience": "x", "businessType": "y", "brandVoice": "kind", "big": 2**63 - 1},
        "organizationId": " ",
        "additionalInstructions": "",
        "options": {"includeVisuals": False, "status": "x" * 50},
    }
    more = {"owner": "someone", "sessionId": "s", "options": {**wanted["options"], "x": 1}}
    got, request = await post(CONTENT, {**wanted, **more})
    assert answer(got) == (201, f'{{"jobId":"{JOB_ID}"}}')
    assert json.loads(request.input_json) == wanted
    assert len(request.request_id) == 36


async def test_what_is_optional_may_be_null_or_left_out() -> None:
    nothing = {"additionalInstructions": None, "options": None}
    for more in ({}, nothing, {"options": {}}, {"options": {"includeVisuals": None, "autoSave": None, "status": None}}):
        got, request = await post(CONTENT, {**GENERATION, **more})
        assert got.status_code == 201
        sent = json.loads(request.input_json)
        assert {**sent, "options": {}} == {**GENERATION, "options": {}}
        assert not sent.get("options")


@pytest.mark.parametrize("name", ["topic", "businessInfo", "organizationId"])
async def test_what_is_required_must_be_there_and_hold_something(name: str) -> None:
    lacking = {key: value for key, value in GENERATION.items() if key != name}
    for content in (lacking, *({**lacking, name: nothing} for nothing in (None, "", {}, []))):
        got, request = await post(CONTENT, content)
        assert (answer(got), request) == (LITERALS["missing"], None)
    # It goes before everything else that is wrong.
    got, _ = await post(CONTENT, {**lacking, "options": 7, **({"topic": {"title": 1}} if name != "topic" else {})})
    assert answer(got) == LITERALS["missing"]


LACKING: list[dict[str, Any]] = [
    {"topic": "a title"},
    {"topic": ["x"]},
    {"topic": 7},
    {"topic": False},
    {"businessInfo": "x"},
    *({"topic": {"title": value, "more": 1}} for value in (None, "", "  ", 7, ["x"], True)),
    {"topic": {"Title": "x"}},
    *({"businessInfo": {"businessType": value, "targetAudience": "x"}} for value in (None, "", "\t\n", 1, {})),
    *({"businessInfo": {"businessType": "x", "targetAudience": value}} for value in (None, "", "\u2003", 1.5)),
    {"businessInfo": {"businessType": "x"}, "organizationId": 7},
]


@pytest.mark.parametrize("number", range(len(LACKING)))
async def test_a_required_inner_field_must_be_text_that_is_not_blank(number: int) -> None:
    got, request = await post(CONTENT, {**GENERATION, **LACKING[number]})
    assert (answer(got), request) == (LITERALS["structure"], None)


TOPIC, BUSINESS = GENERATION["topic"], GENERATION["businessInfo"]
AT_FAULT: list[tuple[dict[str, Any], str]] = [
    ({"organizationId": 7}, "organizationId must be a string"),
    ({"organizationId": False}, "organizationId must be a string"),
    ({"organizationId": ["x"]}, "organizationId must be a string"),
    ({"organizationId": "x" * 256}, "organizationId must have 1 to 255 characters"),
    ({"organizationId": "a\0"}, "organizationId must not contain NUL characters"),
    ({"additionalInstructions": 7}, "additionalInstructions must be a string"),
    ({"additionalInstructions": "x" * 5001}, "additionalInstructions must have at most 5000 characters"),
    ({"additionalInstructions": "\ud800"}, "additionalInstructions must not contain half a surrogate pair"),
    ({"options": "x"}, "options must be an object"),
    ({"options": []}, "options must be an object"),
    ({"options": {"includeVisuals": 1}}, "options.includeVisuals must be true or false"),
    ({"options": {"autoSave": "false"}}, "options.autoSave must be true or false"),
    ({"options": {"status": 7}}, "options.status must be a string"),
    ({"options": {"status": ""}}, "options.status must have 1 to 50 characters"),
    ({"options": {"status": "x" * 51}}, "options.status must have 1 to 50 characters"),
    ({"topic": {**TOPIC, "note": "a\0b"}}, "topic must not contain NUL characters"),
    ({"topic": {**TOPIC, "a\0b": 1}}, "topic must not contain NUL characters"),
    ({"topic": {"title": "\ud800x"}}, "topic must not contain half a surrogate pair"),
    ({"businessInfo": {**BUSINESS, "n": [{"x": 2**63}]}}, "businessInfo must hold numbers of at most 64 bits"),
]


@pytest.mark.parametrize("number", range(len(AT_FAULT)))
async def test_any_other_field_at_fault_is_named(number: int) -> None:
    change, message = AT_FAULT[number]
    got, request = await post(CONTENT, {**GENERATION, **change})
    assert (got.status_code, got.json()) == body(400, "Invalid data structure", message)
    assert request is None


async def test_bounds_themselves_are_allowed() -> None:
    edge = {
        "organizationId": "é" * 255,
        "additionalInstructions": "😀" * 5000,
        "options": {"status": "é" * 50, "autoSave": False},
    }
    got, request = await post(CONTENT, {**GENERATION, **edge})
    assert got.status_code == 201
    assert json.loads(request.input_json) == {**GENERATION, **edge}


@pytest.mark.parametrize(
    ("inner", "message"),
    [
        (b'{"title":"x","n":1e999}', "topic must hold numbers of at most 64 bits"),
        (b'{"title":"x","n":' + b"[" * 60 + b"]" * 60 + b"}", "topic must be nested at most 60 deep"),
        (b'{"title":"x","n":' + b"[" * 900 + b"]" * 900 + b"}", "topic must be nested at most 60 deep"),
    ],
    ids=["infinite", "deep", "deeper"],
)
async def test_what_no_store_can_keep_is_refused(inner: bytes, message: str) -> None:
    rest = json.dumps({key: value for key, value in GENERATION.items() if key != "topic"}).encode()[1:]
    got, request = await post(CONTENT, b'{"topic":' + inner + b"," + rest)
    assert (got.status_code, got.json()) == body(400, "Invalid data structure", message)
    assert request is None


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("input_json.topic.title", "topic.title: expected less"),
        ("input_json.options.status", "options.status: expected less"),
        ("input_json", "Request body: expected less"),
    ],
)
async def test_a_field_that_only_the_queue_service_refuses_is_named_too(field: str, message: str) -> None:
    no = refuse(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", fields={field: "expected less", "owner": "x"})
    got, _ = await post(CONTENT, GENERATION, CreateContentGeneration=no)
    assert (got.status_code, got.json()) == body(400, "Invalid data structure", message)


@pytest.mark.parametrize(
    ("status", "reason", "literal"),
    [
        (grpc.StatusCode.NOT_FOUND, "ORGANIZATION_NOT_FOUND", "no organization"),
        (grpc.StatusCode.UNAVAILABLE, "BROKER_UNAVAILABLE", "no broker"),
        (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE", "unavailable"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_LARGE", "too large"),
        (grpc.StatusCode.INTERNAL, "INTERNAL", "fault"),
    ],
)
async def test_what_the_queue_service_refuses_has_the_words_of_this_surface(
    status: grpc.StatusCode, reason: str, literal: str
) -> None:
    got, _ = await post(CONTENT, GENERATION, CreateContentGeneration=refuse(status, reason))
    assert answer(got) == LITERALS[literal]


# ---- lists ----------------------------------------------------------------------------------------------------------


async def listed(query: str) -> tuple[httpx.Response, Any]:
    answers = {"ListContentJobs": pb.ListContentJobsResponse()}
    async with queue_peer(**answers) as peer, gateway_client(peer.address) as gateway:
        got = await gateway.get(f"{BASE}{query}", headers=SESSION)
        return got, peer.received[-1].request if peer.received else None


@pytest.mark.parametrize(
    ("query", "request_"),
    [
        ("", pb.ListContentJobsRequest()),
        ("/?limit=007&nonsense=1", pb.ListContentJobsRequest(page_size=7)),
        ("?limit=101", pb.ListContentJobsRequest(page_size=100)),
        (f"?limit={'9' * 5000}", pb.ListContentJobsRequest(page_size=100)),
        ("?type=website_analysis", pb.ListContentJobsRequest(types=[pb.CONTENT_JOB_TYPE_WEBSITE_ANALYSIS])),
        (
            "?status=failed,queued&type=content_generation,website_analysis&cursor=abc",
            pb.ListContentJobsRequest(
                types=[pb.CONTENT_JOB_TYPE_CONTENT_GENERATION, pb.CONTENT_JOB_TYPE_WEBSITE_ANALYSIS],
                statuses=[pb.CONTENT_JOB_STATUS_FAILED, pb.CONTENT_JOB_STATUS_QUEUED],
                page_token="abc",
            ),
        ),
    ],
)
async def test_a_list_is_narrowed_as_the_query_says(query: str, request_: Message) -> None:
    got, request = await listed(query)
    assert answer(got) == (200, '{"jobs":[],"nextCursor":null}')
    assert request == request_


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("type=x", "type must be one of website_analysis, content_generation, or several with commas between"),
        ("type=", "type must be one of website_analysis, content_generation, or several with commas between"),
        ("status=pending", "status must be one of queued, running, succeeded, failed, or several with commas between"),
        ("status=queued,", "status must be one of queued, running, succeeded, failed, or several with commas between"),
        ("limit=0", "limit must be a positive integer"),
        ("limit=1.5", "limit must be a positive integer"),
        ("cursor=", "cursor must be one that a list returned"),
    ],
)
async def test_a_bad_query_is_named(query: str, message: str) -> None:
    got, request = await listed(f"?{query}")
    assert (got.status_code, got.json()) == body(400, "Bad request", message)
    assert request is None


async def test_a_cursor_that_only_the_queue_service_refuses_is_named_as_it_was_given() -> None:
    no = refuse(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", fields={"page_token": "expected x"})
    async with queue_peer(ListContentJobs=no) as peer, gateway_client(peer.address) as gateway:
        got = await gateway.get(f"{BASE}?cursor=x", headers=SESSION)
        assert (got.status_code, got.json()) == body(400, "Bad request", "cursor must be one that a list returned")
