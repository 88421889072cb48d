"""CommunicationService: messages in, lists and numbers out, acts on them. Every call asks for its right first."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

import uuid_utils

from jobline.v1 import communication_service_pb2 as pb
from jobline.v1.communication_service_pb2_grpc import CommunicationServiceServicer
from jobline_queue.core.errors import NotFound, invalid
from jobline_queue.core.new_job import NewJob, request_time
from jobline_queue.dispatch.active import QueueCore
from jobline_queue.dispatch.enqueuer import Enqueued
from jobline_queue.modules.communications import convert, submit
from jobline_queue.modules.communications.access import Access, Action
from jobline_queue.modules.communications.acts import MessageActs
from jobline_queue.modules.communications.filters import place_of, sent_place
from jobline_queue.modules.communications.health import judge
from jobline_queue.modules.communications.job import MAX_ID, QUEUE, Draft, text_rule
from jobline_queue.modules.communications.order import OUTBOX, Order
from jobline_queue.modules.communications.store import MessageStore, Row
from jobline_queue.modules.communications.workers import Workers
from jobline_queue.rpc import page_token
from jobline_queue.rpc.convert import is_uuid
from jobline_queue.rpc.principal import correlation_id, current

MAX_PAGE = 1000
DEFAULT_PAGE = 50
#: Of payloads in one page. A page of longer ones is shorter.
MAX_PAGE_BYTES = 32 * 1024 * 1024
#: The same for one message of a stream: what gRPC takes where nothing else is set is 4 MiB.
MAX_BATCH_BYTES = 2 * 1024 * 1024
Context = Any
StoreJobs = Callable[[QueueCore, Sequence[NewJob], str, str], Awaitable[list[Enqueued]]]


class CommunicationServicer(CommunicationServiceServicer):
    """See communication_service.proto for what each call promises."""

    def __init__(
        self,
        core: QueueCore,
        access: Access,
        store: MessageStore,
        acts: MessageActs,
        workers: Workers,
        store_jobs: StoreJobs,
    ) -> None:
        self._core = core
        self._access = access
        self._store = store
        self._acts = acts
        self._workers = workers
        self._store_jobs = store_jobs

    async def _require(self, request: Any, action: Action) -> str:
        """The business of a call that has this right in it."""
        business_id: str = request.business_id
        await self._access.require(current.get(), business_id, action)
        return business_id

    async def Authorize(self, request: pb.AuthorizeRequest, context: Context) -> pb.AuthorizeResponse:
        if request.action not in convert.ACTIONS:
            raise invalid("action", "must be an Action other than UNSPECIFIED")
        await self._require(request, convert.ACTIONS[request.action])
        return pb.AuthorizeResponse()

    # ---- in ---------------------------------------------------------------------------------------------------------

    async def SubmitMessages(self, request: pb.SubmitMessagesRequest, context: Context) -> pb.SubmitMessagesResponse:
        business_id = await self._require(request, Action.CREATE)
        submit.check_size(request.messages)
        drafts = [convert.draft(each) for each in request.messages]
        names = submit.named_templates(drafts)
        templates = await self._store.templates(business_id, names) if names else {}
        request_id = request.request_id or str(uuid_utils.uuid7())
        request_time(request_id)
        producer = current.get().name
        drafts = submit.identified(drafts, uuid.uuid5(uuid.UUID(request_id), f"{producer}\0{business_id}"))
        jobs = submit.jobs_of(business_id, drafts, templates, correlation_id.get())
        stored = await self._store_jobs(self._core, jobs, producer, request_id)
        return pb.SubmitMessagesResponse(messages=await self._as_stored([each.id for each in stored], drafts))

    async def _as_stored(self, ids: Sequence[str], drafts: Sequence[Draft]) -> list[pb.Message]:
        active = self._core.active
        created = await self._store.created_at(ids)
        now = datetime.fromtimestamp(active.term.clock.now(), UTC)  # for one that was deleted since
        most = active.dispatcher.policy(QUEUE).max_attempts
        return [
            convert.new_message(job_id, draft, created.get(job_id, now), most)
            for job_id, draft in zip(ids, drafts, strict=True)
        ]

    # ---- out --------------------------------------------------------------------------------------------------------

    async def GetMessageStats(self, request: pb.GetMessageStatsRequest, context: Context) -> pb.GetMessageStatsResponse:
        business_id = await self._require(request, Action.VIEW)
        return pb.GetMessageStatsResponse(stats=convert.stats_of(await self._store.stats(business_id)))

    async def GetMessageHealth(
        self, request: pb.GetMessageHealthRequest, context: Context
    ) -> pb.GetMessageHealthResponse:
        business_id = await self._require(request, Action.VIEW)
        stats = await self._store.stats(business_id)
        verdict = judge(stats, datetime.fromtimestamp(self._core.active.term.clock.now(), UTC))
        return pb.GetMessageHealthResponse(
            healthy=verdict.healthy, alert=verdict.alert, reasons=verdict.reasons, stats=convert.stats_of(stats)
        )

    async def ListMessages(self, request: pb.ListMessagesRequest, context: Context) -> pb.ListMessagesResponse:
        business_id = await self._require(request, Action.VIEW_JOBS)
        where = convert.message_filter(request.filter)
        order = _order(request.order)
        size = _size("page_size", request.page_size)
        after = page_token.decode(request.page_token, order) if request.page_token else None
        rows = await self._store.page(business_id, where, order, size + 1, after)
        page = _fitting(rows[:size], MAX_PAGE_BYTES)
        more = len(rows) > len(page)
        return pb.ListMessagesResponse(
            messages=[convert.message_of(row) for row in page],
            next_page_token=page_token.encode(order, place_of(order, page[-1])) if more else "",
        )

    async def ExportMessages(
        self, request: pb.ExportMessagesRequest, context: Context
    ) -> AsyncIterator[pb.ExportMessagesResponse]:
        business_id = await self._require(request, Action.VIEW_JOBS)
        where = convert.message_filter(request.filter)
        async with aclosing(self._store.export(business_id, where)) as batches:
            async for rows in batches:
                for part in _parts(rows):
                    yield pb.ExportMessagesResponse(messages=map(convert.message_of, part))

    async def GetMessage(self, request: pb.GetMessageRequest, context: Context) -> pb.GetMessageResponse:
        business_id = await self._require(request, Action.VIEW_JOBS)
        message_id = request.id.lower()
        row = await self._store.get(business_id, message_id) if is_uuid(message_id) else None
        if row is None:
            raise NotFound("job", request.id)
        return pb.GetMessageResponse(message=convert.message_of(row))

    async def ListCommunicationMessages(
        self, request: pb.ListCommunicationMessagesRequest, context: Context
    ) -> AsyncIterator[pb.ListCommunicationMessagesResponse]:
        business_id = await self._require(request, Action.VIEW_JOBS)
        if text_rule(request.communication_id, MAX_ID):
            return
        async with aclosing(self._store.of_communication(business_id, request.communication_id)) as batches:
            async for rows in batches:
                for part in _parts(rows):
                    yield pb.ListCommunicationMessagesResponse(messages=map(convert.message_of, part))

    async def ListOutbox(self, request: pb.ListOutboxRequest, context: Context) -> pb.ListOutboxResponse:
        business_id = await self._require(request, Action.VIEW_JOBS)
        limit = _size("limit", request.limit)
        after = page_token.decode(request.page_token, OUTBOX).seq if request.page_token else 0
        known = not request.communication_id or text_rule(request.communication_id, MAX_ID) is None
        rows = await self._store.outbox(business_id, request.communication_id, limit + 1, after) if known else []
        page = rows[:limit]
        return pb.ListOutboxResponse(
            entries=[convert.outbox_entry(row) for row in page],
            next_page_token=page_token.encode(OUTBOX, sent_place(page[-1])) if len(rows) > limit else "",
        )

    # ---- acts -------------------------------------------------------------------------------------------------------

    async def ProcessMessages(self, request: pb.ProcessMessagesRequest, context: Context) -> pb.ProcessMessagesResponse:
        done = await self._workers.process(await self._require(request, Action.PROCESS))
        return pb.ProcessMessagesResponse(
            attempted=done.attempted, succeeded=done.succeeded, failed=done.failed, complete=done.complete
        )

    async def RetryMessage(self, request: pb.RetryMessageRequest, context: Context) -> pb.RetryMessageResponse:
        business_id = await self._require(request, Action.RETRY)
        row = await self._acts.retry(business_id, request.id, current.get().actor)
        return pb.RetryMessageResponse(message=convert.message_of(row))

    async def RetryFailedMessages(
        self, request: pb.RetryFailedMessagesRequest, context: Context
    ) -> pb.RetryFailedMessagesResponse:
        business_id = await self._require(request, Action.RETRY)
        where = convert.failed_filter(request)
        expected = request.expected_count if request.HasField("expected_count") else None
        actor = current.get().actor
        count, sample = await self._acts.retry_failed(business_id, where, actor, request.dry_run, expected)
        return pb.RetryFailedMessagesResponse(count=count, sample=[convert.message_of(row) for row in sample])

    async def CancelMessage(self, request: pb.CancelMessageRequest, context: Context) -> pb.CancelMessageResponse:
        business_id = await self._require(request, Action.CANCEL)
        row = await self._acts.cancel(business_id, request.id, current.get().actor)
        return pb.CancelMessageResponse(message=convert.message_of(row))

    async def DeleteMessage(self, request: pb.DeleteMessageRequest, context: Context) -> pb.DeleteMessageResponse:
        business_id = await self._require(request, Action.DELETE)
        await self._acts.delete(business_id, request.id, current.get().actor)
        return pb.DeleteMessageResponse()


def _fitting(rows: Sequence[Row], most: int) -> Sequence[Row]:
    """As many of the rows as have payloads of up to `most` bytes together, at least one."""
    ends = accumulate(len(row["payload"].encode()) for row in rows)
    return rows[: max(1, sum(end <= most for end in ends))]


def _parts(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """The rows in as many messages of a stream as they need."""
    while rows:
        part = _fitting(rows, MAX_BATCH_BYTES)
        yield part
        rows = rows[len(part) :]


def _size(field: str, asked: int) -> int:
    size = asked or DEFAULT_PAGE
    if not 1 <= size <= MAX_PAGE:
        raise invalid(field, f"must be an integer from 1 to {MAX_PAGE}")
    return size


def _order(number: int) -> Order:
    try:
        return Order(number)
    except ValueError:
        raise invalid("order", "must be a MessageOrder") from None
