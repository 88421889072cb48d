"""Between the queue service's messages and the JSON of the e-mail surface."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC

from uuid_utils import uuid7

from jobline.v1 import email_service_pb2 as pb
from jobline_gateway.surfaces.email import schemas

__all__ = ["email", "queue_item", "submit_request"]

#: The order of the pipeline; the store keeps none.
STEPS = ("template_parser", "web_scraper", "arxiv_helper", "email_composer")

_STATUS: Mapping[int, schemas.Status] = {
    pb.QUEUE_ITEM_STATUS_PENDING: "pending",
    pb.QUEUE_ITEM_STATUS_PROCESSING: "processing",
    pb.QUEUE_ITEM_STATUS_COMPLETED: "completed",
    pb.QUEUE_ITEM_STATUS_FAILED: "failed",
}


def submit_request(batch: schemas.EmailBatch) -> pb.SubmitEmailsRequest:
    """The call for a batch. Its new request id stays the same over all tries, so that it is stored once."""
    recipients = [
        pb.EmailRecipient(recipient_name=item.recipient_name, recipient_interest=item.recipient_interest)
        for item in batch.items
    ]
    return pb.SubmitEmailsRequest(items=recipients, email_template=batch.email_template, request_id=str(uuid7()))


def queue_item(item: pb.QueueItem) -> schemas.QueueItem:
    """One object of the list. The empty values of the message are the nulls of the JSON."""
    return schemas.QueueItem.model_validate(
        {
            "id": item.id,
            "recipient_name": item.recipient_name,
            "status": _STATUS[item.status],
            "position": item.position or None,
            "email_id": item.email_id or None,
            "error_message": item.error_message or None,
            "current_step": item.current_step or None,
            "created_at": item.created_at.ToDatetime(UTC),
        }
    )


def email(message: pb.Email) -> schemas.Email:
    """A finished e-mail with its metadata in the order of the specification."""
    metadata = schemas.EmailMetadata.model_validate(json.loads(message.metadata_json or "{}"))
    timings = metadata.step_timings
    metadata.step_timings = {step: timings[step] for step in STEPS if step in timings}
    return schemas.Email.model_validate(
        {
            "id": message.id,
            "user_id": message.user_id,
            "recipient_name": message.recipient_name,
            "recipient_interest": message.recipient_interest,
            "email_message": message.email_message,
            "template_type": message.template_type,
            "metadata": metadata,
            "is_confident": message.is_confident,
            "displayed": message.displayed,
            "created_at": message.created_at.ToDatetime(UTC),
        }
    )
