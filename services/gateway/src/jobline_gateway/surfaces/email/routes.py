"""The routes of the e-mail surface: read the request, make one call, convert the answer."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BeforeValidator
from pydantic_core import PydanticKnownError

from jobline.v1 import email_service_pb2 as pb
from jobline_gateway import described
from jobline_gateway.dependencies import ContextOf, QueueOf
from jobline_gateway.surfaces.email import convert, responses, schemas
from jobline_gateway.surfaces.email.validation import parse_batch, parse_displayed, require_uuid

__all__ = ["router"]

#: The contract counts offsets in 32 bits; nobody has more e-mails than that, so beyond it every page is empty.
MAX_OFFSET = 2**31 - 1

router = APIRouter(tags=["e-mail queue"])


def _integer_text(value: object) -> object:
    """Decimal digits only: pydantic alone would also take `1.0`, `1_0` and blanks around."""
    if isinstance(value, str) and not re.fullmatch(r"-?[0-9]+", value):
        raise PydanticKnownError("int_parsing")
    return value


Limit = Annotated[int, Query(ge=1, le=100), BeforeValidator(_integer_text)]
Offset = Annotated[int, Query(ge=0), BeforeValidator(_integer_text)]


@router.post(
    "/api/queue/batch",
    status_code=201,
    summary="Queue one e-mail for each recipient",
    openapi_extra=described.request_body("EmailBatch"),
    responses={
        **described.answer(201, "Queued, in input order.", responses.BATCH_ACCEPTED),
        **responses.BAD_BATCH,
        **responses.bad_fields(
            ["body", "items", 0, "recipient_name"], "String should have at least 2 characters", "string_too_short"
        ),
        **responses.CHANGING,
    },
)
async def submit_batch(request: Request, queue: QueueOf, context: ContextOf) -> schemas.BatchAccepted:
    submit = convert.submit_request(parse_batch(await request.body()))
    stored = await queue.call(lambda link: link.email.SubmitEmails, submit, context)
    ids = list(stored.queue_item_ids)
    return schemas.BatchAccepted(queue_item_ids=ids, message=f"Successfully queued {len(ids)} items")


@router.get(
    "/api/queue/",
    summary="The caller's items of the last 24 hours, oldest first",
    responses={
        **described.answer(200, "All items; no paging.", responses.QUEUE_ITEMS),
        **responses.COMMON,
    },
)
async def list_queue(queue: QueueOf, context: ContextOf) -> list[schemas.QueueItem]:
    found = await queue.call(lambda link: link.email.ListQueueItems, pb.ListQueueItemsRequest(), context)
    return [convert.queue_item(item) for item in found.items]


@router.delete(
    "/api/queue/{id}",
    summary="Cancel a pending item",
    responses={
        **described.answer(200, "Cancelled and removed.", responses.CANCELLED),
        **responses.CANNOT_CANCEL,
        **responses.NO_ITEM,
        **responses.CHANGING,
    },
)
async def cancel_item(id: str, queue: QueueOf, context: ContextOf) -> schemas.Cancelled:
    cancel = pb.CancelQueueItemRequest(id=require_uuid(id, "queue item"))
    await queue.call(lambda link: link.email.CancelQueueItem, cancel, context, repeatable=False)
    return schemas.Cancelled(message="Queue item cancelled")


@router.get(
    "/api/email/",
    summary="The caller's e-mails, newest first",
    responses={
        **described.answer(200, "A page of e-mails.", [responses.EMAIL]),
        **responses.bad_fields(["query", "limit"], "Input should be less than or equal to 100", "less_than_equal"),
        **responses.COMMON,
    },
)
async def list_emails(
    queue: QueueOf, context: ContextOf, limit: Limit = 20, offset: Offset = 0, include_discarded: bool = False
) -> list[schemas.Email]:
    page = pb.ListEmailsRequest(limit=limit, offset=min(offset, MAX_OFFSET), include_discarded=include_discarded)
    found = await queue.call(lambda link: link.email.ListEmails, page, context)
    return [convert.email(message) for message in found.emails]


@router.get(
    "/api/email/{email_id}",
    summary="One e-mail of the caller",
    responses={
        **described.answer(200, "The e-mail.", responses.EMAIL),
        **responses.BAD_EMAIL_ID,
        **responses.NO_EMAIL,
        **responses.COMMON,
    },
)
async def get_email(email_id: str, queue: QueueOf, context: ContextOf) -> schemas.Email:
    wanted = pb.GetEmailRequest(id=require_uuid(email_id, "email"))
    found = await queue.call(lambda link: link.email.GetEmail, wanted, context)
    return convert.email(found.email)


@router.patch(
    "/api/email/{email_id}",
    summary="Show or hide an e-mail",
    openapi_extra=described.request_body("DisplayedChange"),
    responses={
        **described.answer(200, "The changed e-mail.", {**responses.EMAIL, "displayed": False}),
        **responses.BAD_EMAIL_ID,
        **responses.NO_EMAIL,
        **responses.bad_fields(["body", "displayed"], "Field required", "missing"),
        **responses.CHANGING,
    },
)
async def update_email(email_id: str, request: Request, queue: QueueOf, context: ContextOf) -> schemas.Email:
    wanted = require_uuid(email_id, "email")
    change = pb.UpdateEmailRequest(id=wanted, displayed=parse_displayed(await request.body()))
    found = await queue.call(lambda link: link.email.UpdateEmail, change, context)
    return convert.email(found.email)
