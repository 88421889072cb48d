"""What is measured: the jobs, the queues, and how many of everything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobline.client import NewJob

KIND = "noop"
#: A queue without limits, one that runs a job at a time, and one that runs two jobs of a key.
QUEUE, SEQUENTIAL_QUEUE, KEYED_QUEUE = "bench", "bench_sequential", "bench_keyed"

POLICIES = f"""
[queues.{QUEUE}]
[queues.{SEQUENTIAL_QUEUE}]
max_running = 1
[queues.{KEYED_QUEUE}]
max_running_per_key = 2
"""

#: How many jobs a worker runs at once, and how many more it holds for the time after: 1024 together.
SLOTS, PREFETCH = 16, 1008

CALLERS = 64


@dataclass(frozen=True)
class Sizes:
    """Numbers of jobs, of e-mail items, of polls, keys, streams, watchers, messages and records; times are in seconds."""

    single: int = 2_000
    concurrent: int = 16_000
    bulk: int = 20_000
    drain: int = 20_000
    sequential: int = 2_000
    warm_up: int = 20
    latency: int = 300
    interval: float = 0.02
    own_items: int = 1_000
    other_items: int = 10_000
    polls: int = 100
    keyed: int = 100_000
    keys: int = 1_000
    pending: int = 1_000_000
    finished: int = 5_000_000
    part: int = 40_000
    snapshot: float = 60.0
    streams: int = 400
    watchers: int = 10_000
    idle: float = 25.0
    messages: int = 200_000
    businesses: int = 500
    records: int = 10_000
    many_records: int = 100_000
    day: float = 86_400.0


FULL = Sizes()
QUICK = Sizes(
    single=300,
    concurrent=3_200,
    bulk=5_000,
    drain=5_000,
    sequential=300,
    latency=100,
    own_items=200,
    other_items=2_000,
    polls=30,
    keyed=20_000,
    pending=100_000,
    finished=200_000,
    part=10_000,
    snapshot=15.0,
    streams=100,
    watchers=1_000,
    idle=10.0,
    messages=20_000,
    businesses=50,
    records=1_000,
    many_records=10_000,
    day=21_600.0,
)


def payload(number: int, sent: float) -> dict[str, Any]:
    """About 220 bytes of JSON, the same as the harness for the peers sends."""
    return {
        "recipient_name": f"Ada Lovelace {number:06d}",
        "recipient_interest": "analytical engines, Bernoulli numbers, the poetical science of machines, weaving looms",
        "campaign": "spring-newsletter",
        "i": number,
        "sent": sent,
    }


def new_jobs(count: int, queue: str = QUEUE) -> list[NewJob]:
    """Jobs whose `sent` is their number, which tells their order and is not taken for a time."""
    from jobline.client import NewJob  # here, because worker processes need the names above and no client

    return [NewJob(queue, KIND, payload(number, float(number))) for number in range(count)]
