"""What users notice of a fault: one who polls and one who submits, for as long as it lasts."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx

from support.rest_stack import User

__all__ = ["UNREACHABLE", "Outage", "users_at_work"]

#: Counted in place of an HTTP status when the gateway itself could not be reached.
UNREACHABLE = 0

#: A refused connection costs no time at all; without a pause nobody else would get any.
_PAUSE_SECONDS = 0.05


class Outage:
    """The statuses that the two users got, and the ids of the items that were promised to them."""

    def __init__(self, poller: User, submitter: User) -> None:
        self.statuses: Counter[int] = Counter()
        self.accepted: list[str] = []
        self._poller = poller
        self._submitter = submitter
        self._over = threading.Event()

    def end(self) -> None:
        self._over.set()

    def poll(self) -> None:
        while not self._over.is_set():
            self._call(self._poller, "GET", "/api/queue/")

    def submit(self) -> None:
        """One item after the other, at least one."""
        body = {"email_template": "Hey {{name}}, I loved your work!"}
        number = 0
        while not self._over.is_set() or number == 0:
            number += 1
            item = {"recipient_name": f"Meanwhile {number:03}", "recipient_interest": "engines"}
            answer = self._call(self._submitter, "POST", "/api/queue/batch", json={**body, "items": [item]})
            if answer is not None and answer.status_code == httpx.codes.CREATED:
                self.accepted += answer.json()["queue_item_ids"]

    def _call(self, user: User, method: str, path: str, **options: object) -> httpx.Response | None:
        try:
            answer = user.call(method, path, **options)
        except httpx.TransportError:
            self.statuses[UNREACHABLE] += 1
            self._over.wait(_PAUSE_SECONDS)
            return None
        self.statuses[answer.status_code] += 1
        return answer


@contextlib.contextmanager
def users_at_work(poller: User, submitter: User) -> Iterator[Outage]:
    """Both go on while the block lasts."""
    outage = Outage(poller, submitter)
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(outage.poll), pool.submit(outage.submit)]
        try:
            yield outage
        finally:
            outage.end()
        for each in running:
            each.result()
