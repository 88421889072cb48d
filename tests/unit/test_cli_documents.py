"""The JSON of the command line has the keys and values that docs/operations.md promises."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from google.protobuf.message import Message

from jobline.cli.documents import document
from jobline.client import Change, JobState, Lease, Progress, WaitReason
from jobline.client import convert as from_contract
from jobline.client import convert_queues as queues_from_contract
from jobline.v1 import account_service_pb2, job_pb2, job_service_pb2, queue_pb2
from support.job_values import job_value


def fields_of(message: Message) -> list[str]:
    return [field.name for field in message.DESCRIPTOR.fields]


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (document(from_contract.job(job_pb2.Job())), job_pb2.Job()),
        (document(from_contract.attempt(job_pb2.Attempt())), job_pb2.Attempt()),
        (document(queues_from_contract.queue(queue_pb2.Queue())), queue_pb2.Queue()),
        (document(queues_from_contract.queue(queue_pb2.Queue()))["policy"], queue_pb2.QueuePolicy()),
        (document(queues_from_contract.queue(queue_pb2.Queue()))["stats"], queue_pb2.QueueStats()),
        (document(queues_from_contract.worker(queue_pb2.WorkerInfo())), queue_pb2.WorkerInfo()),
        (document(queues_from_contract.held_job(queue_pb2.HeldJob())), queue_pb2.HeldJob()),
        (document(queues_from_contract.trends(queue_pb2.QueueTrends())), queue_pb2.QueueTrends()),
        (document(queues_from_contract.trend_point(queue_pb2.TrendPoint())), queue_pb2.TrendPoint()),
        (
            document(from_contract.change(job_service_pb2.WatchJobsResponse())),
            job_service_pb2.WatchJobsResponse(),
        ),
        (document(from_contract.credits(account_service_pb2.Credits())), account_service_pb2.Credits()),
        (document(Lease("w", "s", None, True)), job_pb2.Lease()),
        (document(Progress("s", 1, 2, "")), job_pb2.Progress()),
        (
            document(from_contract.job_details(job_service_pb2.GetJobResponse(steps=[job_pb2.StepOutput()])).steps[0]),
            job_pb2.StepOutput(),
        ),
        (document(from_contract.event(job_pb2.JobEvent())), job_pb2.JobEvent()),
        (document(from_contract.bulk_progress(job_service_pb2.BulkProgress())), job_service_pb2.BulkProgress()),
        (document(WaitReason("C", "d")), job_service_pb2.WaitReason()),
    ],
    ids=lambda value: value.DESCRIPTOR.name if isinstance(value, Message) else "",
)
def test_the_keys_are_the_fields_of_the_contract_in_its_order(told: dict[str, object], message: Message) -> None:
    assert list(told) == fields_of(message)


def test_numbers_are_numbers_and_states_are_words_at_every_depth() -> None:
    job = job_value("j", JobState.SUCCEEDED, seq=2**53 + 1, progress=Progress("s", 1, 4, ""), labels={"a": "b"})
    told = document(Change("1-1", False, job, ""))["job"]
    assert (told["seq"], told["progress"]["current"]) == (2**53 + 1, 1)
    assert told["state"] == "succeeded"
    assert told["labels"] == {"a": "b"}
    assert told["lease"] is None


def test_times_are_texts_in_utc_and_durations_are_seconds() -> None:
    evening = datetime(2026, 11, 22, 3, 0, 0, 5000, tzinfo=timezone(timedelta(hours=2)))
    assert document(evening) == "2026-11-22T01:00:00.005000Z"
    queue = queue_pb2.Queue()
    queue.stats.oldest_ready_age.FromMilliseconds(1500)
    assert document(queues_from_contract.queue(queue))["stats"]["oldest_ready_age"] == 1.5
