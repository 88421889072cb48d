"""What a hostile caller may send: it is refused by name, never UNKNOWN or INTERNAL, and the service serves on (F12)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2

from jobline.v1 import job_pb2, job_service_pb2, queue_service_pb2, work_service_pb2
from support.queue_calls import Calls, RawWorker, Refusal, new_job, refused
from support.queue_service import QueueServiceUnderTest

MIB = 1024 * 1024
MAX_INT64 = 2**63 - 1


@pytest.fixture
def service(shared_queue: QueueServiceUnderTest) -> QueueServiceUnderTest:
    return shared_queue


@pytest.fixture
def calls(service: QueueServiceUnderTest) -> Iterator[Calls]:
    with Calls(service.address, service.operator_token) as opened:
        yield opened


def running_job(calls: Calls) -> work_service_pb2.Assignment:
    name = f"hostile-{uuid.uuid4().hex[:8]}"
    calls.enqueue(new_job(name))
    return calls.claim_one(name)


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_lists_every_service_in_both_versions(service: QueueServiceUnderTest, version: str):
    with grpc.insecure_channel(service.address) as channel:
        ask = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        question = reflection_pb2.ServerReflectionRequest(list_services="")
        answer = next(iter(ask(iter([question]), timeout=10)))
    names = {each.name for each in answer.list_services_response.service}
    assert names >= {f"jobline.v1.{name}Service" for name in ("Job", "Work", "Queue", "Account", "Email")}
    assert "grpc.health.v1.Health" in names


@pytest.mark.parametrize(
    ("job", "field"),
    [
        (job_service_pb2.NewJob(kind="k"), "jobs[0].queue"),
        (job_service_pb2.NewJob(queue="q"), "jobs[0].kind"),
        (job_service_pb2.NewJob(queue="q", kind="k", payload_json="{"), "jobs[0].payload_json"),
        (job_service_pb2.NewJob(queue="q", kind="k", payload_json='"\\u0000"'), "jobs[0].payload_json"),
        (job_service_pb2.NewJob(queue="q", kind="k", payload_json='"\\ud800"'), "jobs[0].payload_json"),
        (job_service_pb2.NewJob(queue="q", kind="k", payload_json="1e-20000"), "jobs[0].payload_json"),
        (job_service_pb2.NewJob(queue="q", kind="k", owner="a\0"), "jobs[0].owner"),
        (job_service_pb2.NewJob(queue="q", kind="k", labels={"a\0": "b"}), "jobs[0].labels"),
        (job_service_pb2.NewJob(queue="q", kind="k", max_attempts=2**31 - 1), "jobs[0].max_attempts"),
        (job_service_pb2.NewJob(queue="q", kind="k", run_at={"seconds": MAX_INT64}), "jobs[0].run_at"),
        (job_service_pb2.NewJob(queue="q", kind="k", run_at={"seconds": 1, "nanos": -1}), "jobs[0].run_at"),
        (
            job_service_pb2.NewJob(queue="q", kind="k", run_at={"seconds": 253_402_300_799, "nanos": 999_999_999}),
            "jobs[0].run_at",
        ),
        (job_service_pb2.NewJob(queue="email_default", kind="generate_email"), "jobs[0].owner"),
        (job_service_pb2.NewJob(queue="q", kind="generate_email", owner="user:a"), "jobs[0].queue"),
    ],
)
def test_a_bad_job_is_refused_by_the_name_of_its_field(calls: Calls, job: job_service_pb2.NewJob, field: str):
    with refused("INVALID_FIELD") as seen:
        calls.enqueue(job)
    assert seen[0].status == "INVALID_ARGUMENT"
    assert seen[0].fields == (field,)


def test_a_job_at_the_end_of_time_can_be_read(calls: Calls):
    late = new_job("hostile-late", run_at={"seconds": 253_402_300_798, "nanos": 999_999_999})
    (job_id,) = calls.enqueue(late)
    assert calls.job(job_id).run_at.seconds in (253_402_300_798, 253_402_300_799)
    assert calls.list_jobs("hostile-late")[0].id == job_id


LISTS: list[tuple[str, job_service_pb2.ListJobsRequest]] = [
    ("page_size", job_service_pb2.ListJobsRequest(page_size=501)),
    ("page_size", job_service_pb2.ListJobsRequest(page_size=-1)),
    ("page_token", job_service_pb2.ListJobsRequest(page_token="'; DROP TABLE jobline.jobs; --")),
    ("page_token", job_service_pb2.ListJobsRequest(page_token=str(uuid.UUID(int=7)))),
    ("order", job_service_pb2.ListJobsRequest(order=99)),  # type: ignore[arg-type]
    *(
        (f"filter.{field}", job_service_pb2.ListJobsRequest(filter=chosen))
        for field, chosen in (
            (
                "states[1]",
                job_service_pb2.JobFilter(states=[job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_UNSPECIFIED]),
            ),
            ("states[0]", job_service_pb2.JobFilter(states=[99])),  # type: ignore[list-item]
            ("queues[1]", job_service_pb2.JobFilter(queues=["q", "\0"])),
            ("queues", job_service_pb2.JobFilter(queues=["q"] * 1001)),
            ("kind", job_service_pb2.JobFilter(kind="k" * 65)),
            ("owner", job_service_pb2.JobFilter(owner="a\0")),
            ("error", job_service_pb2.JobFilter(error="e" * 256)),
            ("error", job_service_pb2.JobFilter(error="a\0")),
            ("labels", job_service_pb2.JobFilter(labels={"\0": "x"})),
            ("created_after", job_service_pb2.JobFilter(created_after={"seconds": MAX_INT64})),
            (
                "created_before",
                job_service_pb2.JobFilter(created_before={"seconds": 253_402_300_799, "nanos": 999_999_999}),
            ),
        )
    ),
]


@pytest.mark.parametrize(("field", "request_"), LISTS)
def test_a_bad_filter_is_refused_by_name(calls: Calls, field: str, request_: job_service_pb2.ListJobsRequest):
    with refused("INVALID_FIELD") as seen:
        calls.jobs.ListJobs(request_)
    assert seen[0].fields == (field,)


@pytest.mark.parametrize(
    "request_",
    [
        job_service_pb2.WatchJobsRequest(ids=["x"]),
        job_service_pb2.WatchJobsRequest(ids=[str(uuid.uuid4())] * 1001),
        job_service_pb2.WatchJobsRequest(queues=["\0"]),
        job_service_pb2.WatchJobsRequest(owner="\0"),
    ],
    ids=["no id", "too many ids", "queue", "owner"],
)
def test_a_bad_watch_is_refused(calls: Calls, request_: job_service_pb2.WatchJobsRequest):
    with refused("INVALID_FIELD"):
        list(calls.jobs.WatchJobs(request_))


@pytest.mark.parametrize("resume_after", ["1-" + "9" * 5000, "x", "-1", "1-\0"])
def test_a_resume_from_nowhere_starts_anew(calls: Calls, resume_after: str):
    request = job_service_pb2.WatchJobsRequest(queues=["hostile-nothing"], resume_after=resume_after)
    stream = calls.jobs.WatchJobs(request)
    assert next(stream).resync
    stream.cancel()


SOME_ID = "6f2b1a8e-3c4d-4e5f-8a9b-0c1d2e3f4a5b"


@pytest.mark.parametrize("text", ["", "x", "0" * 36, f"{SOME_ID} ", "{" + SOME_ID[2:] + "}"])
def test_anything_but_a_uuid_is_refused_as_an_id(calls: Calls, text: str):
    for act in (calls.get, calls.cancel, calls.retry, calls.delete, calls.explain):
        with refused("INVALID_FIELD") as seen:
            act(text)
        assert seen[0].fields == ("id",)


def test_an_unknown_job_is_not_found_by_any_call(calls: Calls):
    nobody = str(uuid.uuid4())
    for act in (calls.get, calls.cancel, calls.retry, calls.delete, calls.explain):
        with refused("JOB_NOT_FOUND") as seen:
            act(nobody)
        assert seen[0].status == "NOT_FOUND"


@pytest.mark.parametrize("count", [0, 1001])
def test_a_call_holds_1_to_1000_jobs(calls: Calls, count: int):
    with refused("INVALID_FIELD") as seen:
        calls.enqueue(*(new_job("hostile") for _ in range(count)))
    assert seen[0].fields == ("jobs",)


def test_a_request_id_is_a_version_7_uuid(calls: Calls):
    with refused("INVALID_FIELD") as seen:
        calls.enqueue(new_job("hostile"), request_id=str(uuid.uuid4()))
    assert seen[0].fields == ("request_id",)


def test_a_payload_over_one_mebibyte_is_too_large(calls: Calls):
    assert calls.enqueue(new_job("hostile", "x" * (MIB - 2)))
    with refused("TOO_LARGE") as seen:
        calls.enqueue(new_job("hostile", "x" * (MIB - 1)))
    assert seen[0].status == "RESOURCE_EXHAUSTED"


def test_a_message_over_the_cap_is_resource_exhausted_also_on_the_stream(calls: Calls):
    with pytest.raises(grpc.RpcError) as error:
        calls.enqueue(*(new_job("hostile", "x" * MIB) for _ in range(5)))
    assert Refusal.of(error.value).status == "RESOURCE_EXHAUSTED"
    worker = RawWorker(calls, "hostile")
    worker.await_welcome()
    token = str(uuid.uuid4())
    outcome = work_service_pb2.Outcome(
        job_ids=[token], lease_token=token, completed=work_service_pb2.Completed(result_json="1" * 5 * MIB)
    )
    worker.send(outcomes=work_service_pb2.Outcomes(outcomes=[outcome]))
    refusal = worker.await_end()
    assert refusal is not None
    assert refusal.status == "RESOURCE_EXHAUSTED"


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ("{", "INVALID_FIELD"),
        ('"\\u0000"', "INVALID_FIELD"),
        ("1e-20000", "INVALID_FIELD"),
        (f'"{"x" * MIB}"', "TOO_LARGE"),
    ],
    ids=["no JSON", "NUL", "no double", "too large"],
)
def test_a_bad_result_is_refused_and_the_run_goes_on(calls: Calls, result: str, reason: str):
    run = running_job(calls)
    request = work_service_pb2.CompleteJobRequest(job_id=run.job_id, lease_token=run.lease_token, result_json=result)
    with refused(reason):
        calls.work.CompleteJob(request)
    assert calls.complete(run, {"fine": True}) == work_service_pb2.OUTCOME_STATUS_COMMITTED
    assert json.loads(calls.job(run.job_id).result_json) == {"fine": True}


def test_the_value_null_is_a_payload_a_result_and_an_output_like_others(calls: Calls):
    run = running_job(calls)
    assert run.payload_json == "null"
    calls.report(run, "one", one=None)
    calls.complete(run, None)
    found = calls.get(run.job_id)
    assert (found.job.payload_json, found.job.result_json) == ("null", "null")
    assert [(step.name, step.output_json) for step in found.steps] == [("one", "null")]


def test_step_outputs_have_caps_of_their_own(calls: Calls):
    run = running_job(calls)
    with refused("TOO_LARGE"):
        calls.report(run, big="x" * (MIB // 4))
    for number in range(4):
        calls.report(run, **{f"step{number}": "x" * (MIB // 4 - 2)})
    with refused("TOO_LARGE") as seen:
        calls.report(run, one_more="x")
    assert seen[0].status == "RESOURCE_EXHAUSTED"
    assert len(calls.get(run.job_id).steps) == 4


def test_an_endless_step_can_be_read(calls: Calls):
    run = running_job(calls)
    request = work_service_pb2.ReportProgressRequest(job_id=run.job_id, lease_token=run.lease_token)
    request.steps.add(name="long", output_json="1").duration.seconds = MAX_INT64
    request.progress.CopyFrom(job_pb2.Progress(current=MAX_INT64, total=MAX_INT64, message="\0" + "é" * 300))
    calls.work.ReportProgress(request)
    found = calls.get(run.job_id)
    assert found.steps[0].duration.seconds > 0
    assert found.job.progress.total == MAX_INT64
    assert len(found.job.progress.message) == 255


@pytest.mark.parametrize(
    "claim",
    [
        work_service_pb2.ClaimJobsRequest(),
        work_service_pb2.ClaimJobsRequest(queues=["q"]),
        work_service_pb2.ClaimJobsRequest(queues=["Q!"], kinds=["k"]),
        work_service_pb2.ClaimJobsRequest(queues=["q"], kinds=["k" * 65]),
        work_service_pb2.ClaimJobsRequest(queues=[f"q{n}" for n in range(65)], kinds=["k"]),
        work_service_pb2.ClaimJobsRequest(queues=["q"], kinds=["k"], max_jobs=1001),
        work_service_pb2.ClaimJobsRequest(queues=["q"], kinds=["k"], max_jobs=-1),
        work_service_pb2.ClaimJobsRequest(queues=["q"], kinds=["k"], wait={"seconds": 31}),
        work_service_pb2.ClaimJobsRequest(queues=["q"], kinds=["k"], wait={"seconds": -1}),
        work_service_pb2.ClaimJobsRequest(queues=["q"], kinds=["k"], worker="w" * 129),
        work_service_pb2.ClaimJobsRequest(queues=["q"], kinds=["k"], request_id="again"),
    ],
)
def test_a_bad_claim_is_refused(calls: Calls, claim: work_service_pb2.ClaimJobsRequest):
    with refused("INVALID_FIELD"):
        calls.work.ClaimJobs(claim)


@pytest.mark.parametrize(
    "act",
    [
        lambda calls: calls.queues.GetQueue(queue_service_pb2.GetQueueRequest(queue="nobody's")),
        lambda calls: calls.queues.PauseQueue(queue_service_pb2.PauseQueueRequest(queue="\0")),
        lambda calls: calls.queues.ResumeQueue(queue_service_pb2.ResumeQueueRequest()),
        lambda calls: calls.queues.PruneJobs(queue_service_pb2.PruneJobsRequest(queue="nobody's")),
    ],
)
def test_an_unknown_queue_is_not_found(calls: Calls, act: Callable[[Calls], Any]):
    with refused("QUEUE_NOT_FOUND") as seen:
        act(calls)
    assert seen[0].status == "NOT_FOUND"


def test_an_unknown_worker_is_not_found(calls: Calls):
    with refused("WORKER_NOT_FOUND"):
        calls.queues.DrainWorker(queue_service_pb2.DrainWorkerRequest(worker="nobody"))


@pytest.mark.parametrize("kind", ["unary_unary", "unary_stream"])
def test_bytes_that_are_no_message_are_an_invalid_argument(calls: Calls, kind: str):
    method = {"unary_unary": "GetJob", "unary_stream": "WatchJobs"}[kind]
    invoke = getattr(calls.channel, kind)(f"/jobline.v1.JobService/{method}")
    with refused("INVALID_FIELD") as seen:
        answer = invoke(b"\xff\xff\xff\xff", metadata=calls.metadata, timeout=10)
        list(answer)
    assert seen[0].status == "INVALID_ARGUMENT"


def test_bytes_that_are_no_message_break_the_work_stream_as_a_violation(calls: Calls):
    invoke = calls.channel.stream_stream("/jobline.v1.WorkService/Work")
    with refused("PROTOCOL_VIOLATION"):
        list(invoke(iter([b"\xff\xff\xff\xff"]), metadata=calls.metadata, timeout=10))


def test_an_unknown_method_is_unimplemented(calls: Calls):
    invoke = calls.channel.unary_unary("/jobline.v1.JobService/DropTables")
    with pytest.raises(grpc.RpcError) as error:
        invoke(b"", metadata=calls.metadata, timeout=10)
    assert Refusal.of(error.value).status == "UNIMPLEMENTED"
