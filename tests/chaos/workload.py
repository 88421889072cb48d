"""The queues of a chaos run, and what its jobs do: chosen from a seed, carried in each job's payload."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from jobline.client.models import NewJob

__all__ = ["QUEUES", "STEADY_QUEUES", "WORKLOADS", "QueueRules", "new_job", "policies"]


@dataclass(frozen=True)
class QueueRules:
    """One queue: the policy as TOML has it, how many of its jobs one worker runs at once, and how its jobs look."""

    policy: Mapping[str, str]
    slots: int
    #: How often it is chosen, relative to the others.
    weight: int
    kind: str = "work"
    keys: int = 0
    owners: int = 1
    milliseconds: tuple[int, int] = (0, 20)
    #: Out of 1000 jobs, how many try each of these in their first runs.
    trouble: Mapping[str, int] = field(default_factory=dict)
    delay: float = 0.0
    priorities: int = 1

    @property
    def max_running(self) -> int:
        return int(self.policy.get("max_running", "0"))

    @property
    def max_running_per_key(self) -> int:
        return int(self.policy.get("max_running_per_key", "0"))

    @property
    def rate_per_second(self) -> int:
        return int(self.policy.get("rate", '"0/s"').strip('"').removesuffix("/s"))

    @property
    def resumes(self) -> bool:
        return self.policy.get("retry_resumes") == "true"

    @property
    def max_attempts(self) -> int:
        return int(self.policy.get("max_attempts", "3"))

    @property
    def is_fifo(self) -> bool:
        """Whether jobs that never came back start strictly in the order in which they were stored."""
        return self.priorities == 1 and not self.delay and self.policy.get("order") != '"fair"'


_QUICK = {"lease": '"4s"', "receipt": '"2s"', "backoff": '["50ms", "200ms"]', "max_attempts": "4"}
_FLAKY = {"fail": 120, "raise": 30, "fatal": 30, "snooze": 60, "crash": 1}


def _queue(slots: int, weight: int, milliseconds: tuple[int, int] = (0, 20), **policy: str) -> QueueRules:
    """A queue with short leases and backoffs; `policy` is laid over these."""
    return QueueRules({**_QUICK, **policy}, slots, weight, milliseconds=milliseconds)


QUEUES: Mapping[str, QueueRules] = {
    "free": replace(_queue(8, 30, (0, 3)), kind="quick"),
    "one": _queue(2, 10, (0, 100), max_running="1"),
    "few": _queue(3, 12, (0, 400), max_running="3"),
    "keyed": replace(_queue(4, 12, max_running_per_key="1"), keys=12),
    "both": replace(_queue(4, 10, (0, 500), max_running="4", max_running_per_key="2"), keys=5, priorities=3),
    "fair": replace(_queue(2, 8, (0, 300), max_running="2", order='"fair"'), owners=4),
    "flaky": replace(_queue(6, 12), trouble=_FLAKY),
    "stepping": replace(_queue(5, 8, (5, 80), retry_resumes="true"), kind="stepping", trouble=_FLAKY),
    "forgetful": replace(_queue(3, 4, (5, 40), max_running="3"), kind="stepping"),
    "slow": _queue(4, 2, (300, 4500), lease='"3s"', receipt='"1s"', timeout='"4s"', max_attempts="2"),
    "blocking": replace(_queue(2, 2, (10, 1500), lease='"3s"', cancel='"now"'), kind="blocking"),
    "now": _queue(4, 5, (5, 300), cancel='"now"'),
    "stubborn": _queue(2, 4, cancel='"pending_only"', max_running="2"),
    "delayed": replace(_queue(4, 6), delay=5.0),
    "rated": _queue(3, 4, rate='"4/s"'),
}

_STEADY = {"lease": '"5s"', "receipt": '"3s"', "backoff": '["50ms"]', "max_attempts": "20"}

#: The queues of the big run with a standby: short jobs without trouble, most of them without limits.
STEADY_QUEUES: Mapping[str, QueueRules] = {
    "bulk": QueueRules(_STEADY, 16, 940, kind="quick", milliseconds=(0, 0)),
    "one": QueueRules({**_STEADY, "max_running": "1"}, 2, 20, milliseconds=(0, 3)),
    "three": QueueRules({**_STEADY, "max_running": "3"}, 3, 20, milliseconds=(0, 10)),
    "keys": QueueRules({**_STEADY, "max_running_per_key": "2"}, 8, 20, keys=20, milliseconds=(0, 10)),
}

#: By the word that a worker process is given.
WORKLOADS: Mapping[str, Mapping[str, QueueRules]] = {"chaos": QUEUES, "steady": STEADY_QUEUES}


def policies(queues: Mapping[str, QueueRules]) -> str:
    """The policy file."""
    tables = []
    for name, rules in queues.items():
        tables.append("\n".join([f"[queues.{name}]", *(f"{key} = {value}" for key, value in rules.policy.items())]))
    return "\n\n".join(tables)


def new_job(queues: Mapping[str, QueueRules], rng: random.Random, tag: str, idempotency_key: str = "") -> NewJob:
    """A job of a queue chosen at random; `tag` tells it from every other."""
    queue = rng.choices(list(queues), [rules.weight for rules in queues.values()])[0]
    rules = queues[queue]
    payload: dict[str, Any] = {"ms": rng.randint(*rules.milliseconds), "trouble": _trouble(rng, rules)}
    return NewJob(
        queue,
        rules.kind,
        payload,
        owner=f"user:{rng.randrange(rules.owners)}@example.org",
        priority=rng.randrange(rules.priorities),
        run_at=datetime.now(UTC) + timedelta(seconds=rng.uniform(0.1, rules.delay)) if rules.delay else None,
        concurrency_key=f"key-{min(rng.randrange(rules.keys), rng.randrange(rules.keys))}" if rules.keys else "",
        idempotency_key=idempotency_key,
        labels={"tag": tag},
    )


def _trouble(rng: random.Random, rules: QueueRules) -> list[str]:
    """What goes wrong in the first run, the second, and so on; in later ones nothing does."""
    words = [*rules.trouble, ""]
    weights = [*rules.trouble.values(), 1000 - sum(rules.trouble.values())]
    first = rng.choices(words, weights)[0]
    return [first] * rng.choice((1, 1, 1, 2, 5)) if first else []
