"""A business that sends messages, straight at the queue service: what a gateway says for its people, in plain gRPC."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from jobline.v1 import account_service_pb2 as account_pb
from jobline.v1 import communication_service_pb2 as pb
from jobline.v1 import job_service_pb2, work_service_pb2
from support.queue_calls import Calls
from support.queue_service import QueueServiceUnderTest

__all__ = [
    "KIND",
    "LATER",
    "PROVIDER_ERROR",
    "QUEUE",
    "Business",
    "claim_message",
    "delete_all",
    "insert_long",
    "new_message",
    "sent",
    "status_of",
]

QUEUE, KIND = "communications", "send_message"
#: No test waits for this.
LATER = datetime(2031, 1, 1, tzinfo=UTC)
PROVIDER_ERROR = "SendGrid API error: Invalid email address"


def new_message(**fields: Any) -> pb.NewMessage:
    """An e-mail that keeps all rules, but for what is given."""
    given = {"channel": pb.CHANNEL_EMAIL, "recipient_contact": "ann@example.org", "body": "Hello", **fields}
    return pb.NewMessage(**{name: value for name, value in given.items() if value is not None})


def sent(provider: str = "outbox", message_id: str = "1") -> dict[str, str]:
    """The result of a run that handed its message over."""
    return {"provider": provider, "message_id": message_id}


def status_of(message: pb.Message) -> str:
    return pb.MessageStatus.Name(message.status).removeprefix("MESSAGE_STATUS_").lower()


def claim_message(calls: Calls, wait: float = 10) -> work_service_pb2.Assignment:
    return calls.claim_one(QUEUE, kind=KIND, wait=wait)


class Business:
    """One that is new, and somebody with a role in it by their token."""

    def __init__(self, service: QueueServiceUnderTest, role: str = "Admin") -> None:
        self.id = f"business-{uuid.uuid4()}"
        self._service = service
        self._opened: list[Calls] = []
        self.operator = self.service_calls(service.operator_token)
        self.operator.accounts.StoreBusiness(account_pb.StoreBusinessRequest(id=self.id, name="Acme"))
        self.sub = f"user-{uuid.uuid4()}"
        self.calls = self.person(self.sub, businesses={self.id: role})

    @property
    def owner(self) -> str:
        return f"business:{self.id}"

    def service_calls(self, token: str) -> Calls:
        """The calls of a service token."""
        calls = Calls(self._service.address, token)
        self._opened.append(calls)
        return calls

    def person(self, sub: str, **caller: Any) -> Calls:
        """The calls that a gateway makes for somebody."""
        calls = Calls(self._service.address, self._service.gateway_token, account_pb.Caller(sub=sub, **caller))
        self._opened.append(calls)
        return calls

    def set_member(self, user_id: str, role: str) -> None:
        request = account_pb.SetMemberRequest(business_id=self.id, user_id=user_id, role=role)
        self.operator.accounts.SetMember(request)

    def close(self) -> None:
        """Deletes the business's jobs, too, so that no other test claims them."""
        request = job_service_pb2.ListJobsRequest(filter=job_service_pb2.JobFilter(owner=self.owner), page_size=500)
        while jobs := self.operator.jobs.ListJobs(request).jobs:
            for job in jobs:
                self.operator.delete(job.id)
        for calls in self._opened:
            calls.close()

    # ---- what people do ---------------------------------------------------------------------------------------------

    def submit(self, *messages: pb.NewMessage, request_id: str = "") -> list[pb.Message]:
        request = pb.SubmitMessagesRequest(business_id=self.id, messages=messages, request_id=request_id)
        return list(self.calls.communications.SubmitMessages(request).messages)

    def send(self, **fields: Any) -> pb.Message:
        """One message is queued."""
        (message,) = self.submit(new_message(**fields))
        return message

    def get(self, message_id: str) -> pb.Message:
        request = pb.GetMessageRequest(business_id=self.id, id=message_id)
        return self.calls.communications.GetMessage(request).message

    def status(self, message_id: str) -> str:
        return status_of(self.get(message_id))

    def stats(self) -> pb.MessageStats:
        request = pb.GetMessageStatsRequest(business_id=self.id)
        return self.calls.communications.GetMessageStats(request).stats

    def health(self) -> pb.GetMessageHealthResponse:
        return self.calls.communications.GetMessageHealth(pb.GetMessageHealthRequest(business_id=self.id))

    def page(self, **request: Any) -> pb.ListMessagesResponse:
        return self.calls.communications.ListMessages(pb.ListMessagesRequest(business_id=self.id, **request))

    def list(self, **filters: Any) -> Sequence[pb.Message]:
        """The jobs that match, up to a thousand."""
        return list(self.page(filter=pb.MessageFilter(**filters), page_size=1000).messages)

    def export(self, **filters: Any) -> Sequence[pb.ExportMessagesResponse]:
        request = pb.ExportMessagesRequest(business_id=self.id, filter=pb.MessageFilter(**filters))
        return list(self.calls.communications.ExportMessages(request))

    def history(self, communication_id: str) -> Sequence[pb.Message]:
        request = pb.ListCommunicationMessagesRequest(business_id=self.id, communication_id=communication_id)
        batches = self.calls.communications.ListCommunicationMessages(request)
        return [message for batch in batches for message in batch.messages]

    def outbox(self, **request: Any) -> Sequence[pb.OutboxEntry]:
        answer = self.calls.communications.ListOutbox(pb.ListOutboxRequest(business_id=self.id, **request))
        return list(answer.entries)

    def retry(self, message_id: str) -> pb.Message:
        request = pb.RetryMessageRequest(business_id=self.id, id=message_id)
        return self.calls.communications.RetryMessage(request).message

    def retry_failed(self, **request: Any) -> pb.RetryFailedMessagesResponse:
        return self.calls.communications.RetryFailedMessages(
            pb.RetryFailedMessagesRequest(business_id=self.id, **request)
        )

    def cancel(self, message_id: str) -> pb.Message:
        request = pb.CancelMessageRequest(business_id=self.id, id=message_id)
        return self.calls.communications.CancelMessage(request).message

    def delete(self, message_id: str) -> None:
        self.calls.communications.DeleteMessage(pb.DeleteMessageRequest(business_id=self.id, id=message_id))

    # ---- what a worker does with the message that is due ------------------------------------------------------------

    def fail_once(self, error: str = PROVIDER_ERROR) -> work_service_pb2.Assignment:
        run = claim_message(self.operator)
        self.operator.fail(run, "PROVIDER_ERROR", message=error)
        return run

    def send_out(self) -> work_service_pb2.Assignment:
        run = claim_message(self.operator)
        self.operator.complete(run, sent())
        return run

    def send_failing(self, error: str = PROVIDER_ERROR, **fields: Any) -> pb.Message:
        """A message that has used up its one attempt."""
        message = self.send(max_attempts=1, **fields)
        self.fail_once(error)
        return self.get(message.id)


def insert_long(service: QueueServiceUnderTest, business: Business, count: int, size: int) -> None:
    """Failed jobs of one communication, all of one moment, that show so many characters each."""
    service.execute(
        """INSERT INTO jobline.jobs (id, queue, kind, owner, producer, run_at, seq, payload, max_attempts, created_at,
                                     updated_at, finished_at, state)
           SELECT gen_random_uuid(), 'communications', 'send_message', %s, 'p', now(), n,
                  jsonb_build_object('communication_id', 'c', 'text', repeat('x', %s)), 3, now(), now(), now(),
                  'failed'
           FROM generate_series(1, %s) n""",
        business.owner,
        size,
        count,
    )


def delete_all(service: QueueServiceUnderTest, business: Business) -> None:
    """Past the service, in one statement."""
    service.execute("DELETE FROM jobline.jobs WHERE owner = %s", business.owner)
