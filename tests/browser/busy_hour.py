"""A busy hour of the product, for pictures: jobs of all five queues through the REST API, run by the real worker.

Nobody waits for the hour before them, so its trends are written into the table where minutes are kept.
"""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg

from jobline.runtime import Endpoints
from jobline_local.sample_batch import read_batches
from jobline_queue.core.time_buckets import bucket
from support.eventually import eventually_blocking
from support.gated_content import GatedContent
from support.gateway import bearer
from support.monitor_rest import API, role

__all__ = ["BusyHour"]

MINUTES = 61
PEOPLE = [f"{name}@northwind.example" for name in ("ann", "ben", "chloe", "david", "emma", "farid", "greta", "hugo")]
PROJECTS = ("Support tickets", "Interview notes", "Product reviews", "Survey answers")
RECORDS = 4000
#: Of letters, for estimates to learn from.
WAVES = 6
SHOP = "northwind"
PAUSE_REASON = "the SMS provider answers slowly"
SUBJECTS = (
    "the export of invoices",
    "the new calendar",
    "signing in",
    "the mobile app",
    "sharing a report",
    "the search",
)
VERDICTS = (
    "works well for our team",
    "takes longer than before",
    "could say more clearly what went wrong",
    "saved us an hour",
)
MESSAGES = (
    "Your table is booked for {0} p.m.",
    "Your order {0}17 has left our house.",
    "Your appointment is at {0}:30.",
)


@dataclass(frozen=True)
class Habit:
    """What a queue does in a usual minute."""

    a_minute: float
    wait: float
    run: float
    limit: int
    errors: tuple[str, ...]


HABITS = {
    "email_default": Habit(420, 4.0, 0.06, 1, ("PROVIDER_ERROR", "TIMEOUT", "INVALID_TEMPLATE")),
    "communications": Habit(40, 0.6, 0.1, 2, ("PROVIDER_ERROR", "INVALID_RECIPIENT")),
    "amb-jobs": Habit(5, 0.8, 2.5, 3, ("FETCH_FAILED", "TIMEOUT")),
    "ingestion": Habit(2, 0.8, 9.0, 2, ("INVALID_INPUT",)),
    "vectorization": Habit(31, 3.0, 2.4, 4, ("PROVIDER_ERROR",)),
}


class BusyHour:
    """Fills a stack that has just been started."""

    def __init__(self, endpoints: Endpoints, pages: GatedContent) -> None:
        self._pages = pages
        self._database_url = endpoints.database_url
        self._rest = httpx.Client(base_url=endpoints.gateway, timeout=60, trust_env=False)
        self._boss = bearer("ops", email="ops@northwind.example", **role("admin"))

    def close(self) -> None:
        self._rest.close()

    # ---- what was -----------------------------------------------------------------------------------------------------

    def remember(self) -> None:
        """Writes the hour before."""
        dice = random.Random(7)
        now = datetime.now(UTC).replace(second=0, microsecond=0)
        rows = [
            _minute(queue, habit, now - timedelta(minutes=ago), ago, dice)
            for queue, habit in HABITS.items()
            for ago in range(1, MINUTES)
        ]
        with psycopg.connect(self._database_url) as connection:
            connection.cursor().executemany(
                """INSERT INTO jobline.queue_minutes (queue, minute, ready, delayed, running, enqueued, started, succeeded,
                       failed, cancelled, retried, waits, runs, errors)
                   VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING""",
                rows,
            )

    # ---- what is ------------------------------------------------------------------------------------------------------

    def fill(self) -> None:
        """Submits everything, and returns when all of it is under way."""
        self._load("Customer feedback", 250)
        for number, page in enumerate(("clinic", "restaurant", "law_firm")):
            self._post("/api/v1/jobs/website-analysis", PEOPLE[number], {"url": self._pages.page(page)})
        self._post("/api/v1/jobs/website-analysis", PEOPLE[3], {"url": "https://www.northwind.example/"})
        self._notify(24)
        self._await("communications", "pending", at_most=0)
        self._act("queues/communications/pause", reason=PAUSE_REASON)
        self._notify(9)
        self._await("amb-jobs", "failed", at_least=1)
        for _ in range(WAVES):
            self._write_to_everybody(at_once=40)
        for name in PROJECTS:
            self._load(name, RECORDS)
        [unwanted] = self.jobs("ingestion", "pending")[:1]
        cancel = self._rest.post("/api/admin/queue/cancel", params={"jobId": unwanted["id"]}, headers=self._boss)
        cancel.raise_for_status()
        self._write_to_everybody()
        self._await("vectorization", "running", at_least=1)

    def _await(self, queue: str, state: str, at_least: int = 0, at_most: int = 1_000_000) -> None:
        """Until so many jobs are in this state."""
        what = f"{at_least} to {at_most} jobs of {queue} are {state}"
        eventually_blocking(lambda: at_least <= self._count(queue, state) <= at_most, within=180, what=what)

    def jobs(self, queue: str, state: str) -> list[dict[str, Any]]:
        """The newest first."""
        return list(self._get("jobs", queue=queue, state=state)["jobs"])

    def _count(self, queue: str, state: str) -> int:
        return int(self._get("jobs/count", queue=queue, state=state)["count"])

    def _get(self, path: str, **params: str) -> Any:
        return self._rest.get(f"{API}/{path}", params=params, headers=self._boss).raise_for_status().json()

    def _act(self, path: str, **body: str) -> None:
        self._rest.post(f"{API}/{path}", json=body, headers=self._boss).raise_for_status()

    def _post(self, path: str, person: str, body: Any) -> Any:
        headers = bearer(person, email=person, app_metadata={"businesses": {SHOP: "Admin"}})
        return self._rest.post(path, json=body, headers=headers).raise_for_status().json()

    def _load(self, name: str, number: int) -> None:
        project = self._post("/api/projects", PEOPLE[0], {"name": name})["id"]
        records = [
            {
                "id": f"{name[:3].lower()}-{at}",
                "content": f"{name} {at}: {SUBJECTS[at % 6]} {VERDICTS[at % 4]}.",
            }
            for at in range(number)
        ]
        body = {"projectId": project, "records": records, "generateEmbeddings": True}
        self._post("/api/ingest/api", PEOPLE[0], body)

    def _write_to_everybody(self, at_once: int = 1_000_000) -> None:
        """Each person in turn, as soon as no more than `at_once` letters wait."""
        for person in PEOPLE:
            self._await("email_default", "pending", at_most=at_once)
            for batch in read_batches():
                items = [{"recipient_name": one.name, "recipient_interest": one.interest} for one in batch.recipients]
                self._post("/api/queue/batch", person, {"items": items, "email_template": batch.template})

    def _notify(self, number: int) -> None:
        for at in range(number):
            body = MESSAGES[at % 3].format(1 + at % 9)
            message = {
                "channel": "email",
                "recipientContact": f"guest{at}@example.com",
                "subject": "From Northwind",
                "body": body,
            }
            self._post(f"/api/businesses/{SHOP}/communications", PEOPLE[0], message)


def _minute(queue: str, habit: Habit, minute: datetime, ago: int, dice: random.Random) -> tuple[Any, ...]:
    """A row: a usual minute, and half an hour ago a rush that took a while to work off."""
    rush = math.exp(-(((ago - 33) / 5) ** 2))
    backlog = math.exp(-(((ago - 28) / 8) ** 2))
    enqueued = round(habit.a_minute * (1 + 0.25 * math.sin(ago / 6) + 1.3 * rush) * dice.uniform(0.85, 1.15))
    ended = round(habit.a_minute * (1 + 0.2 * math.sin(ago / 6) + 0.7 * backlog) * dice.uniform(0.9, 1.1))
    failed = sum(dice.random() < 0.012 + 0.05 * rush for _ in range(ended))
    retried = sum(dice.random() < 0.02 + 0.09 * rush for _ in range(ended))
    errors: dict[str, int] = {}
    for _ in range(failed + retried):
        code = habit.errors[min(int(dice.expovariate(1.3)), len(habit.errors) - 1)]
        errors[code] = errors.get(code, 0) + 1
    ready = round(habit.a_minute * (0.25 * dice.random() + 2.4 * backlog))
    running = min(habit.limit, round(ended * habit.run / 60 + dice.random()))
    waits = _times(ended, habit.wait * (1 + 14 * backlog), 0.7, dice)
    runs = _times(ended + retried, habit.run, 0.45, dice)
    texts = (json.dumps(each) for each in (waits, runs, errors))
    return (
        queue,
        minute,
        ready,
        retried,
        running,
        enqueued,
        ended + retried,
        ended - failed,
        failed,
        0,
        retried,
        *texts,
    )


def _times(number: int, typical: float, spread: float, dice: random.Random) -> dict[str, int]:
    """As the table counts them."""
    counts: dict[str, int] = {}
    for _ in range(number):
        name = str(bucket(dice.lognormvariate(math.log(typical), spread)))
        counts[name] = counts.get(name, 0) + 1
    return counts
