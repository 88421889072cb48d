"""A user of the e-mail surface, straight at the queue service: what a gateway says on their behalf, in plain gRPC."""

from __future__ import annotations

import uuid
from typing import Any

from jobline.v1 import account_service_pb2 as account_pb
from jobline.v1 import email_service_pb2 as pb
from jobline.v1 import work_service_pb2
from support.queue_calls import Calls
from support.queue_service import QueueServiceUnderTest

__all__ = ["KIND", "QUEUE", "RESULT", "TEMPLATE", "User", "claim_item"]

QUEUE, KIND = "email_default", "generate_email"
TEMPLATE = "Hey {{name}}, I loved your work on {{research}}!"
RESULT: dict[str, Any] = {
    "recipient_name": "Ada",
    "recipient_interest": "engines",
    "email_message": "Dear Ada, …",
    "template_type": "research",
    "is_confident": True,
    "metadata": {"search_terms": ["Ada engines"], "warnings": []},
}


class User:
    """Somebody whose gateway calls for them."""

    def __init__(self, service: QueueServiceUnderTest) -> None:
        self.sub = f"user-{uuid.uuid4()}"
        caller = account_pb.Caller(sub=self.sub, email="ada@example.org")
        self._calls = Calls(service.address, service.gateway_token, caller)
        self._calls.accounts.EnsureCaller(account_pb.EnsureCallerRequest(caller=caller))
        self.emails = self._calls.emails

    def submit(self, count: int = 1) -> list[str]:
        items = [pb.EmailRecipient(recipient_name=f"Ada {n}", recipient_interest="engines") for n in range(count)]
        request = pb.SubmitEmailsRequest(items=items, email_template=TEMPLATE)
        return list(self.emails.SubmitEmails(request).queue_item_ids)

    def items(self) -> list[pb.QueueItem]:
        return list(self.emails.ListQueueItems(pb.ListQueueItemsRequest()).items)

    def item(self, item_id: str) -> pb.QueueItem:
        return next(item for item in self.items() if item.id == item_id)

    def status(self, item_id: str) -> str:
        return pb.QueueItemStatus.Name(self.item(item_id).status).removeprefix("QUEUE_ITEM_STATUS_").lower()

    def positions(self) -> list[int]:
        return [item.position for item in self.items()]

    def cancel(self, item_id: str) -> None:
        self.emails.CancelQueueItem(pb.CancelQueueItemRequest(id=item_id))

    def channel_ready(self) -> None:
        self._calls.channel_ready()

    def close(self) -> None:
        self._calls.close()


def claim_item(calls: Calls) -> work_service_pb2.Assignment:
    return calls.claim_one(QUEUE, kind=KIND)
