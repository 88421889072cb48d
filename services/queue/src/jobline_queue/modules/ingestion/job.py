"""The two kinds of the database queue: queues, owners, payloads and the rules for them. The same on every way in.

An INGEST_DATA job loads records, which are its input and never in its payload; a VECTORIZE job embeds what is stored.
Programs enqueue both through the client library, so a payload may have keys that mean nothing here, and lack those that have
a default: it is stored as it was given, and defaults are filled in where it is read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobline_queue.core.errors import FieldProblem, InvalidField, invalid
from jobline_queue.core.new_job import NewJob

INGEST, VECTORIZE = "INGEST_DATA", "VECTORIZE"
QUEUES = {INGEST: "ingestion", VECTORIZE: "vectorization"}
TASK, FEEDBACK = "TASK", "FEEDBACK"
TYPES = (TASK, FEEDBACK)
#: A caller waits for what an ingest call stores; vectors come after it.
INGEST_PRIORITY = 1
MAX_ID = 255
MAX_NAME = 255
MAX_KEYWORDS = 100
MAX_KEYWORD = 255
MAX_SOURCE = 2048

#: A function from a value to what it must be; None when it is.
Rule = Callable[[Any], str | None]


def owner(project_id: str) -> str:
    return f"project:{project_id}"


# ---- payloads -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ingest:
    """What an ingest call asks for, the records apart."""

    project_id: str
    type: str
    filter_keywords: Sequence[str]
    generate_embeddings: bool
    #: Where the records come from; empty: nobody knows.
    source: str


def ingest_payload(ingest: Ingest, ingest_job_id: str) -> dict[str, Any]:
    return {
        "ingestJobId": ingest_job_id,
        "projectId": ingest.project_id,
        "generateEmbeddings": ingest.generate_embeddings,
        "source": ingest.source or None,
        "type": ingest.type,
        "filterKeywords": list(ingest.filter_keywords),
    }


def ingest_job(ingest: Ingest, ingest_job_id: str, correlation_id: str) -> NewJob:
    return NewJob(
        queue=QUEUES[INGEST],
        kind=INGEST,
        owner=owner(ingest.project_id),
        priority=INGEST_PRIORITY,
        correlation_id=correlation_id,
        payload=json.dumps(ingest_payload(ingest, ingest_job_id), ensure_ascii=False),
    )


def vectorize_job(
    project_id: str, payload: Mapping[str, Any], correlation_id: str, *, priority: int = 0, max_attempts: int = 0
) -> NewJob:
    """`max_attempts` 0: the queue's."""
    return NewJob(
        queue=QUEUES[VECTORIZE],
        kind=VECTORIZE,
        owner=owner(project_id),
        priority=priority,
        concurrency_key=project_id,
        correlation_id=correlation_id,
        max_attempts=max_attempts,
        payload=json.dumps(payload, ensure_ascii=False),
    )


# ---- rules --------------------------------------------------------------------------------------------------------------


def text_rule(most: int) -> Rule:
    def rule(value: Any) -> str | None:
        fits = isinstance(value, str) and 1 <= len(value) <= most and "\0" not in value
        return None if fits else f"expected a text of 1 to {most} characters without NUL"

    return rule


id_rule = text_rule(MAX_ID)
name_rule = text_rule(MAX_NAME)


def source_rule(value: Any) -> str | None:
    return None if value == "" else text_rule(MAX_SOURCE)(value)


def _type_rule(value: Any) -> str | None:
    return None if value in TYPES else f"expected one of {', '.join(TYPES)}"


def _boolean_rule(value: Any) -> str | None:
    return None if isinstance(value, bool) else "expected true or false"


def keyword_problems(path: str, keywords: Any) -> list[FieldProblem]:
    """What is wrong with filter keywords, each with its place."""
    if not isinstance(keywords, list) or len(keywords) > MAX_KEYWORDS:
        return [FieldProblem(path, f"expected a list of at most {MAX_KEYWORDS} texts")]
    rule = text_rule(MAX_KEYWORD)
    found = [(index, rule(keyword)) for index, keyword in enumerate(keywords)]
    return [FieldProblem(f"{path}[{index}]", problem) for index, problem in found if problem]


_OPTIONAL: Mapping[str, Rule] = {
    "ingestJobId": id_rule,
    "generateEmbeddings": _boolean_rule,
    "source": source_rule,
    "type": _type_rule,
}


def check_ingest(job: NewJob, path: str) -> None:
    """The rules for an INGEST_DATA job, whoever enqueues it."""
    payload = _payload(job, path)
    problems = _problems(payload, f"{path}payload_json.", _OPTIONAL)
    if payload.get("filterKeywords") is not None:
        problems += keyword_problems(f"{path}payload_json.filterKeywords", payload["filterKeywords"])
    if "records" in payload:
        problems.append(FieldProblem(f"{path}payload_json.records", "expected the records as the job's input"))
    _refuse([*_term_problems(job, payload, path), *problems])


def check_vectorize(job: NewJob, path: str) -> None:
    """The rules for a VECTORIZE job, whoever enqueues it."""
    payload = _payload(job, path)
    problems = _term_problems(job, payload, path)
    if job.concurrency_key != payload.get("projectId"):
        problems.append(FieldProblem(f"{path}concurrency_key", "expected the project's id"))
    _refuse([*problems, *_problems(payload, f"{path}payload_json.", {"ingestJobId": id_rule})])


def check_records(values: Sequence[Any], first_number: int, path: str) -> None:
    """Raises InvalidField for the first value that is no record; `first_number` is the number of the first in the call."""
    for number, value in enumerate(values, first_number):
        if not isinstance(value, dict | str):
            raise invalid(f"{path}[{number}]", "expected an object or a string")


def _payload(job: NewJob, path: str) -> dict[str, Any]:
    payload = json.loads(job.payload)
    if not isinstance(payload, dict):
        raise invalid(f"{path}payload_json", "expected an object")
    return payload


def _term_problems(job: NewJob, payload: Mapping[str, Any], path: str) -> list[FieldProblem]:
    queue, project_id = QUEUES[job.kind], payload.get("projectId")
    problems = []
    if job.queue != queue:
        problems.append(FieldProblem(f"{path}queue", f"expected {queue} for kind {job.kind}"))
    if problem := id_rule(project_id):
        problems.append(FieldProblem(f"{path}payload_json.projectId", problem))
    elif job.owner != owner(str(project_id)):
        problems.append(FieldProblem(f"{path}owner", "expected project:{projectId}"))
    return problems


def _problems(payload: Mapping[str, Any], path: str, rules: Mapping[str, Rule]) -> list[FieldProblem]:
    """Of values that may be missing; null counts as missing."""
    found = [(key, rule(payload[key])) for key, rule in rules.items() if payload.get(key) is not None]
    return [FieldProblem(f"{path}{key}", problem) for key, problem in found if problem]


def _refuse(problems: Sequence[FieldProblem]) -> None:
    if problems:
        raise InvalidField(problems)
