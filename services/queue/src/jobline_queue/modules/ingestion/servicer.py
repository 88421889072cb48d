"""IngestionService: projects, records in, the jobs of both queues, and what their runs store. Every call asks its right."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import uuid_utils

from jobline.server_calls import accept
from jobline.v1 import ingestion_service_pb2 as pb
from jobline.v1.ingestion_service_pb2_grpc import IngestionServiceServicer
from jobline_queue.core.errors import Forbidden, NotFound, ProjectExists, invalid
from jobline_queue.core.json_text import check_text
from jobline_queue.core.new_job import NewJob, request_time
from jobline_queue.dispatch.active import QueueCore
from jobline_queue.dispatch.enqueuer import Enqueued
from jobline_queue.modules.ingestion import convert
from jobline_queue.modules.ingestion import job as rules
from jobline_queue.modules.ingestion.access import ADMIN, MANAGER, Access, may_use_all, require_role, users_id
from jobline_queue.modules.ingestion.acts import QueueActs
from jobline_queue.modules.ingestion.records import Records
from jobline_queue.modules.ingestion.search import RecordSearch
from jobline_queue.modules.ingestion.store import IngestionStore, Row
from jobline_queue.rpc.convert import seconds
from jobline_queue.rpc.principal import Principal, correlation_id, current

MAX_RECENT = 100
MAX_LISTED, DEFAULT_LISTED = 100, 5
MAX_RETENTION = 100 * 366 * 86400.0
Context = Any
#: (job, chunks, producer, request id, the name of the values) → the stored job, and how many values its input has.
StoreWithInput = Callable[[NewJob, AsyncIterator[str], str, str, str], Awaitable[tuple[Enqueued, int]]]


class IngestionServicer(IngestionServiceServicer):
    """See ingestion_service.proto for what each call promises."""

    def __init__(
        self,
        core: QueueCore,
        access: Access,
        store: IngestionStore,
        acts: QueueActs,
        records: Records,
        search: RecordSearch,
        store_with_input: StoreWithInput,
    ) -> None:
        self._core = core
        self._access = access
        self._store = store
        self._acts = acts
        self._records = records
        self._search = search
        self._store_with_input = store_with_input

    # ---- projects ---------------------------------------------------------------------------------------------------

    async def CreateProject(self, request: pb.CreateProjectRequest, context: Context) -> pb.CreateProjectResponse:
        owner_id = _owner_of_what_is_new(current.get(), request.owner_id)
        if request.id:
            check_text("id", request.id, rules.MAX_ID)
        check_text("name", request.name, rules.MAX_NAME, at_least=1)
        project_id = request.id or str(uuid.uuid4())
        row = await self._store.add_project(project_id, request.name, owner_id)
        if row is None:
            raise ProjectExists(project_id)
        return pb.CreateProjectResponse(project=convert.project_of(row))

    async def GetProject(self, request: pb.GetProjectRequest, context: Context) -> pb.GetProjectResponse:
        row = await self._access.project(current.get(), request.id)
        return pb.GetProjectResponse(project=convert.project_of(row))

    async def ListProjects(self, request: pb.ListProjectsRequest, context: Context) -> pb.ListProjectsResponse:
        principal = current.get()
        rows = await self._store.projects(None if may_use_all(principal) else users_id(principal))
        return pb.ListProjectsResponse(projects=[convert.project_of(row) for row in rows])

    # ---- ingest jobs ------------------------------------------------------------------------------------------------

    async def StartIngest(
        self, requests: AsyncIterator[pb.StartIngestRequest], context: Context
    ) -> pb.StartIngestResponse:
        first = await anext(requests, None)
        if first is None or first.WhichOneof("part") != "ingest":
            raise invalid("ingest", "expected it in the first message")
        wanted, principal = convert.ingest(first.ingest), current.get()
        await self._access.project(principal, wanted.project_id)
        request_id = first.ingest.request_id or str(uuid_utils.uuid7())
        request_time(request_id)
        ingest_job_id = _ingest_job_id(principal, request_id, wanted)
        job = rules.ingest_job(wanted, ingest_job_id, correlation_id.get())
        await accept(context)
        await self._store_with_input(job, _chunks(requests), principal.name, request_id, "records")
        return pb.StartIngestResponse(job=convert.ingest_job_of(await self._ingest_job(ingest_job_id)))

    async def GetIngestJob(self, request: pb.GetIngestJobRequest, context: Context) -> pb.GetIngestJobResponse:
        return pb.GetIngestJobResponse(job=convert.ingest_job_of(await self._ingest_job(request.id)))

    async def ListIngestJobs(self, request: pb.ListIngestJobsRequest, context: Context) -> pb.ListIngestJobsResponse:
        if not 0 <= request.limit <= MAX_LISTED:
            raise invalid("limit", f"expected 1 to {MAX_LISTED}, or 0 for {DEFAULT_LISTED}")
        project = await self._access.project(current.get(), request.project_id)
        rows = await self._store.last_ingest_jobs(project["id"], request.limit or DEFAULT_LISTED)
        return pb.ListIngestJobsResponse(jobs=[convert.ingest_job_of(row) for row in rows])

    async def CancelIngestJob(self, request: pb.CancelIngestJobRequest, context: Context) -> pb.CancelIngestJobResponse:
        await self._acts.cancel_ingest(current.get(), await self._ingest_job(request.id))
        return pb.CancelIngestJobResponse()

    async def _ingest_job(self, ingest_job_id: str) -> Row:
        """One that the caller may see. Raises NotFound (job), also for what is no id, or Forbidden."""
        row = await self._store.ingest_job(ingest_job_id) if rules.id_rule(ingest_job_id) is None else None
        if row is None:
            raise NotFound("job", ingest_job_id[: rules.MAX_ID])
        await self._access.require(current.get(), row["project_id"])
        return row

    # ---- the jobs of both queues ------------------------------------------------------------------------------------

    async def GetIngestionStats(
        self, request: pb.GetIngestionStatsRequest, context: Context
    ) -> pb.GetIngestionStatsResponse:
        require_role(current.get(), MANAGER, ADMIN)
        if not 0 <= request.recent <= MAX_RECENT:
            raise invalid("recent", f"expected 0 to {MAX_RECENT}")
        return convert.overview_of(await self._store.overview(request.recent))

    async def RetryIngestionJob(
        self, request: pb.RetryIngestionJobRequest, context: Context
    ) -> pb.RetryIngestionJobResponse:
        require_role(current.get(), ADMIN)
        await self._acts.retry(current.get(), request.id)
        return pb.RetryIngestionJobResponse()

    async def CancelIngestionJob(
        self, request: pb.CancelIngestionJobRequest, context: Context
    ) -> pb.CancelIngestionJobResponse:
        require_role(current.get(), ADMIN)
        await self._acts.cancel(current.get(), request.id)
        return pb.CancelIngestionJobResponse()

    async def CleanUp(self, request: pb.CleanUpRequest, context: Context) -> pb.CleanUpResponse:
        if current.get().user is not None:
            raise Forbidden("expected a service, on nobody's behalf")
        retention = seconds("retention", request, "retention", MAX_RETENTION)
        pruner = self._core.active.pruner
        return pb.CleanUpResponse(
            deleted=sum([await pruner.apply_retention(queue, retention) for queue in rules.QUEUES.values()])
        )

    # ---- what runs store, and the search over it --------------------------------------------------------------------

    async def SaveRecords(self, request: pb.SaveRecordsRequest, context: Context) -> pb.SaveRecordsResponse:
        return await self._records.save(request)

    async def ListUnembeddedRecords(
        self, request: pb.ListUnembeddedRecordsRequest, context: Context
    ) -> pb.ListUnembeddedRecordsResponse:
        return await self._records.list_unembedded(request)

    async def StoreEmbeddings(self, request: pb.StoreEmbeddingsRequest, context: Context) -> pb.StoreEmbeddingsResponse:
        return await self._records.store_embeddings(request)

    async def SearchRecords(self, request: pb.SearchRecordsRequest, context: Context) -> pb.SearchRecordsResponse:
        await self._access.project(current.get(), request.project_id)
        return await self._search.search(request)


async def _chunks(requests: AsyncIterator[pb.StartIngestRequest]) -> AsyncIterator[str]:
    """Raises InvalidField for a message with something else."""
    async for request in requests:
        if request.WhichOneof("part") != "records":
            raise invalid("records", "expected them in every message but the first")
        yield request.records.items_json


def _ingest_job_id(principal: Principal, request_id: str, ingest: rules.Ingest) -> str:
    """The same for the same call made again, and nobody else's."""
    said = json.dumps(rules.ingest_payload(ingest, ""))
    return str(uuid.uuid5(uuid.UUID(request_id), f"{principal.name}\0{principal.actor}\0{said}"))


def _owner_of_what_is_new(principal: Principal, named: str) -> str:
    """Who will own a new project. Raises InvalidField, or Forbidden for a caller who is no user."""
    if principal.user is None and may_use_all(principal):
        return check_text("owner_id", named, rules.MAX_ID, at_least=1)
    owner_id = users_id(principal)
    if named:
        raise invalid("owner_id", "expected nothing where a Caller is sent")
    return owner_id
