"""What a search answers, and whom it asks: first for the right, then for the vector, then for the records."""

from __future__ import annotations

from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.message import Message

from jobline.v1 import ingestion_service_pb2 as pb
from jobline.v1.embedding_pb2 import Vector
from jobline.v1.worker_control_service_pb2 import EmbedRequest, EmbedResponse
from support.gateway import bearer, gateway_client
from support.ingestion_rest import (
    LITERALS,
    PROJECT,
    PROJECTS,
    answer,
    at,
    said,
)
from support.queue_peers import Answer, queue_peer, refuse

FORBIDDEN = refuse(grpc.StatusCode.PERMISSION_DENIED, "FORBIDDEN")
AWAY = refuse(grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
NO_PROJECT = refuse(grpc.StatusCode.NOT_FOUND, "PROJECT_NOT_FOUND")


VECTOR = Vector(values=[0.25, -1.0, 0.5])
MINE = pb.GetProjectResponse(project=PROJECT)


async def search(
    path: str = f"{PROJECTS}/proj-456/search", embedded: Answer | Message | None = None, *, json: Any, **answers: Any
) -> tuple[httpx.Response, list[Any], list[Any]]:
    """The answer, and the requests to the queue service and to the worker service."""
    given = {"GetProject": MINE, "SearchRecords": pb.SearchRecordsResponse(), **answers}
    async with (
        queue_peer(**given) as queue,
        queue_peer(Embed=embedded or EmbedResponse(vectors=[VECTOR])) as worker,
        gateway_client(queue.address, worker_addresses=(worker.address,)) as gateway,
    ):
        got = await gateway.post(path, headers=bearer(), json=json)
        assert not any("jobline-caller-bin" in call.metadata for call in worker.received)
        asked = [call.request for call in queue.received if call.method != "EnsureCaller"]
        return got, asked, [call.request for call in worker.received]


async def test_a_search_asks_for_the_right_then_the_vector_then_the_records() -> None:
    records = [
        pb.FoundRecord(
            id="r-1",
            type=pb.RECORD_TYPE_TASK,
            category="TOP_10",
            source="https://example.com/export",
            content="clear",
            metadata_json='{"id": 12345678901234567890, "price": 1.5, "n": null}',
            created_at=at("2026-02-06T10:00:31Z"),
            score=0.875,
        ),
        pb.FoundRecord(
            id="r-2",
            type=pb.RECORD_TYPE_FEEDBACK,
            content="ü",
            metadata_json='"ü"',
            created_at=at("2026-02-06T10:00:31Z"),
        ),
    ]
    wanted = {"query": "clear ü answers", "limit": 100, "type": "FEEDBACK", "category": "BOTTOM_10", "more": 1}
    found = pb.SearchRecordsResponse(records=records)
    got, asked, embedded = await search(json=wanted, SearchRecords=found)
    assert answer(got) == (
        200,
        '{"results":[{"id":"r-1","type":"TASK","category":"TOP_10","content":"clear",'
        '"metadata":{"id":12345678901234567890,"price":1.5,"n":null},"source":"https://example.com/export",'
        '"createdAt":"2026-02-06T10:00:31Z","score":0.875},'
        '{"id":"r-2","type":"FEEDBACK","category":null,"content":"ü","metadata":"ü","source":null,'
        '"createdAt":"2026-02-06T10:00:31Z","score":0.0}]}',
    )
    assert embedded == [EmbedRequest(texts=["clear ü answers"])]
    assert asked == [
        pb.GetProjectRequest(id="proj-456"),
        pb.SearchRecordsRequest(
            project_id="proj-456", vector=VECTOR, limit=100, type=pb.RECORD_TYPE_FEEDBACK, category="BOTTOM_10"
        ),
    ]


async def test_what_a_search_leaves_out_is_not_narrowed() -> None:
    for more in ({}, {"limit": None, "type": None, "category": None}):
        got, asked, _ = await search(json={"query": "x" * 2000, **more})
        assert answer(got) == (200, '{"results":[]}')
        assert asked[1] == pb.SearchRecordsRequest(project_id="proj-456", vector=VECTOR)


@pytest.mark.parametrize(
    ("escaped", "id"),
    [
        ("a%2Fb", "a/b"),
        ("a/b", "a/b"),
        ("a%2Fsearch", "a/search"),
        ("%2F", "/"),
        ("a%2F", "a/"),
        ("100%25", "100%"),
        ("%2525", "%25"),
        ("%22a%22%20'b'", "\"a\" 'b'"),
        ("a%0Ab", "a\nb"),
        ("%F0%9F%98%80", "😀"),
        ("a;b=c", "a;b=c"),
        ("a+b", "a+b"),
        ("a%3Fb%23c", "a?b#c"),
    ],
)
async def test_an_id_in_a_path_may_hold_every_character(escaped: str, id: str) -> None:
    for end in ("", "/"):
        got, asked, _ = await search(f"{PROJECTS}/{escaped}/search{end}", json={"query": "x"})
        assert (got.status_code, [request.id for request in asked[:1]]) == (200, [id])


@pytest.mark.parametrize("escaped", ["", "a%00b", "x" * 256])
async def test_what_no_id_can_be_is_an_unknown_project_once_the_input_is_good(escaped: str) -> None:
    path = f"{PROJECTS}/{escaped}/search"
    got, asked, embedded = await search(path, json={"query": "x"})
    assert (answer(got), asked, embedded) == (LITERALS["no project"], [], [])
    got, _, _ = await search(path, json={})
    assert (got.status_code, got.json()) == said("query must be given")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "query must be given"),
        ({"query": ""}, "query must have 1 to 2000 characters"),
        ({"query": "x" * 2001}, "query must have 1 to 2000 characters"),
        ({"query": " \n"}, "query must not be blank"),
        ({"query": ["x"]}, "query must be a string"),
        ({"query": "x", "limit": 0}, "limit must be an integer from 1 to 100"),
        ({"query": "x", "limit": 101}, "limit must be an integer from 1 to 100"),
        ({"query": "x", "limit": "5"}, "limit must be an integer from 1 to 100"),
        ({"query": "x", "limit": 5.0}, "limit must be an integer from 1 to 100"),
        ({"query": "x", "type": "TOP_10"}, "type must be one of TASK, FEEDBACK"),
        ({"query": "x", "category": ""}, "category must be one of TOP_10, BOTTOM_10"),
        ([], "Request body must be a JSON object"),
    ],
)
async def test_a_bad_search_is_refused_unless_the_project_is_another_users(body: Any, text: str) -> None:
    for project, refusal in ((MINE, said(text)), (NO_PROJECT, said(text)), (FORBIDDEN, said("Forbidden", 403))):
        got, _, embedded = await search(json=body, GetProject=project)
        assert ((got.status_code, got.json()), embedded) == (refusal, [])


async def test_no_provider_is_troubled_for_a_project_that_cannot_be_searched() -> None:
    for project, literal in ((NO_PROJECT, "no project"), (FORBIDDEN, "forbidden"), (AWAY, "unavailable")):
        got, _, embedded = await search(json={"query": "x"}, GetProject=project)
        assert (answer(got), embedded) == (LITERALS[literal], [])


@pytest.mark.parametrize(
    ("embedded", "literal"),
    [
        (refuse(grpc.StatusCode.UNAVAILABLE, "PROVIDER_UNAVAILABLE"), "unavailable"),
        (refuse(grpc.StatusCode.UNAVAILABLE, "NOT_ACTIVE"), "unavailable"),
        (refuse(grpc.StatusCode.DEADLINE_EXCEEDED), "unavailable"),
        # The worker service does not know the gateway's own token: nothing that the user could mend.
        (FORBIDDEN, "fault"),
    ],
)
async def test_without_a_vector_there_is_no_search(embedded: Answer, literal: str) -> None:
    got, asked, _ = await search(embedded=embedded, json={"query": "x"})
    assert (answer(got), len(asked)) == (LITERALS[literal], 1)


async def test_a_vector_that_the_queue_service_cannot_use_is_no_fault_of_the_user() -> None:
    no = refuse(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", fields={"vector": "expected 1536 numbers, got 3"})
    got, _, _ = await search(json={"query": "x"}, SearchRecords=no)
    assert answer(got) == LITERALS["unavailable"]


async def test_without_a_worker_service_the_answer_is_503() -> None:
    async with queue_peer(GetProject=MINE) as queue, gateway_client(queue.address) as gateway:
        got = await gateway.post(f"{PROJECTS}/p/search", headers=bearer(), json={"query": "x"})
        assert answer(got) == LITERALS["unavailable"]
