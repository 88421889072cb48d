"""EmailService: batches in, the live list, cancel, and the finished e-mails. Authorisation: everything is the user's own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from jobline.v1 import email_service_pb2 as pb
from jobline.v1.email_service_pb2_grpc import EmailServiceServicer
from jobline_queue.core.errors import IllegalTransition, NotFound, invalid
from jobline_queue.core.json_text import check_text
from jobline_queue.core.new_job import NewJob
from jobline_queue.dispatch.active import QueueCore
from jobline_queue.dispatch.acts import Act, ActAnswer, CancelJob
from jobline_queue.dispatch.enqueuer import Enqueued
from jobline_queue.modules.accounts.store import AccountStore
from jobline_queue.modules.email.job import new_jobs
from jobline_queue.modules.email.queue_items import WORDS, QueueItem, list_items, visible_after
from jobline_queue.modules.email.store import EmailStore, Row
from jobline_queue.rpc.convert import timestamp, uuid_text
from jobline_queue.rpc.principal import correlation_id, current

STATUSES = {
    "pending": pb.QUEUE_ITEM_STATUS_PENDING,
    "processing": pb.QUEUE_ITEM_STATUS_PROCESSING,
    "completed": pb.QUEUE_ITEM_STATUS_COMPLETED,
    "failed": pb.QUEUE_ITEM_STATUS_FAILED,
}
Context = Any
StoreJobs = Callable[[QueueCore, Sequence[NewJob], str, str], Awaitable[list[Enqueued]]]
Perform = Callable[[Any, Callable[[ActAnswer], Act]], Awaitable[None]]


class EmailServicer(EmailServiceServicer):
    """See email_service.proto for what each call promises."""

    def __init__(
        self, core: QueueCore, store: EmailStore, accounts: AccountStore, store_jobs: StoreJobs, perform: Perform
    ) -> None:
        self._core = core
        self._store = store
        self._accounts = accounts
        self._store_jobs = store_jobs
        self._perform = perform

    async def SubmitEmails(self, request: pb.SubmitEmailsRequest, context: Context) -> pb.SubmitEmailsResponse:
        user_id = acting_user(request.user_id)
        items = [(item.recipient_name, item.recipient_interest) for item in request.items]
        jobs = new_jobs(items, request.email_template, user_id, correlation_id.get())
        if request.user_id:  # a user that a service names may be new; one with a token is known already
            await self._accounts.ensure(user_id, "", {})
        stored = await self._store_jobs(self._core, jobs, current.get().name, request.request_id)
        return pb.SubmitEmailsResponse(queue_item_ids=[each.id for each in stored])

    async def ListQueueItems(self, request: pb.ListQueueItemsRequest, context: Context) -> pb.ListQueueItemsResponse:
        items = await list_items(self._core.active, self._store, acting_user(request.user_id))
        return pb.ListQueueItemsResponse(items=[_item(item) for item in items])

    async def CancelQueueItem(self, request: pb.CancelQueueItemRequest, context: Context) -> pb.CancelQueueItemResponse:
        active = self._core.active
        user_id = acting_user(request.user_id)
        job_id = uuid_text("id", request.id)
        state = await self._store.item_state(user_id, job_id, visible_after(active))
        if state is None:
            raise NotFound("job", job_id)
        actor = current.get().actor
        try:
            await self._perform(active, lambda answer: CancelJob(job_id, actor, "", answer, pending_only=True))
        except IllegalTransition as error:
            raise IllegalTransition("cancel", WORDS.get(error.metadata["state"], "failed")) from None
        return pb.CancelQueueItemResponse()

    async def GetEmail(self, request: pb.GetEmailRequest, context: Context) -> pb.GetEmailResponse:
        user_id = acting_user(request.user_id)
        row = await self._store.get(user_id, uuid_text("id", request.id))
        if row is None:
            raise NotFound("email", request.id)
        return pb.GetEmailResponse(email=_email(row))

    async def ListEmails(self, request: pb.ListEmailsRequest, context: Context) -> pb.ListEmailsResponse:
        user_id = acting_user(request.user_id)
        limit = request.limit or 20
        if not 1 <= limit <= 100:
            raise invalid("limit", "expected 1 to 100")
        if request.offset < 0:
            raise invalid("offset", "expected 0 or more")
        rows = await self._store.page(user_id, limit, request.offset, request.include_discarded)
        return pb.ListEmailsResponse(emails=[_email(row) for row in rows])

    async def UpdateEmail(self, request: pb.UpdateEmailRequest, context: Context) -> pb.UpdateEmailResponse:
        user_id = acting_user(request.user_id)
        row = await self._store.set_displayed(user_id, uuid_text("id", request.id), request.displayed)
        if row is None:
            raise NotFound("email", request.id)
        return pb.UpdateEmailResponse(email=_email(row))


def acting_user(named: str) -> str:
    """The user on whose behalf a call acts: the verified Caller, or the one that a service names."""
    user = current.get().user
    if user is not None and user.sub:
        if named:
            raise invalid("user_id", "expected nothing where a Caller is sent")
        return user.sub
    if not named:
        raise invalid("user_id", "expected a Caller with a sub, or a user id")
    return check_text("user_id", named, 255)


def _item(item: QueueItem) -> pb.QueueItem:
    return pb.QueueItem(
        id=item.id,
        recipient_name=item.recipient_name,
        status=STATUSES[item.status],
        position=item.position,
        email_id=item.email_id,
        error_message=item.error_message,
        current_step=item.current_step,
        created_at=timestamp(item.created_at),
    )


def _email(row: Row) -> pb.Email:
    return pb.Email(
        id=row["id"],
        user_id=row["user_id"],
        recipient_name=row["recipient_name"],
        recipient_interest=row["recipient_interest"],
        email_message=row["email_message"],
        template_type=row["template_type"],
        metadata_json=row["metadata"],
        is_confident=row["is_confident"],
        displayed=row["displayed"],
        created_at=timestamp(row["created_at"]),
    )
