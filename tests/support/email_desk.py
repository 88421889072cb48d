"""What a test sees of a running e-mail queue: users through REST, the rows behind it, and the promises about every item.

It works on anything that has a gateway and a database: the processes of `support.world`, or a whole `jobline up`.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import httpx
import psycopg

from support.eventually import eventually_blocking
from support.rest_stack import User

__all__ = ["RESEARCH_TEMPLATE", "EmailDesk", "ItemRow", "recipients", "worker_lost"]

#: A template whose items pass all four steps; the default of `User.submit` leaves the arXiv step out.
RESEARCH_TEMPLATE = "Dear {{name}}, I read your paper on {{topic}} twice."

_ITEMS = """
    SELECT q.id::text, q.user_id, q.status, q.error_message, q.started_at, q.completed_at, j.attempt,
           (SELECT count(*) FROM public.emails e WHERE e.job_id = q.id) AS emails
    FROM public.queue_items q JOIN jobline.jobs j USING (id)
    ORDER BY j.created_at, j.seq
"""


class ItemRow(NamedTuple):
    """An item as the database has it."""

    id: str
    user: str
    status: str
    error: str | None
    started_at: datetime | None
    completed_at: datetime | None
    attempt: int
    emails: int


def recipients(count: int, group: str = "Recipient") -> list[str]:
    """Names of which none contains another."""
    return [f"{group} {number:03}" for number in range(count)]


def worker_lost(step: str) -> str:
    """The error of an item whose worker was lost."""
    return f"Processing timeout: worker lost in step '{step}'. Please submit the item again."


class EmailDesk:
    """One gateway and its database."""

    def __init__(self, gateway: str, database_url: str) -> None:
        self.client = httpx.Client(base_url=gateway, timeout=30, trust_env=False)
        self._database_url = database_url

    def close(self) -> None:
        self.client.close()

    def user(self) -> User:
        """Somebody new."""
        return User(self.client, f"user-{uuid.uuid4()}")

    def rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._database_url, autocommit=True) as connection:
            return connection.execute(statement.encode(), parameters).fetchall()

    def items(self) -> list[ItemRow]:
        """All items of all users, in the order of submission."""
        return [ItemRow(*row) for row in self.rows(_ITEMS)]

    def statuses(self, ids: Sequence[str]) -> list[str]:
        """The status of each of these items; `gone` for one without a row."""
        found = {item.id: item.status for item in self.items()}
        return [found.get(id, "gone") for id in ids]

    def wait_until_ended(self, ids: Sequence[str], within: float = 90.0) -> None:
        """Returns once each of these items is `completed` or `failed`."""

        def nothing_left() -> bool:
            left = {item.id: item.status for item in self.items() if item.status in ("pending", "processing")}
            assert not left.keys() & set(ids), left
            return True

        eventually_blocking(nothing_left, within=within)

    def check_each_ended_once(self, ids: Sequence[str], failed: Mapping[str, str] | None = None) -> None:
        """Each of these items has ended exactly once, in the order of `ids`, never two at a time.

        `failed` has the errors of those that failed; all others are completed with exactly one e-mail.
        """
        failed = failed or {}
        found = {item.id: item for item in self.items()}
        items = [found[item_id] for item_id in ids]
        ends = [(item.status, item.error, item.emails, item.attempt) for item in items]
        expected = [("failed", failed[id], 0, 1) if id in failed else ("completed", None, 1, 1) for id in ids]
        assert ends == expected, "\n".join(map(str, items))
        for before, after in itertools.pairwise(items):
            times = (before.started_at, before.completed_at, after.started_at, after.completed_at)
            assert all(earlier and later and earlier <= later for earlier, later in itertools.pairwise(times)), times
