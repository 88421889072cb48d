"""A job as a caller asks for it: checked, completed with the policy's defaults, ready to be stored."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from jobline_queue.core.errors import invalid
from jobline_queue.core.json_text import check_json, check_text, content_hash
from jobline_queue.core.policy import QUEUE_NAME

KIND = re.compile(r"[A-Za-z0-9_.-]{1,64}")
MAX_LABELS = 16
#: What the column holds; the contract's int32, too, but modules make jobs of JSON.
MIN_PRIORITY, MAX_PRIORITY = -(2**31), 2**31 - 1
#: `business:` and an id of 255 characters.
MAX_OWNER = 264
NO_LABELS: Mapping[str, str] = MappingProxyType({})

#: The fields of a NewJob from `queue` to `max_attempts`: what the jobs of one call mostly have in common.
Terms: TypeAlias = tuple[str, str, str, int, float | None, str, str, int]


class NewJob(NamedTuple):
    """The fields in which the jobs of a call mostly agree come first: `terms` is a slice, and whoever handles a thousand
    jobs does the work that depends on them once (a tuple costs a quarter of a frozen dataclass, too)."""

    queue: str
    kind: str
    owner: str = ""
    priority: int = 0
    #: Epoch seconds; None: at once.
    run_at: float | None = None
    concurrency_key: str = ""
    correlation_id: str = ""
    #: 0: the policy's.
    max_attempts: int = 0
    idempotency_key: str = ""
    labels: Mapping[str, str] = NO_LABELS
    payload: str = "{}"

    @property
    def terms(self) -> Terms:
        return self[:8]

    def check(self, path: str) -> None:
        """Raises InvalidField or TooLarge with `path` before the field's name."""
        self.check_terms(path)
        self.check_own(path)

    def check_terms(self, path: str) -> None:
        """The part of `check` that depends on the terms alone."""
        if not QUEUE_NAME.fullmatch(self.queue):
            raise invalid(f"{path}queue", "expected 1-64 characters of a-z, 0-9, '_' and '-'")
        if not KIND.fullmatch(self.kind):
            raise invalid(f"{path}kind", "expected 1-64 characters of A-Z, a-z, 0-9, '_', '-' and '.'")
        check_text(f"{path}owner", self.owner, MAX_OWNER)
        check_text(f"{path}concurrency_key", self.concurrency_key, 255)
        check_text(f"{path}correlation_id", self.correlation_id, 128)
        if not MIN_PRIORITY <= self.priority <= MAX_PRIORITY:
            raise invalid(f"{path}priority", "expected a 32-bit integer")
        if not 0 <= self.max_attempts <= 100:
            raise invalid(f"{path}max_attempts", "expected 1 to 100, or 0 for the queue's default")

    def check_own(self, path: str) -> None:
        """The rest of `check`."""
        if self.idempotency_key:
            check_text(f"{path}idempotency_key", self.idempotency_key, 255)
        if self.labels:
            self._check_labels(path)
        check_json(f"{path}payload_json", self.payload)

    def _check_labels(self, path: str) -> None:
        if len(self.labels) > MAX_LABELS:
            raise invalid(f"{path}labels", f"expected at most {MAX_LABELS} labels")
        for key, value in self.labels.items():
            check_text(f"{path}labels", key, 64, 1)
            check_text(f"{path}labels[{key}]", value, 255)

    def content_hash(self, input_digest: str = "") -> str:
        """Hex SHA-256 over what must agree when an idempotency key is used again; the input, too, if there is one."""
        parts = (self.queue, self.kind, self.owner, json.loads(self.payload), self.priority, self.run_at)
        return content_hash(*parts, self.concurrency_key, *([input_digest] if input_digest else ())).hex()


def request_time(request_id: str) -> int:
    """The 48 time bits of a request id. Raises InvalidField for anything but a UUID version 7."""
    try:
        parsed = uuid.UUID(request_id)
    except ValueError:
        parsed = None
    if parsed is None or parsed.version != 7:
        raise invalid("request_id", "expected a UUID version 7")
    return parsed.int >> 80


def job_ids(principal: str, request_id: str, jobs: Sequence[NewJob], input_digest: str = "") -> list[str]:
    """The ids of a call's jobs: UUIDs version 7 that the same call made again gets again. Raises InvalidField (request_id).

    The principal is part of them, so no caller can aim at another's ids, and so is the content of the whole call, its input
    included, so a request id that is used again by mistake stores the new jobs instead of losing them. A job's number in the
    call stands before the hash, so the ids of one call differ and sort in its order. One hash a call, no UUID object a job.
    """
    seed = [principal, request_id]
    for job in jobs:
        seed += (job.queue, job.kind, job.owner, job.payload)
    if input_digest:
        seed.append(input_digest)
    digest = hashlib.sha256("\0".join(seed).encode()).digest()
    time = f"{request_time(request_id):012x}"
    tail = f"{0b10 << 62 | int.from_bytes(digest[:8], 'big') >> 2:016x}"
    head, tail = f"{time[:8]}-{time[8:]}-7", f"-{tail[:4]}-{tail[4:]}"
    return [f"{head}{number:03x}{tail}" for number in range(len(jobs))]
