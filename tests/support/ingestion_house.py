"""Everybody around the database queue, straight at the queue service: users who load records, and the worker by hand."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from jobline.v1 import account_service_pb2 as account_pb
from jobline.v1 import ingestion_service_pb2 as pb
from jobline.v1 import job_pb2, job_service_pb2, work_service_pb2
from support.queue_calls import DEADLINE, Calls
from support.queue_service import QueueServiceUnderTest

__all__ = [
    "COLUMNS",
    "INGEST",
    "QUEUES",
    "VECTORIZE",
    "IngestionHouse",
    "house_of",
    "part",
    "queue_status",
    "record",
    "status_word",
]

INGEST, VECTORIZE = "INGEST_DATA", "VECTORIZE"
QUEUES = {INGEST: "ingestion", VECTORIZE: "vectorization"}
DIMENSIONS = 1536
#: Of the view `job_queue`, the id apart.
COLUMNS = (
    "job_type status priority payload result progress attempts max_attempts scheduled_for started_at completed_at "
    "created_at updated_at"
)

Run = work_service_pb2.Assignment


def record(number: int | str, **fields: Any) -> dict[str, Any]:
    return {"id": f"r-{number}", "content": f"record number {number} of a test", **fields}


def part(*values: Any) -> pb.StartIngestRequest:
    """A message of records."""
    return pb.StartIngestRequest(records=job_pb2.InputChunk(items_json=json.dumps(values)))


def status_word(job: pb.IngestJob) -> str:
    return pb.IngestStatus.Name(job.status).removeprefix("INGEST_STATUS_")


def queue_status(job: pb.QueueJob) -> str:
    return pb.QueueJobStatus.Name(job.status).removeprefix("QUEUE_JOB_STATUS_")


class IngestionHouse:
    """A fresh project and its owner; the operator plays the worker. Both queues hold its jobs alone."""

    def __init__(self, service: QueueServiceUnderTest) -> None:
        self.service = service
        self.operator = Calls(service.address, service.operator_token)
        self._opened = [self.operator]
        self._empty()
        self.sub = f"user-{uuid.uuid4().hex[:8]}"
        self.owner = self.user(self.sub)
        self.project = self.new_project()

    def close(self) -> None:
        self._empty()
        for calls in self._opened:
            calls.close()

    def _empty(self) -> None:
        for queue in QUEUES.values():
            wanted = job_service_pb2.ListJobsRequest(filter=job_service_pb2.JobFilter(queues=[queue]), page_size=500)
            while jobs := self.operator.jobs.ListJobs(wanted).jobs:
                for job in jobs:
                    self.operator.delete(job.id)

    def user(self, sub: str = "", role: str = "user", email: str = "") -> Calls:
        """The gateway's calls for somebody."""
        caller = account_pb.Caller(sub=sub or f"user-{uuid.uuid4().hex[:8]}", role=role, email=email)
        return self.service_calls(self.service.gateway_token, caller)

    def service_calls(self, token: str, caller: account_pb.Caller | None = None) -> Calls:
        calls = Calls(self.service.address, token, caller)
        self._opened.append(calls)
        return calls

    # ---- what users do ----------------------------------------------------------------------------------------------

    def new_project(self, calls: Calls | None = None, **fields: str) -> str:
        """The id of a new project of the owner, or of the one whose calls these are."""
        wanted = pb.CreateProjectRequest(**{"name": "Feedback", **fields})
        return str((calls or self.owner).ingestion.CreateProject(wanted).project.id)

    def start(
        self,
        records: Sequence[Any] = (record(1),),
        calls: Calls | None = None,
        chunk: int = 100,
        **fields: Any,
    ) -> pb.IngestJob:
        """A new ingest job."""
        parts = [part(*records[at : at + chunk]) for at in range(0, len(records), chunk)]
        return self.send(parts, calls, **fields)

    def send(self, parts: Sequence[pb.StartIngestRequest], calls: Calls | None = None, **fields: Any) -> pb.IngestJob:
        ingest = pb.Ingest(**{"project_id": self.project, **fields})
        return self.send_raw([pb.StartIngestRequest(ingest=ingest), *parts], calls)

    def send_raw(self, messages: Sequence[pb.StartIngestRequest], calls: Calls | None = None) -> pb.IngestJob:
        answer: pb.StartIngestResponse = (calls or self.owner).ingestion.StartIngest(iter(messages), DEADLINE)
        return answer.job

    def ingest_job(self, ingest_job_id: str, calls: Calls | None = None) -> pb.IngestJob:
        found: pb.GetIngestJobResponse = (calls or self.owner).ingestion.GetIngestJob(
            pb.GetIngestJobRequest(id=ingest_job_id)
        )
        return found.job

    def status(self, ingest_job_id: str) -> str:
        return status_word(self.ingest_job(ingest_job_id))

    def cancel_ingest(self, ingest_job_id: str, calls: Calls | None = None) -> None:
        (calls or self.owner).ingestion.CancelIngestJob(pb.CancelIngestJobRequest(id=ingest_job_id))

    # ---- what programs do -------------------------------------------------------------------------------------------

    def new_job(self, kind: str = INGEST, **changed: Any) -> job_service_pb2.NewJob:
        """As a program enqueues one."""
        project = changed.pop("project", self.project)
        payload = changed.pop("payload", {"projectId": project})
        fields = {"queue": QUEUES[kind], "kind": kind, "owner": f"project:{project}"}
        if kind == VECTORIZE:
            fields["concurrency_key"] = project
        return job_service_pb2.NewJob(payload_json=json.dumps(payload), **{**fields, **changed})

    def enqueue(self, kind: str = INGEST, **changed: Any) -> str:
        return self.operator.enqueue(self.new_job(kind, **changed))[0]

    def enqueue_with(self, records: Sequence[Any], **changed: Any) -> str:
        """An INGEST_DATA job with these records as its input."""
        request = job_service_pb2.EnqueueJobWithInputRequest
        chunk = job_pb2.InputChunk(items_json=json.dumps(list(records)))
        job = job_service_pb2.JobWithInput(job=self.new_job(**changed))
        answer = self.operator.jobs.EnqueueJobWithInput(iter([request(job=job), request(chunk=chunk)]))
        return str(answer.job.id)

    # ---- what admins do ---------------------------------------------------------------------------------------------

    def admin(self) -> Calls:
        return self.user("boss", "admin", "admin@example.com")

    def cancel(self, job_id: str, calls: Calls | None = None) -> None:
        (calls or self.operator).ingestion.CancelIngestionJob(pb.CancelIngestionJobRequest(id=job_id))

    def retry(self, job_id: str, calls: Calls | None = None) -> None:
        (calls or self.operator).ingestion.RetryIngestionJob(pb.RetryIngestionJobRequest(id=job_id))

    def stats(self, recent: int = 20, calls: Calls | None = None) -> pb.GetIngestionStatsResponse:
        found: pb.GetIngestionStatsResponse = (calls or self.operator).ingestion.GetIngestionStats(
            pb.GetIngestionStatsRequest(recent=recent)
        )
        return found

    def clean_up(self, seconds: int | None = None, calls: Calls | None = None) -> int:
        request = pb.CleanUpRequest()
        if seconds is not None:
            request.retention.FromSeconds(seconds)
        return int((calls or self.operator).ingestion.CleanUp(request).deleted)

    # ---- what workers do --------------------------------------------------------------------------------------------

    def claim(self, kind: str = INGEST) -> Run:
        """The next run; it must come."""
        return self.operator.claim_one(QUEUES[kind], kind=kind)

    def claim_now(self, kind: str = INGEST, most: int = 10) -> list[Run]:
        """What may start at once."""
        return self.operator.claim(QUEUES[kind], kinds=[kind], most=most)

    def save(self, run: Run, first: int, records: Sequence[Any], mismatches: int = 0) -> pb.SaveRecordsResponse:
        """A batch of a run; a record's id is its `id`."""
        request = pb.SaveRecordsRequest(job_id=run.job_id, lease_token=run.lease_token, first_item=first)
        request.items, request.keyword_mismatches = len(records) + mismatches, mismatches
        for each in records:
            ids = [str(each["id"])] if "id" in each else []
            request.records.add(content=each["content"], record_ids=ids, metadata_json=json.dumps(each))
        saved: pb.SaveRecordsResponse = self.operator.ingestion.SaveRecords(request)
        return saved

    def ingest(self, run: Run, records: Sequence[Any], mismatches: int = 0) -> None:
        """The whole of a small run."""
        answer = self.save(run, 0, records, mismatches)
        self.operator.complete(run, {"savedCount": answer.saved, "skippedCount": answer.skipped})

    def embed(self, run: Run, most: int = 250) -> int:
        """Gives up to so many records of the run's project a vector; how many."""
        named = {"job_id": run.job_id, "lease_token": run.lease_token}
        wanted = pb.ListUnembeddedRecordsRequest(**named, limit=most)
        found = self.operator.ingestion.ListUnembeddedRecords(wanted).records
        if not found:
            return 0
        request = pb.StoreEmbeddingsRequest(**named)
        for each in found:
            request.embeddings.add(record_id=each.id).vector.values.extend([1.0] + [0.0] * (DIMENSIONS - 1))
        return int(self.operator.ingestion.StoreEmbeddings(request).stored)

    def vectorize(self, run: Run, most: int = 250) -> int:
        """The whole of a run."""
        count = self.embed(run, most)
        self.operator.complete(run, {"vectorizedCount": count})
        return count

    # ---- what operators read ----------------------------------------------------------------------------------------

    def row(self, job_id: str) -> dict[str, Any]:
        """The job in the view that operators query."""
        (values,) = self.service.execute(f"SELECT {COLUMNS.replace(' ', ', ')} FROM job_queue WHERE id = %s", job_id)
        return dict(zip(COLUMNS.split(), values, strict=True))

    def jobs_of(self, kind: str = INGEST, project: str = "") -> list[str]:
        """The ids of a project's jobs of a kind, oldest first."""
        rows = self.service.execute(
            "SELECT CAST(id AS text) FROM jobline.jobs WHERE kind = %s AND owner = %s ORDER BY seq",
            kind,
            f"project:{project or self.project}",
        )
        return [job_id for (job_id,) in rows]


def house_of(service: QueueServiceUnderTest) -> Iterator[IngestionHouse]:
    """For fixtures."""
    house = IngestionHouse(service)
    yield house
    house.close()
