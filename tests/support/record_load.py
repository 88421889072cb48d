"""A project's worth of records in several ingest calls, JSON and CSV in turn, of which everything is known beforehand.

Calls of the first wave have no record in common. Those of the second repeat records of the first, so each of their counts
is known once the first wave is stored; the last two calls also share records with each other, which either may store.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from support.ingestion_rest import form

__all__ = ["NEEDLE", "QUESTION", "IngestCall", "RecordLoad", "record_load"]

#: The record that the question must find first.
NEEDLE = (
    "The answer about the lighthouse keeper's barometer on the island was short: the pressure falls before a storm."
)
QUESTION = "What did the answer say about the lighthouse keeper's barometer before a storm?"

_KEYWORDS = ("ANSWER", "reply")
_TOPICS = ("engines", "weaving looms", "Bernoulli numbers", "poetical science", "punched cards", "comets", "gardens")
_MANNERS = ("clear", "long", "friendly", "wrong in one place")
#: Of a hundred new records of a call so many come again, so many go without an id, and so many more lack the keywords.
_REPEATED, _WITHOUT_ID, _MISMATCHED = 3, 5, 2
#: Rows of a file that say too little and are dropped before anything is stored.
_EMPTY_ROWS = 3
_COLUMNS = ("task_id", "record_id", "feedback", "rating")

_Record = dict[str, Any]


@dataclass(frozen=True)
class IngestCall:
    """One request, and what must come of it."""

    records: list[_Record]
    as_csv: bool
    mismatches: int
    duplicates: int
    #: Records that another call has as well: the one that comes second has so many duplicates more.
    contested: int = 0

    def request(self, project: str) -> tuple[str, dict[str, Any]]:
        """The path, and the arguments of an HTTP client's `post`."""
        if self.as_csv:
            return "/api/ingest/csv", form(self._file(), projectId=project, filterKeywords=", ".join(_KEYWORDS))
        body = {"projectId": project, "records": self.records, "filterKeywords": _KEYWORDS}
        return "/api/ingest/api", {"json": body}

    def _file(self) -> bytes:
        text = io.StringIO()
        writer = csv.DictWriter(text, _COLUMNS)
        writer.writeheader()
        writer.writerows(self.records)
        writer.writerows([{"task_id": "none", "feedback": "so so"}] * _EMPTY_ROWS)
        return text.getvalue().encode()

    def problems(self, job: dict[str, Any]) -> Iterator[str]:
        """What its ingest job, once it is over, says otherwise."""
        skipped = job["skippedDetails"]
        duplicates, mismatches = skipped.get("Duplicate ID", 0), skipped.get("Keyword Mismatch", 0)
        if (job["status"], job["error"]) != ("COMPLETED", None):
            yield f"not completed: {job}"
        if not job["totalRecords"] == job["savedCount"] + job["skippedCount"] == len(self.records):
            yield f"of {len(self.records)} records not each was saved or skipped: {job}"
        if job["skippedCount"] != duplicates + mismatches or mismatches != self.mismatches:
            yield f"{self.mismatches} mismatches were sent: {job}"
        if not self.duplicates <= duplicates <= self.duplicates + self.contested:
            yield f"{self.duplicates} duplicates were sent, and up to {self.contested} more: {job}"


@dataclass(frozen=True)
class RecordLoad:
    """The second wave is sent once the first is stored."""

    waves: tuple[Sequence[IngestCall], Sequence[IngestCall]]
    #: How often each text must be stored: once.
    contents: Counter[str]

    @property
    def calls(self) -> list[IngestCall]:
        return [call for wave in self.waves for call in wave]


def record_load(stored: int, calls: int, rng: Random) -> RecordLoad:
    """An even number of calls, at least four, that store so many records together, or a few less that do not go up."""
    size = stored // calls
    fresh = [[_record(number, rng) for number in range(first, first + size)] for first in range(0, calls * size, size)]
    fresh[0][0] = {"task_id": "needle", "feedback": NEEDLE, "rating": "5"}
    contents = Counter(record["feedback"] for new in fresh for record in new)
    few, earlier = max(1, size * _REPEATED // 100), [record for new in fresh[: calls // 2] for record in new]
    first = [_call(new, number, _known(new, few, rng), rng) for number, new in enumerate(fresh[: calls // 2])]
    *middle, one, other = fresh[calls // 2 :]
    contested = [*_known(one, few, rng), *_known(other, few, rng)]
    shared = {record["task_id"] for record in contested}
    second = [_call(new, number, _known(earlier, few, rng), rng) for number, new in enumerate(middle)]
    for number, new in enumerate((one, other)):
        mine = [*contested, *(record for record in new if record.get("task_id") not in shared)]
        second.append(_call(mine, number, _known(earlier, few, rng), rng, contested=len(contested)))
    return RecordLoad((first, second), contents)


def _known(records: Sequence[_Record], few: int, rng: Random) -> list[_Record]:
    """Some that have an id."""
    return rng.sample([record for record in records if "task_id" in record], few)


def _call(
    new: Sequence[_Record], number: int, repeated: Sequence[_Record], rng: Random, contested: int = 0
) -> IngestCall:
    """What is repeated comes last, in other words and with its id under another key."""
    some = _known(new, max(1, len(new) * _MISMATCHED // 100), rng)
    mismatches = [{"task_id": record["task_id"], "feedback": "Nobody said anything to the point."} for record in some]
    records = [*new, *mismatches]
    rng.shuffle(records)
    again = [{"record_id": record["task_id"], "feedback": "The answer came a second time."} for record in repeated]
    return IngestCall([*records, *again], number % 2 == 1, len(mismatches), len(again), contested)


def _record(number: int, rng: Random) -> _Record:
    """About 200 bytes of JSON, and a text that no other record has."""
    topic, other = rng.sample(_TOPICS, 2)
    text = (
        f"Answer {number} about {topic} was {rng.choice(_MANNERS)}; it left out {other}, which the question had named."
    )
    record = {"feedback": text, "rating": str(number % 6)}
    return record if number % 100 < _WITHOUT_ID else {"task_id": f"t-{number}", **record}
