"""List polling: what a page costs that asks every few seconds where its user's e-mails are.

The user has many items, in the middle of far more of others; all are pending, so that every answer needs a position for
each item.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable

import grpc
import httpx

from benchmarks.house import House, QueueProcess
from benchmarks.meter import Meter
from benchmarks.samples import Sample, percentile
from benchmarks.workload import Sizes
from jobline.v1 import email_service_pb2 as pb
from jobline.v1.email_service_pb2_grpc import EmailServiceStub
from support.gateway import bearer

__all__ = ["by_grpc", "by_rest"]

_BATCH = 100
_TEMPLATE = "Dear {{name}}, I read your work on {{topic}} with great pleasure."


def by_grpc(house: House, sizes: Sizes) -> Sample:
    """EmailService.ListQueueItems."""
    with house.database() as url:
        with house.queue_service(url) as queue:
            emails, user = _Emails(queue), f"user-{uuid.uuid4()}"
            problems = _submit_all(emails, user, sizes)
            meter = Meter(house, url, {"client": [os.getpid()], "service": [queue.pid]})
            figures = _poll(lambda: len(emails.items(user)), sizes, meter)
        return Sample(figures, meter.costs(sizes.polls), problems)


def by_rest(house: House, sizes: Sizes) -> Sample:
    """GET /api/queue/."""
    with house.database() as url:
        with (
            house.queue_service(url) as queue,
            house.gateway(queue) as gateway,
            httpx.Client(base_url=gateway.url, timeout=30, trust_env=False) as client,
        ):
            user = f"user-{uuid.uuid4()}"
            problems = _submit_all(_Emails(queue), user, sizes)
            client.headers.update(bearer(user))
            processes = {"client": [os.getpid()], "service": [queue.pid], "gateway": [gateway.pid]}
            meter = Meter(house, url, processes)
            figures = _poll(lambda: len(client.get("/api/queue/").raise_for_status().json()), sizes, meter)
        return Sample(figures, meter.costs(sizes.polls), problems)


class _Emails:
    """The calls of a producer of e-mails, on behalf of users."""

    def __init__(self, queue: QueueProcess) -> None:
        self._stub = EmailServiceStub(grpc.insecure_channel(queue.address))
        self._metadata = (("authorization", f"Bearer {queue.operator_token}"),)

    def submit(self, user: str, count: int) -> None:
        items = [
            pb.EmailRecipient(recipient_name=f"Ada Lovelace {number}", recipient_interest="analytical engines")
            for number in range(count)
        ]
        request = pb.SubmitEmailsRequest(items=items, email_template=_TEMPLATE, user_id=user)
        self._stub.SubmitEmails(request, metadata=self._metadata, timeout=30)

    def items(self, user: str) -> list[pb.QueueItem]:
        request = pb.ListQueueItemsRequest(user_id=user)
        return list(self._stub.ListQueueItems(request, metadata=self._metadata, timeout=30).items)


def _submit_all(emails: _Emails, user: str, sizes: Sizes) -> tuple[str, ...]:
    """Half of the others' items, then the user's, then the other half; what is wrong with the positions then."""
    others = [f"user-{uuid.uuid4()}" for _ in range(sizes.other_items // _BATCH)]
    before, after = others[::2], others[1::2]
    for each in (*before, *(sizes.own_items // _BATCH) * [user], *after):
        emails.submit(each, _BATCH)
    first = len(before) * _BATCH + 1
    positions = [item.position for item in emails.items(user)]
    if positions == list(range(first, first + sizes.own_items)):
        return ()
    return (f"expected the positions from {first} on, got {positions[:3]} … {positions[-3:]}",)


def _poll(ask: Callable[[], int], sizes: Sizes, meter: Meter) -> dict[tuple[str, str], float]:
    """Asks again and again, after a first time that connects and warms up."""
    ask()
    meter.start()
    times = [_timed(ask, sizes.own_items) for _ in range(sizes.polls)]
    meter.stop()
    return {("p50", "ms"): percentile(times, 50), ("p99", "ms"): percentile(times, 99)}


def _timed(ask: Callable[[], int], expected: int) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    items = ask()
    seconds = time.perf_counter() - began
    if items != expected:
        raise RuntimeError(f"a poll answered {items} items instead of {expected}")
    return seconds * 1000
