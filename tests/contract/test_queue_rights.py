"""Who may call what: every RPC of the contract has a rule, and the running service keeps it. Refusals are spelled alike."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.message_factory import GetMessageClass

from jobline.service_tokens import Role
from jobline.v1 import (
    account_service_pb2,
    communication_service_pb2,
    content_service_pb2,
    email_service_pb2,
    error_reason_pb2,
    ingestion_service_pb2,
    job_service_pb2,
    queue_service_pb2,
    work_service_pb2,
)
from jobline_queue.core import errors
from jobline_queue.rpc.interceptors import STATUSES
from jobline_queue.rpc.rules import RULES
from support.eventually import eventually_blocking
from support.queue_calls import Calls, Refusal, new_job, refused
from support.queue_service import QueueServiceUnderTest

MODULES = (
    account_service_pb2,
    communication_service_pb2,
    content_service_pb2,
    email_service_pb2,
    ingestion_service_pb2,
    job_service_pb2,
    queue_service_pb2,
    work_service_pb2,
)
METHODS = {
    f"/{service.full_name}/{method.name}": method
    for module in MODULES
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
#: For whom gateways call what depends on the user; integration/test_queue_staff_rights.py tells what others may not do.
ADMIN = account_service_pb2.Caller(sub="root", role="admin")
#: From here on the reasons are those of runs, which travel in a JobError.
FIRST_RUN_REASON = 60
#: Only worker services give these.
WORKERS_REASONS = {"PROVIDER_UNAVAILABLE"}


@pytest.fixture(scope="module")
def service(shared_queue: QueueServiceUnderTest) -> QueueServiceUnderTest:
    return shared_queue


@pytest.fixture(scope="module")
def standby(
    service: QueueServiceUnderTest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[QueueServiceUnderTest]:
    """A second service on the database of the active one."""
    other = QueueServiceUnderTest(service.database_url, tmp_path_factory.mktemp("standby"))
    other.start(wait=False)
    try:
        eventually_blocking(lambda: _answers(other), within=30, what="the standby listens")
        yield other
    finally:
        other.kill()


def _answers(service: QueueServiceUnderTest) -> bool:
    try:
        return service.health() == "SERVING"
    except grpc.RpcError:
        return False


def token_of(role: Role) -> str:
    return str(getattr(QueueServiceUnderTest, f"{role}_token"))


def answer_to_an_empty_call(address: str, path: str, token: str, *, allowed: bool = False) -> Refusal | None:
    """What becomes of a call with an empty request: None for an answer. A stream that is `allowed` may have no end."""
    method = METHODS[path]
    by_user = path.startswith(("/jobline.v1.JobService/", "/jobline.v1.QueueService/"))
    caller = ADMIN if by_user and token == QueueServiceUnderTest.gateway_token else None
    with Calls(address, token, caller) as calls:
        kind = "stream" if method.client_streaming else "unary"
        kind += "_stream" if method.server_streaming else "_unary"
        invoke = getattr(calls.channel, kind)(
            path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        request: Any = GetMessageClass(method.input_type)()
        try:
            answer = invoke(
                iter([request]) if method.client_streaming else request,
                metadata=calls.metadata,
                timeout=0.5 if method.server_streaming and allowed else 10,
            )
            if method.server_streaming:
                list(answer)
        except grpc.RpcError as error:
            return Refusal.of(error)
        return None


def test_every_rpc_has_a_rule_and_every_rule_an_rpc():
    assert set(RULES) == set(METHODS)
    assert all(RULES.values())


def test_every_reason_of_a_call_has_a_status_and_no_other_word_does():
    reasons = {
        value.name.removeprefix("ERROR_REASON_")
        for value in error_reason_pb2.ErrorReason.DESCRIPTOR.values
        if 0 < value.number < FIRST_RUN_REASON
    }
    assert set(STATUSES) == reasons - WORKERS_REASONS


def test_every_error_of_the_domain_has_a_status():
    classes = set(_subclasses(errors.JoblineError)) - {errors.NotFound}
    reasons = {each.reason for each in classes} | {
        errors.NotFound(what, "x").reason
        for what in ("job", "queue", "worker", "e-mail", "business", "organization", "media", "user", "project")
    }
    assert reasons | {"INTERNAL"} == set(STATUSES)


def _subclasses(cls: type[errors.JoblineError]) -> Iterator[type[errors.JoblineError]]:
    for each in cls.__subclasses__():
        yield each
        yield from _subclasses(each)


@pytest.mark.parametrize(("path", "role"), list(itertools.product(sorted(METHODS), Role)))
def test_a_role_may_call_exactly_what_its_rule_says(service: QueueServiceUnderTest, path: str, role: Role):
    refusal = answer_to_an_empty_call(service.address, path, token_of(role), allowed=role in RULES[path])
    if role not in RULES[path]:
        assert refusal is not None
        assert (refusal.status, refusal.reason, refusal.domain) == ("PERMISSION_DENIED", "FORBIDDEN", "jobline")
    elif refusal is not None and refusal.status != "DEADLINE_EXCEEDED":
        assert refusal.domain == "jobline"
        assert refusal.reason in STATUSES
        assert refusal.status not in ("PERMISSION_DENIED", "UNAUTHENTICATED", "INTERNAL", "UNKNOWN"), refusal


@pytest.mark.parametrize("path", sorted(METHODS))
def test_without_a_token_nothing_is_answered(service: QueueServiceUnderTest, path: str):
    refusal = answer_to_an_empty_call(service.address, path, "")
    assert refusal is not None
    assert (refusal.status, refusal.reason, refusal.domain) == ("UNAUTHENTICATED", "UNAUTHENTICATED", "jobline")


@pytest.mark.parametrize("path", sorted(METHODS))
def test_a_standby_answers_nothing_but_that_it_is_one(standby: QueueServiceUnderTest, path: str):
    role = sorted(RULES[path])[0]
    refusal = answer_to_an_empty_call(standby.address, path, token_of(role))
    assert refusal is not None
    assert (refusal.status, refusal.reason) == ("UNAVAILABLE", "NOT_ACTIVE")


def test_a_standby_is_alive_but_its_services_are_not_serving(standby: QueueServiceUnderTest):
    assert standby.health() == "SERVING"
    for module in MODULES:
        for name in module.DESCRIPTOR.services_by_name:
            assert standby.health(f"jobline.v1.{name}") == "NOT_SERVING"


def test_every_service_of_the_active_one_is_serving(service: QueueServiceUnderTest):
    for module in MODULES:
        for name in module.DESCRIPTOR.services_by_name:
            assert service.health(f"jobline.v1.{name}") == "SERVING"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer unknown-token-of-nobody",
        "Basic operator-token-of-a-test",
        "operator-token-of-a-test",
    ],
)
def test_a_token_that_is_not_known_is_refused(service: QueueServiceUnderTest, value: str):
    with Calls(service.address, "") as calls:
        calls.metadata.append(("authorization", value))
        with refused("UNAUTHENTICATED") as seen:
            _list_queues(calls)
    assert "token" in seen[0].message
    assert "operator-token-of-a-test" not in seen[0].message


def _list_queues(calls: Calls) -> Any:
    invoke = calls.channel.unary_unary(
        "/jobline.v1.QueueService/ListQueues",
        request_serializer=queue_service_pb2.ListQueuesRequest.SerializeToString,
        response_deserializer=queue_service_pb2.ListQueuesResponse.FromString,
    )
    return invoke(queue_service_pb2.ListQueuesRequest(), metadata=calls.metadata, timeout=10)


def test_the_word_bearer_is_read_in_any_case(service: QueueServiceUnderTest):
    with Calls(service.address, "") as calls:
        calls.metadata.append(("authorization", f"bearer {service.operator_token}"))
        assert _list_queues(calls).queues


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.GATEWAY])
def test_only_a_gateway_may_name_an_end_user(service: QueueServiceUnderTest, role: Role):
    caller = account_service_pb2.Caller(sub="somebody")
    with Calls(service.address, token_of(role), caller) as calls, refused("FORBIDDEN"):
        calls.queues.ListQueues(queue_service_pb2.ListQueuesRequest())


@pytest.mark.parametrize(
    "caller",
    [b"\xff\xff\xff", account_service_pb2.Caller(sub="s" * 256).SerializeToString(), b"\x0a\x01\x00"],
    ids=["no message", "too long", "a NUL"],
)
def test_a_caller_that_is_none_is_an_invalid_field(service: QueueServiceUnderTest, caller: bytes):
    with Calls(service.address, service.gateway_token) as calls:
        calls.metadata.append(("jobline-caller-bin", caller))
        with refused("INVALID_FIELD"):
            _list_queues(calls)


def test_a_producer_sees_and_cancels_only_what_it_enqueued(service: QueueServiceUnderTest):
    with (
        Calls(service.address, service.producer_token) as mine,
        Calls(service.address, service.other_producer_token) as other,
    ):
        (job_id,) = mine.enqueue(new_job("rights"))
        for attempt in (other.get, other.cancel, other.explain):
            with refused("JOB_NOT_FOUND"):
                attempt(job_id)
        assert not other.list_jobs("rights")
        with refused("JOB_NOT_FOUND"):
            list(other.jobs.WatchJobs(job_service_pb2.WatchJobsRequest(ids=[job_id])))
        assert mine.state(job_id) == "pending"


def test_a_gateway_sees_the_jobs_of_its_user_alone(service: QueueServiceUnderTest):
    def gateway(**caller: str) -> Calls:
        return Calls(service.address, service.gateway_token, account_service_pb2.Caller(**caller))

    with gateway(sub="ann") as ann, gateway(sub="bob") as bob, gateway(session="ann") as session:
        (job_id,) = ann.enqueue(new_job("rights"))
        assert ann.job(job_id).owner == "user:ann"
        for other in (bob, session):
            with refused("JOB_NOT_FOUND"):
                other.get(job_id)
            anns = job_service_pb2.JobFilter(owner="user:ann")
            assert not other.jobs.ListJobs(job_service_pb2.ListJobsRequest(filter=anns)).jobs
        with refused("INVALID_FIELD"):
            bob.enqueue(new_job("rights", owner="user:ann"))
    with gateway() as unnamed, refused("JOB_NOT_FOUND"):
        unnamed.get(job_id)


def test_a_gateway_by_itself_sees_every_job_and_acts_on_none(service: QueueServiceUnderTest):
    with Calls(service.address, service.producer_token) as producer:
        (job_id,) = producer.enqueue(new_job("rights", owner="user:ann"))
    with Calls(service.address, service.gateway_token) as gateway:
        assert gateway.job(job_id).owner == "user:ann"
        for act in (gateway.cancel, gateway.retry):
            with refused("FORBIDDEN"):
                act(job_id)
        with refused("INVALID_FIELD"):
            gateway.enqueue(new_job("rights"))
