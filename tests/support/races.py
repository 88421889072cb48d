"""Calls that begin at the same moment, and what each is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc

from support.queue_calls import Refusal

__all__ = ["Act", "race", "said"]

Act = Callable[[], object]


def said(act: Act) -> str:
    """`ok`, or the reason of the refusal with the state that it names."""
    try:
        act()
    except grpc.RpcError as error:
        refusal = Refusal.of(error)
        return " ".join([refusal.reason, *refusal.metadata.values()])
    return "ok"


def race(*acts: Act) -> list[str]:
    """What is said when all begin at the same moment."""
    barrier = threading.Barrier(len(acts))

    def run(act: Act) -> str:
        barrier.wait(10)
        return said(act)

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))
