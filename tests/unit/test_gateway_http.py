"""What every request meets: envelopes, unknown paths and methods, body limits, headers, the description."""

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from starlette.types import Message, Receive, Scope, Send

from jobline.v1 import email_service_pb2 as pb
from jobline.v1.error_reason_pb2 import ErrorReason
from jobline_gateway.middleware import BodyLimit, ErrorBoundary
from jobline_gateway.problems import Problem, from_service
from jobline_gateway.service_client import ServiceError
from jobline_gateway.surface import OUTSIDE, Surface, Surfaces
from jobline_gateway.surfaces.content.surface import SURFACE as CONTENT
from jobline_gateway.surfaces.email.surface import SURFACE as EMAIL
from jobline_gateway.surfaces.ingestion.surface import INGESTION
from support.gateway import bearer, gateway_client
from support.queue_peers import queue_peer, refuse

ID = "550e8400-e29b-41d4-a716-446655440000"
MEBIBYTE = 1024 * 1024
BATCH = {
    "items": [{"recipient_name": "Dr. Jane Smith", "recipient_interest": "machine learning"}],
    "email_template": "Hey {{name}}, I loved your work!",
}


async def test_health_needs_neither_a_token_nor_a_queue_service() -> None:
    async with gateway_client("127.0.0.1:1") as gateway:
        for path in ("/health", "/health/"):
            answer = await gateway.get(path)
            assert (answer.status_code, answer.text) == (200, '{"status":"ok"}')


@pytest.mark.parametrize("path", ["/", "/nope", "/api", "/api/", "/api/queues", "/api/queuebatch", "/docs/assets/nope"])
async def test_outside_the_surfaces_an_unknown_path_has_the_plain_envelope(path: str) -> None:
    async with gateway_client("127.0.0.1:1") as gateway:
        answer = await gateway.get(path)
        assert (answer.status_code, answer.text) == (404, '{"error":"Not found"}')


async def test_an_unknown_path_of_the_surface_has_the_surfaces_envelope() -> None:
    async with queue_peer() as peer, gateway_client(peer.address) as gateway:
        answer = await gateway.get("/api/email/a/b", headers=bearer())
        assert (answer.status_code, answer.text) == (404, '{"detail":"Not found"}')


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/api/queue/batch", "DELETE, POST"),
        ("GET", "/api/queue/batch/", "DELETE, POST"),
        ("POST", "/api/queue/", "GET"),
        ("OPTIONS", "/api/queue", "GET"),
        ("POST", "/api/email", "GET"),
        ("DELETE", f"/api/email/{ID}", "GET, PATCH"),
        ("GET", f"/api/queue/{ID}", "DELETE"),
    ],
)
async def test_a_wrong_method_is_405_and_allow_names_every_right_one(method: str, path: str, allow: str) -> None:
    async with queue_peer() as peer, gateway_client(peer.address) as gateway:
        answer = await gateway.request(method, path, headers=bearer())
        assert (answer.status_code, answer.headers["allow"]) == (405, allow)
        assert answer.text == '{"detail":"Method not allowed"}'


async def test_a_wrong_method_outside_the_surfaces_has_the_plain_envelope() -> None:
    async with gateway_client("127.0.0.1:1") as gateway:
        answer = await gateway.post("/health")
        assert (answer.status_code, answer.text) == (405, '{"error":"Method not allowed"}')


async def test_a_trailing_slash_is_optional_on_every_path() -> None:
    answers: dict[str, Any] = {
        "SubmitEmails": pb.SubmitEmailsResponse(queue_item_ids=[ID]),
        "ListQueueItems": pb.ListQueueItemsResponse(),
        "CancelQueueItem": pb.CancelQueueItemResponse(),
        "ListEmails": pb.ListEmailsResponse(),
        "GetEmail": refuse(grpc.StatusCode.NOT_FOUND, "EMAIL_NOT_FOUND"),
    }
    async with queue_peer(**answers) as peer, gateway_client(peer.address) as gateway:
        for method, path, body, status in (
            ("POST", "/api/queue/batch", BATCH, 201),
            ("GET", "/api/queue", None, 200),
            ("DELETE", f"/api/queue/{ID}", None, 200),
            ("GET", "/api/email", None, 200),
            ("GET", f"/api/email/{ID}", None, 404),
        ):
            for spelling in (path, path + "/"):
                answer = await gateway.request(method, spelling, json=body, headers=bearer())
                assert (spelling, answer.status_code) == (spelling, status)


async def chunks(total: int) -> AsyncIterator[bytes]:
    for _ in range(total // 1024):
        yield b" " * 1024
    yield b" " * (total % 1024)


async def test_a_body_over_one_mebibyte_is_413_declared_or_not() -> None:
    async with queue_peer() as peer, gateway_client(peer.address) as gateway:
        for content in (b" " * (MEBIBYTE + 1), chunks(MEBIBYTE + 1)):
            answer = await gateway.post("/api/queue/batch", content=content, headers=bearer())
            assert (answer.status_code, answer.text) == (413, '{"detail":"Request body too large"}')


async def test_a_body_of_exactly_one_mebibyte_is_read() -> None:
    padded = json.dumps(BATCH).encode().ljust(MEBIBYTE)
    async with (
        queue_peer(SubmitEmails=pb.SubmitEmailsResponse(queue_item_ids=[ID])) as peer,
        gateway_client(peer.address) as gateway,
    ):
        assert (await gateway.post("/api/queue/batch", content=padded, headers=bearer())).status_code == 201


async def test_a_body_that_dawdles_is_408_and_the_connection_is_given_up() -> None:
    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async def read(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    surfaces = Surfaces([EMAIL])
    app = ErrorBoundary(BodyLimit(read, surfaces, deadline=0.05), surfaces)
    scope = {"type": "http", "path": "/api/queue/batch", "headers": [], "state": {"correlation_id": "x"}}
    await app(scope, never, send)
    assert (sent[0]["status"], (b"connection", b"close") in sent[0]["headers"]) == (408, True)
    assert sent[1]["body"] == b'{"detail":"Request timeout"}'


async def test_who_may_send_more_has_more_time_for_it() -> None:
    async def slowly() -> Message:
        await asyncio.sleep(0.1)
        return {"type": "http.request", "body": b"x", "more_body": False}

    async def read(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["body"] == b"x"

    async def send(message: Message) -> None:
        raise AssertionError("nothing to answer")

    scope = {"type": "http", "path": "/large", "headers": [], "state": {"correlation_id": "x"}}
    await BodyLimit(read, Surfaces([Surface(("/large",), body_limit=100 * MEBIBYTE)]), deadline=0.05)(
        scope, slowly, send
    )


class LargeBodies:
    """Requests with bodies of a surface where 2 MiB are allowed, one large one at once."""

    def __init__(self, turn_deadline: float = 30.0) -> None:
        self.read: asyncio.Queue[str] = asyncio.Queue()
        self.may_end = asyncio.Event()
        surfaces = Surfaces([Surface(("/large",), body_limit=2 * MEBIBYTE)])
        self._app = BodyLimit(self._read, surfaces, large_at_once=1, turn_deadline=turn_deadline)

    async def _read(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        self.read.put_nowait(scope["name"])
        await self.may_end.wait()

    async def call(self, name: str, *header: bytes) -> None:
        async def receive() -> Message:
            return {"type": "http.request", "body": b"x", "more_body": False}

        async def send(message: Message) -> None:
            raise AssertionError("nothing to answer")

        await self._app({"type": "http", "path": "/large", "name": name, "headers": [header]}, receive, send)


async def test_large_bodies_are_read_in_turn_and_small_ones_at_once() -> None:
    bodies = LargeBodies()
    async with asyncio.TaskGroup() as requests:
        requests.create_task(bodies.call("large", b"content-length", b"%d" % (MEBIBYTE + 1)))
        requests.create_task(bodies.call("of unknown length", b"transfer-encoding", b"chunked"))
        requests.create_task(bodies.call("small", b"content-length", b"%d" % MEBIBYTE))
        with pytest.raises(Problem, match="413"):
            await bodies.call("too large", b"content-length", b"%d" % (2 * MEBIBYTE + 1))
        assert [await bodies.read.get(), await bodies.read.get()] == ["large", "small"]
        assert bodies.read.empty()
        bodies.may_end.set()
    assert bodies.read.get_nowait() == "of unknown length"


async def test_a_large_body_whose_turn_does_not_come_is_503() -> None:
    bodies = LargeBodies(turn_deadline=0.01)
    async with asyncio.TaskGroup() as requests:
        requests.create_task(bodies.call("large", b"content-length", b"%d" % (MEBIBYTE + 1)))
        assert await bodies.read.get() == "large"
        with pytest.raises(Problem, match="503"):
            await bodies.call("late", b"content-length", b"%d" % (MEBIBYTE + 1))
        bodies.may_end.set()


async def test_without_a_queue_service_the_answer_is_503() -> None:
    async with gateway_client("127.0.0.1:1") as gateway:
        answer = await gateway.get("/api/queue/", headers=bearer())
        assert (answer.status_code, answer.text) == (503, '{"detail":"Service unavailable"}')


@pytest.mark.parametrize(
    ("status", "reason", "answer"),
    [
        (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE", (503, "Service unavailable")),
        (grpc.StatusCode.UNAVAILABLE, "NOT_ACTIVE", (503, "Service unavailable")),
        (grpc.StatusCode.UNAVAILABLE, "DRAINING", (503, "Service unavailable")),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "", (503, "Service unavailable")),
        (grpc.StatusCode.INTERNAL, "INTERNAL", (500, "Internal server error")),
        (grpc.StatusCode.UNKNOWN, "", (500, "Internal server error")),
        (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", (500, "Internal server error")),
        (grpc.StatusCode.PERMISSION_DENIED, "FORBIDDEN", (500, "Internal server error")),
        (grpc.StatusCode.UNIMPLEMENTED, "", (500, "Internal server error")),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_LARGE", (413, "Request body too large")),
    ],
)
async def test_what_the_queue_service_refuses_has_an_answer(
    status: grpc.StatusCode, reason: str, answer: tuple[int, str]
) -> None:
    async with queue_peer(ListQueueItems=refuse(status, reason)) as peer, gateway_client(peer.address) as gateway:
        got = await gateway.get("/api/queue/", headers=bearer())
        assert (got.status_code, got.json()) == (answer[0], {"detail": answer[1]})


async def test_a_field_that_only_the_queue_service_refuses_is_named() -> None:
    no = refuse(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", fields={"items[3].recipient_name": "expected less"})
    async with queue_peer(SubmitEmails=no) as peer, gateway_client(peer.address) as gateway:
        answer = await gateway.post("/api/queue/batch", json=BATCH, headers=bearer())
        error = {"loc": ["body", "items", 3, "recipient_name"], "msg": "expected less", "type": "value_error"}
        assert (answer.status_code, answer.json()) == (422, {"detail": [error]})


@pytest.mark.parametrize(
    "surface", [EMAIL, CONTENT, INGESTION, OUTSIDE], ids=["email", "content", "ingestion", "outside"]
)
def test_every_reason_with_every_status_becomes_an_error_answer(surface: Surface) -> None:
    reasons = [value.name.removeprefix("ERROR_REASON_") for value in ErrorReason.DESCRIPTOR.values]
    for status, reason in itertools.product(grpc.StatusCode, ["", *reasons]):
        problem = from_service(ServiceError(status, reason, "internal words"), surface)
        assert 400 <= problem.status <= 599
        assert problem.status not in (401, 403, 429)
        assert "internal words" not in str(problem)


async def test_an_answer_that_makes_no_sense_is_an_unexpected_fault_and_says_nothing_of_itself() -> None:
    nonsense = pb.GetEmailResponse(email=pb.Email(template_type="secret-internal-word"))
    async with queue_peer(GetEmail=nonsense) as peer, gateway_client(peer.address) as gateway:
        answer = await gateway.get(f"/api/email/{ID}", headers=bearer())
        assert (answer.status_code, answer.text) == (500, '{"detail":"Internal server error"}')


async def test_every_answer_has_its_correlation_id_and_the_safety_headers() -> None:
    async with queue_peer(ListQueueItems=pb.ListQueueItemsResponse()) as peer, gateway_client(peer.address) as gateway:
        answer = await gateway.get("/api/queue/", headers=bearer() | {"x-request-id": "abc-123"})
        assert answer.headers["x-request-id"] == "abc-123"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert {call.metadata["x-request-id"] for call in peer.received} == {"abc-123"}


@pytest.mark.parametrize("sent", ["", "a b", "x" * 129, "é", "a;b", '"'])
async def test_a_strange_correlation_id_is_replaced(sent: str) -> None:
    async with gateway_client("127.0.0.1:1") as gateway:
        answer = await gateway.get("/health", headers=[(b"x-request-id", sent.encode("latin-1"))])
        assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["x-request-id"])


async def test_the_log_has_one_line_a_request_without_tokens_or_queries(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with queue_peer(ListEmails=pb.ListEmailsResponse()) as peer, gateway_client(peer.address) as gateway:
        headers = bearer() | {"x-request-id": "abc-123"}
        await gateway.get("/api/email/?limit=5&note=hush", headers=headers)
        await gateway.get("/api/queue/%0Aforged", headers=headers)
    lines = [record.getMessage() for record in caplog.records if record.name == "jobline_gateway.middleware"]
    assert len(lines) == 2
    assert re.fullmatch(r"GET /api/email/ 200 [0-9.]+ms request_id=abc-123", lines[0])
    assert lines[1].startswith("GET /api/queue/%0Aforged 405 ")
    token = headers["authorization"].split()[1]
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("jobline_gateway")]
    assert not any(word in line for line in ours for word in ("hush", token))


async def test_an_unexpected_fault_is_logged_with_its_correlation_id(caplog: pytest.LogCaptureFixture) -> None:
    nonsense = pb.GetEmailResponse(email=pb.Email(template_type="?"))
    async with queue_peer(GetEmail=nonsense) as peer, gateway_client(peer.address) as gateway:
        await gateway.get(f"/api/email/{ID}", headers=bearer() | {"x-request-id": "find-me"})
    [record] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "find-me" in record.getMessage()
    assert record.exc_info


async def test_the_description_is_openapi_3_0_and_names_every_status_and_bound() -> None:
    async with gateway_client("127.0.0.1:1") as gateway:
        document = (await gateway.get("/openapi.json")).json()
    assert document["openapi"] == "3.0.3"
    assert '"null"' not in json.dumps(document)
    described = {
        (method, path): set(operation["responses"])
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    reading = {"200", "401", "413", "500", "503"}
    changing = reading | {"403", "408"}
    business = "/api/businesses/{businessId}"
    base = f"{business}/communication-queue"
    reading_messages = reading | {"403", "404"}
    changing_messages = reading_messages | {"408"}
    jobs = "/api/v1/jobs"
    assert described == {
        ("post", "/api/queue/batch"): changing - {"200"} | {"201", "400", "422"},
        ("get", "/api/queue/"): reading,
        ("get", "/api/queue/events"): reading,
        ("delete", "/api/queue/{id}"): changing | {"400", "404"},
        ("get", "/api/email/"): reading | {"422"},
        ("get", "/api/email/{email_id}"): reading | {"400", "404"},
        ("patch", "/api/email/{email_id}"): changing | {"400", "404", "422"},
        ("post", f"{business}/communications"): changing_messages - {"200"} | {"201", "400"},
        ("get", f"{base}/stats"): reading_messages,
        ("get", f"{base}/health"): reading_messages,
        ("get", f"{base}/pending"): reading_messages | {"400"},
        ("get", f"{base}/failed"): reading_messages | {"400"},
        ("get", f"{base}/export.csv"): reading_messages | {"400"},
        ("get", f"{base}/by-communication/{{communicationId}}"): reading_messages,
        ("get", f"{base}/events"): reading_messages,
        ("get", f"{base}/{{id}}"): reading_messages,
        ("post", f"{base}/{{id}}/retry"): changing_messages,
        ("post", f"{base}/{{id}}/cancel"): changing_messages,
        ("delete", f"{base}/{{id}}"): changing_messages - {"200"} | {"204"},
        ("post", f"{base}/retry-failed"): changing_messages | {"400", "409"},
        ("post", f"{base}/process-now"): changing_messages,
        ("get", f"{business}/outbox"): reading_messages | {"400"},
        ("post", f"{jobs}/website-analysis"): changing - {"200"} | {"201", "400"},
        ("post", f"{jobs}/content-generation"): changing - {"200"} | {"201", "400", "404"},
        ("get", jobs): reading | {"400"},
        ("get", f"{jobs}/{{jobId}}/status"): reading | {"404"},
        ("get", f"{jobs}/{{jobId}}/events"): reading | {"204", "404"},
        ("post", f"{jobs}/{{jobId}}/retry"): changing | {"400", "404"},
        ("post", f"{jobs}/{{jobId}}/cancel"): changing | {"400", "404"},
        ("get", "/media/{name}"): {"200", "304", "404"},
        ("post", "/api/projects"): changing - {"200"} | {"201", "400", "409"},
        ("get", "/api/projects"): reading | {"403"},
        ("post", "/api/projects/{id}/search"): changing | {"400", "404"},
        ("post", "/api/ingest/csv"): changing | {"400", "404"},
        ("post", "/api/ingest/api"): changing | {"400", "404"},
        ("get", "/api/ingest/status"): reading | {"400", "403", "404"},
        ("get", "/api/ingest/jobs"): reading | {"400", "403", "404"},
        ("post", "/api/ingest/cancel"): changing | {"400", "404"},
        ("get", "/api/admin/queue/stats"): reading | {"403"},
        ("get", "/api/admin/queue/events"): reading | {"403"},
        ("post", "/api/admin/queue/retry"): changing | {"400", "404"},
        ("post", "/api/admin/queue/cancel"): changing | {"400", "404"},
        ("get", "/api/workers/ingestion"): reading,
        ("get", "/api/workers/vectorization"): reading,
        ("get", "/api/workers/cleanup"): reading,
        ("get", "/health"): {"200"},
    }
    schemas = document["components"]["schemas"]
    items = schemas["EmailBatch"]["properties"]["items"]
    name = schemas["Recipient"]["properties"]["recipient_name"]
    assert (items["minItems"], items["maxItems"], name["minLength"], name["maxLength"]) == (1, 100, 2, 255)
    assert document["paths"]["/api/queue/"]["get"]["security"] == [{"bearer": []}, {"session": []}]
    by_token = document["paths"]["/api/queue/"]["get"]["security"]
    assert document["paths"][f"{jobs}/content-generation"]["post"]["security"] == by_token
    by_either = [*by_token, {"anonymous": []}, {"anonymousInQuery": []}]
    assert document["paths"][f"{jobs}/website-analysis"]["post"]["security"] == by_either
    for open_to_all in ("/health", "/media/{name}"):
        assert "security" not in document["paths"][open_to_all]["get"]


async def test_every_reference_in_the_description_leads_somewhere() -> None:
    async with gateway_client("127.0.0.1:1") as gateway:
        text = (await gateway.get("/openapi.json")).text
    schemas = json.loads(text)["components"]["schemas"]
    assert set(re.findall(r'"#/components/schemas/(\w+)"', text)) <= set(schemas)


async def test_the_documentation_page_needs_nothing_from_other_hosts() -> None:
    async with gateway_client("127.0.0.1:1") as gateway:
        page = await gateway.get("/docs")
        assert page.headers["content-type"].startswith("text/html")
        assert "script-src 'self'" in page.headers["content-security-policy"]
        assert "//" not in page.text.replace("<!doctype html>", "")
        for path in re.findall(r'(?:src|href)="([^"]+)"', page.text):
            assert (await gateway.get(path)).status_code == 200
