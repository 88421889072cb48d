"""The rules for jobs of the database queue, and how its runs end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobline_queue.core.ending import Completed, Failed, Lost, Released, RunError, end_run
from jobline_queue.core.errors import InvalidField
from jobline_queue.core.lifecycle import Arrow, State
from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.new_job import NewJob
from jobline_queue.core.policy import load_policies
from jobline_queue.core.retry import backoff
from jobline_queue.modules.ingestion import endings
from jobline_queue.modules.ingestion import job as rules

POLICIES = load_policies()
OWN = {"projectId": "p"}


def ingest(payload: Any, **changed: Any) -> NewJob:
    return NewJob(
        **{"queue": "ingestion", "kind": "INGEST_DATA", "owner": "project:p", **changed, "payload": json.dumps(payload)}
    )


def vectorize(payload: Any, **changed: Any) -> NewJob:
    terms = {"queue": "vectorization", "kind": "VECTORIZE", "owner": "project:p", "concurrency_key": "p"}
    return NewJob(**{**terms, **changed, "payload": json.dumps(payload)})


def problems(job: NewJob) -> list[str]:
    check = rules.check_ingest if job.kind == rules.INGEST else rules.check_vectorize
    try:
        check(job, "jobs[0].")
    except InvalidField as error:
        return [problem.field.removeprefix("jobs[0].") for problem in error.problems]
    return []


_ALL_KEYS = ("ingestJobId", "type", "filterKeywords", "generateEmbeddings", "source")


@pytest.mark.parametrize(
    "optional",
    [
        {},
        dict(zip(_ALL_KEYS, ("ingest-123", "FEEDBACK", ["a", "b"], False, "s"), strict=True)),
        dict.fromkeys(_ALL_KEYS),
        {"filterKeywords": [], "source": "", "mine": {"deep": [1]}},
    ],
)
def test_what_a_program_may_enqueue(optional: dict[str, Any]):
    assert problems(ingest({**OWN, **optional})) == []


@pytest.mark.parametrize(
    ("payload", "fields"),
    [
        ([], ["payload_json"]),
        ("p", ["payload_json"]),
        (None, ["payload_json"]),
        ({}, ["payload_json.projectId"]),
        ({"projectId": 7}, ["payload_json.projectId"]),
        ({"projectId": "x" * 256}, ["payload_json.projectId"]),
        ({**OWN, "ingestJobId": ""}, ["payload_json.ingestJobId"]),
        ({**OWN, "ingestJobId": "x" * 256}, ["payload_json.ingestJobId"]),
        ({**OWN, "ingestJobId": 7}, ["payload_json.ingestJobId"]),
        ({**OWN, "type": "task"}, ["payload_json.type"]),
        ({**OWN, "generateEmbeddings": "true"}, ["payload_json.generateEmbeddings"]),
        ({**OWN, "source": 1}, ["payload_json.source"]),
        ({**OWN, "filterKeywords": "a,b"}, ["payload_json.filterKeywords"]),
        ({**OWN, "filterKeywords": ["a", 1, ""]}, ["payload_json.filterKeywords[1]", "payload_json.filterKeywords[2]"]),
        ({**OWN, "records": []}, ["payload_json.records"]),
    ],
)
def test_what_a_program_may_not_enqueue(payload: Any, fields: list[str]):
    assert problems(ingest(payload)) == fields


@pytest.mark.parametrize(
    ("job", "fields"),
    [
        (vectorize(OWN), []),
        (vectorize({**OWN, "ingestJobId": "i", "more": 1}), []),
        (vectorize({**OWN, "ingestJobId": 1}), ["payload_json.ingestJobId"]),
        (vectorize(OWN, concurrency_key=""), ["concurrency_key"]),
        (vectorize(OWN, concurrency_key="q"), ["concurrency_key"]),
        (vectorize(OWN, owner="project:q"), ["owner"]),
        (vectorize(OWN, queue="ingestion"), ["queue"]),
        (ingest(OWN, queue="vectorization"), ["queue"]),
        (ingest(OWN, owner="user:p"), ["owner"]),
        (ingest(OWN, owner=""), ["owner"]),
    ],
)
def test_terms_belong_to_the_project(job: NewJob, fields: list[str]):
    assert problems(job) == fields


def test_records_are_objects_and_strings_and_numbered_in_the_whole_call():
    rules.check_records([{}, "", {"a": 1}], 5, "records")
    with pytest.raises(InvalidField) as refusal:
        rules.check_records([{}, 1.5, None], 5, "records")
    assert [problem.field for problem in refusal.value.problems] == ["records[6]"]


def test_both_queues_wait_longer_after_each_failure_up_to_five_minutes():
    for queue in rules.QUEUES.values():
        policy = POLICIES[queue]
        assert [backoff(attempt, policy.backoff) for attempt in range(1, 9)] == [10, 20, 40, 80, 160, 300, 300, 300]
        assert (policy.max_attempts, policy.timeout, policy.retention) == (3, None, 7 * 86400)


# ---- ends ---------------------------------------------------------------------------------------------------------------


def running(attempt: int = 0, most: int = 3) -> LiveJob:
    return LiveJob(
        "id", "ingestion", "INGEST_DATA", "project:p", "x", 1, 0.0, 1, "", "", "{}", "{}", attempt, most, 0, 0.0
    )


POLICY = POLICIES["ingestion"]
FINAL = Failed(RunError("BROKEN", "hopeless", False))


@pytest.mark.parametrize("attempt", [0, 1, 2])
def test_no_worker_gives_a_job_up_before_its_last_attempt(attempt: int):
    job = running(attempt)
    end = end_run(job, POLICY, FINAL, 100.0)
    assert end.error is not None
    assert endings.is_given_up(job, end) == (attempt < 2)
    again = endings.tried_again(job, POLICY, end.error, 100.0)
    assert again.attempt == attempt + 1
    assert again.state is (State.PENDING if attempt < 2 else State.FAILED)
    assert again.error == RunError("BROKEN", "hopeless", True)
    if attempt < 2:
        assert again.run_at == 100.0 + (10, 20)[attempt]


@pytest.mark.parametrize("outcome", [Completed("null"), Released(), Failed(RunError("X", "x", True))])
def test_other_ends_are_nobodys_decision_to_give_up(outcome: Any):
    job = running()
    assert not endings.is_given_up(job, end_run(job, POLICY, outcome, 0.0))


@pytest.mark.parametrize("losses", [0, 1, 2])
def test_a_lost_worker_has_one_wording(losses: int):
    job = running(losses)
    job.losses, job.received = losses, True
    end = endings.worded(end_run(job, POLICY, Lost(), 0.0))
    assert end.arrow is Arrow.RESCUE
    assert end.error is not None
    assert end.error.message == "worker lost"


def test_a_delivery_that_never_arrived_is_no_failure():
    end = end_run(running(), POLICY, Lost(), 0.0)
    assert endings.worded(end) == end
    assert end.error is None
