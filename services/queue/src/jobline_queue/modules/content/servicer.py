"""ContentService: jobs in and their story out, acts on them, and what they leave behind. All of it is the owner's alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from itertools import accumulate
from typing import Any

from jobline.v1 import content_service_pb2 as pb
from jobline.v1.content_service_pb2_grpc import ContentServiceServicer
from jobline_queue.core.errors import IllegalTransition, NotFound, StaleLease, invalid
from jobline_queue.core.new_job import NewJob
from jobline_queue.dispatch.active import QueueCore
from jobline_queue.dispatch.acts import Act, ActAnswer, CancelJob, RetryJob
from jobline_queue.dispatch.enqueuer import Enqueued
from jobline_queue.modules.accounts.store import AccountStore
from jobline_queue.modules.content import convert
from jobline_queue.modules.content.broker import Broker
from jobline_queue.modules.content.job import analysis_job, generation_job, owners_of, user_of
from jobline_queue.modules.content.owners import Owners, acting_owners
from jobline_queue.modules.content.shapes import MAX_CTAS
from jobline_queue.modules.content.store import ContentStore, Row
from jobline_queue.rpc import page_token
from jobline_queue.rpc.convert import is_uuid
from jobline_queue.rpc.page_token import Place
from jobline_queue.rpc.principal import correlation_id, current

MAX_PAGE = 100
DEFAULT_PAGE = 20
#: Of texts in a page of posts: an answer is 4 MiB at most.
MAX_PAGE_BYTES = 3 * 1024 * 1024
#: Calls to action that a writer is told of.
WRITERS_CTAS = 20
#: The orders of the two lists, in their page tokens.
JOBS, POSTS = 0, 1
Context = Any
StoreJobs = Callable[[QueueCore, Sequence[NewJob], str, str], Awaitable[list[Enqueued]]]
Perform = Callable[[Any, Callable[[ActAnswer], Act]], Awaitable[None]]


class ContentServicer(ContentServiceServicer):
    """See content_service.proto for what each call promises."""

    def __init__(
        self,
        core: QueueCore,
        store: ContentStore,
        accounts: AccountStore,
        broker: Broker,
        store_jobs: StoreJobs,
        perform: Perform,
    ) -> None:
        self._core = core
        self._store = store
        self._accounts = accounts
        self._broker = broker
        self._store_jobs = store_jobs
        self._perform = perform

    # ---- jobs in ----------------------------------------------------------------------------------------------------

    async def CreateWebsiteAnalysis(
        self, request: pb.CreateWebsiteAnalysisRequest, context: Context
    ) -> pb.CreateWebsiteAnalysisResponse:
        owners = acting_owners(request.owner)
        job = analysis_job(owners.first, request.url, correlation_id.get())
        return pb.CreateWebsiteAnalysisResponse(id=await self._create(owners, job, request.request_id))

    async def CreateContentGeneration(
        self, request: pb.CreateContentGenerationRequest, context: Context
    ) -> pb.CreateContentGenerationResponse:
        owners = acting_owners(request.owner)
        owners.user()
        job = generation_job(owners.first, owners.session, request.input_json, correlation_id.get())
        return pb.CreateContentGenerationResponse(id=await self._create(owners, job, request.request_id))

    async def _create(self, owners: Owners, job: NewJob, request_id: str) -> str:
        await self._broker.require()
        user = user_of(owners.first)
        if owners.named and user is not None:  # one with a token is known already
            await self._accounts.ensure(user, "", {})
        (stored,) = await self._store_jobs(self._core, [job], current.get().name, request_id)
        return stored.id

    # ---- jobs out ---------------------------------------------------------------------------------------------------

    async def GetContentJob(self, request: pb.GetContentJobRequest, context: Context) -> pb.GetContentJobResponse:
        return pb.GetContentJobResponse(job=self._shown(await self._job(request)))

    async def ListContentJobs(self, request: pb.ListContentJobsRequest, context: Context) -> pb.ListContentJobsResponse:
        owners = acting_owners(request.owner)
        types = convert.words("types", request.types, convert.TYPES)
        statuses = convert.words("statuses", request.statuses, convert.STATUSES)
        size, after = _page(request, JOBS)
        rows = await self._store.jobs(owners.all, types, statuses, size + 1, after)
        page = rows[:size]
        return pb.ListContentJobsResponse(
            jobs=[self._shown(row) for row in page], next_page_token=_next(JOBS, page, rows)
        )

    def _shown(self, row: Row) -> pb.ContentJob:
        """A row with the estimate of the term; the row has a guess, which stands while no run of the kind has ended."""
        job = convert.job_of(row)
        dispatcher = self._core.active.dispatcher
        live = dispatcher.jobs.get(row["id"])
        if live is not None and live.lease is not None and job.status == pb.CONTENT_JOB_STATUS_RUNNING:
            rest = dispatcher.forecast.estimate(live).p50
            if rest is not None:
                job.estimated_seconds_remaining = round(rest)
        return job

    async def _job(self, request: Any) -> Row:
        owners = acting_owners(request.owner)
        job_id = _job_id(request.id)
        row = await self._store.job(owners.all, job_id)
        if row is None:
            raise NotFound("job", job_id)
        return row

    # ---- acts -------------------------------------------------------------------------------------------------------

    async def CancelContentJob(
        self, request: pb.CancelContentJobRequest, context: Context
    ) -> pb.CancelContentJobResponse:
        job_id, actor = (await self._job(request))["id"], current.get().actor
        await self._do("cancel", lambda answer: CancelJob(job_id, actor, "", answer))
        return pb.CancelContentJobResponse()

    async def RetryContentJob(self, request: pb.RetryContentJobRequest, context: Context) -> pb.RetryContentJobResponse:
        job_id, actor = (await self._job(request))["id"], current.get().actor
        await self._broker.require()
        await self._do("retry", lambda answer: RetryJob(job_id, actor, answer))
        return pb.RetryContentJobResponse()

    async def _do(self, arrow: str, make: Callable[[ActAnswer], Act]) -> None:
        try:
            await self._perform(self._core.active, make)
        except IllegalTransition as error:
            state = error.metadata["state"]
            raise IllegalTransition(arrow, convert.STATE_WORDS.get(state, state)) from None

    # ---- what jobs leave behind -------------------------------------------------------------------------------------

    async def GetJobOrganization(
        self, request: pb.GetJobOrganizationRequest, context: Context
    ) -> pb.GetJobOrganizationResponse:
        job = self._core.active.dispatcher.current_run(request.job_id, request.lease_token)
        if job is None:
            raise StaleLease
        given = await self._store.input(job.id)
        organization_id = _id_in(given["input"] if given else {})
        owners = owners_of(job.owner, job.labels)
        row = await self._store.organization(owners, organization_id) if organization_id else None
        if row is None:
            return pb.GetJobOrganizationResponse()
        return pb.GetJobOrganizationResponse(
            organization=convert.organization_of(row),
            calls_to_action=[convert.cta_of(cta) for cta in await self._store.ctas(row, WRITERS_CTAS)],
        )

    async def GetMedia(self, request: pb.GetMediaRequest, context: Context) -> pb.GetMediaResponse:
        row = await self._store.medium(request.name) if "\0" not in request.name else None
        if row is None:
            raise NotFound("media", request.name)
        return pb.GetMediaResponse(content_type=row["content_type"], content=row["content"])

    async def ListOrganizations(
        self, request: pb.ListOrganizationsRequest, context: Context
    ) -> pb.ListOrganizationsResponse:
        rows = await self._store.organizations(acting_owners(request.owner).all)
        return pb.ListOrganizationsResponse(organizations=[convert.organization_of(row) for row in rows])

    async def GetOrganization(self, request: pb.GetOrganizationRequest, context: Context) -> pb.GetOrganizationResponse:
        owners = acting_owners(request.owner)
        organization_id = request.id.lower()
        row = await self._store.organization(owners.all, organization_id) if is_uuid(organization_id) else None
        if row is None:
            raise NotFound("organization", request.id)
        return pb.GetOrganizationResponse(
            organization=convert.organization_of(row),
            calls_to_action=[convert.cta_of(cta) for cta in await self._store.ctas(row, MAX_CTAS)],
        )

    async def ListPosts(self, request: pb.ListPostsRequest, context: Context) -> pb.ListPostsResponse:
        user = acting_owners(request.owner).user()
        size, after = _page(request, POSTS)
        rows = await self._store.posts(user, size + 1, after)
        page = _fitting(rows[:size])
        return pb.ListPostsResponse(
            posts=[convert.post_of(row) for row in page], next_page_token=_next(POSTS, page, rows)
        )


def _job_id(text: str) -> str:
    """Raises NotFound for what is no id at all."""
    job_id = text.lower()
    if not is_uuid(job_id):
        raise NotFound("job", text)
    return job_id


def _id_in(given: Any) -> str:
    """The id of the organization that an input names; empty for none that could exist."""
    named = given.get("organizationId", "").lower()
    return named if is_uuid(named) else ""


def _page(request: Any, order: int) -> tuple[int, Place | None]:
    size = request.page_size or DEFAULT_PAGE
    if not 1 <= size <= MAX_PAGE:
        raise invalid("page_size", f"expected 1 to {MAX_PAGE}")
    return size, page_token.decode(request.page_token, order) if request.page_token else None


def _next(order: int, page: Sequence[Row], rows: Sequence[Row]) -> str:
    """The token for what follows the page; empty if it has all rows."""
    if len(page) == len(rows):
        return ""
    return page_token.encode(order, Place(0, page[-1]["created_at"], page[-1]["seq"]))


def _fitting(rows: Sequence[Row]) -> Sequence[Row]:
    """As many posts as fit into one answer, at least one."""
    ends = accumulate(len(row["content"].encode()) + len(row["title"].encode()) for row in rows)
    return rows[: max(1, sum(end <= MAX_PAGE_BYTES for end in ends))]
