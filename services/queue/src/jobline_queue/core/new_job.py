"""A job as a caller asks for it: checked, completed with the policy's defaults, ready to be stored."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from jobline_queue.core.errors import invalid
from jobline_queue.core.json_text import check_json, check_text, content_hash
from jobline_queue.core.policy import QUEUE_NAME

KIND = re.compile(r"[A-Za-z0-9_.-]{1,64}")
MAX_LABELS = 16
#: `business:` and an id of 255 characters.
MAX_OWNER = 264


@dataclass(frozen=True, slots=True)
class NewJob:
    queue: str
    kind: str
    owner: str = ""
    payload: str = "{}"
    priority: int = 0
    #: Epoch seconds; None: at once.
    run_at: float | None = None
    concurrency_key: str = ""
    idempotency_key: str = ""
    correlation_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    #: 0: the policy's.
    max_attempts: int = 0

    def check(self, path: str) -> None:
        """Raises InvalidField or TooLarge with `path` before the field's name."""
        if not QUEUE_NAME.fullmatch(self.queue):
            raise invalid(f"{path}queue", "expected 1-64 characters of a-z, 0-9, '_' and '-'")
        if not KIND.fullmatch(self.kind):
            raise invalid(f"{path}kind", "expected 1-64 characters of A-Z, a-z, 0-9, '_', '-' and '.'")
        check_text(f"{path}owner", self.owner, MAX_OWNER)
        check_text(f"{path}concurrency_key", self.concurrency_key, 255)
        check_text(f"{path}idempotency_key", self.idempotency_key, 255)
        check_text(f"{path}correlation_id", self.correlation_id, 128)
        if not -1000 <= self.priority <= 1000:
            raise invalid(f"{path}priority", "expected -1000 to 1000")
        if not 0 <= self.max_attempts <= 100:
            raise invalid(f"{path}max_attempts", "expected 1 to 100, or 0 for the queue's default")
        self._check_labels(path)
        check_json(f"{path}payload_json", self.payload)

    def _check_labels(self, path: str) -> None:
        if len(self.labels) > MAX_LABELS:
            raise invalid(f"{path}labels", f"expected at most {MAX_LABELS} labels")
        for key, value in self.labels.items():
            check_text(f"{path}labels", key, 64, 1)
            check_text(f"{path}labels[{key}]", value, 255)

    def content_hash(self) -> str:
        """Hex SHA-256 over what must agree when an idempotency key is used again."""
        parts = (self.queue, self.kind, self.owner, json.loads(self.payload), self.priority, self.run_at)
        return content_hash(*parts, self.concurrency_key).hex()


def request_time(request_id: str) -> int:
    """The 48 time bits of a request id. Raises InvalidField for anything but a UUID version 7."""
    try:
        parsed = uuid.UUID(request_id)
    except ValueError:
        parsed = None
    if parsed is None or parsed.version != 7:
        raise invalid("request_id", "expected a UUID version 7")
    return parsed.int >> 80


def job_id(time_bits: int, principal: str, request_id: str, index: int, new: NewJob) -> str:
    """The id of job number `index` of a call: a UUID version 7 that the same call made again gets again.

    The principal is part of it, so no caller can aim at another's ids, and so is the content, so a request id that is
    used again by mistake stores the new job instead of losing it. The index stands before the hash, so the ids of one
    call sort in its order.
    """
    seed = f"{principal}\0{request_id}\0{index}\0{new.queue}\0{new.kind}\0{new.owner}\0{new.payload}"
    digest = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big") >> 2
    return str(uuid.UUID(int=time_bits << 80 | 0x7 << 76 | index << 64 | 0x2 << 62 | digest))
