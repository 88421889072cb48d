"""Named moments at which a test can make a process of Jobline fail: killed, broken, frozen or held back exactly there.

    JOBLINE_FAILPOINTS=claim.after_commit=kill,finish.before_commit=error@3

What a crash does depends on the moment it hits, and no amount of random killing hits "committed, but not told" on purpose.
The points are compiled in and inert: without the setting, reaching one is a look at an empty dict, and on the hot path
there is one a flush, not one a job. Production refuses the setting.

Actions:

    kill        SIGKILL to this process
    exit        ends this process at once with status 70 (EX_SOFTWARE), without any clean-up
    error       raises FailpointReached
    hang        blocks the thread for ever: to everyone else the process is frozen
    wait:FILE   this task waits until FILE exists; the rest of the process goes on

`@n` after an action means: the n-th time only. Without it: every time.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jobline.runtime import Settings, SettingsError

__all__ = ["POINTS", "SETTING", "FailpointReached", "arm", "armed", "reach"]

log = logging.getLogger(__name__)

SETTING = "JOBLINE_FAILPOINTS"

#: Every point by name, with the moment it stands for.
POINTS = {
    "enqueue.before_commit": "jobs are checked and have their ids; nothing is stored",
    "enqueue.after_commit": "jobs are stored; memory and callers do not know it",
    "claim.before_commit": "jobs are picked, their rows may be written; nothing is committed",
    "claim.after_commit": "the leases are stored; memory and workers do not know it",
    "finish.before_commit": "a flush of outcomes and acts is decided, its rows may be written; nothing is committed",
    "finish.after_commit": "the flush is stored; memory, workers and callers do not know it",
    "ingest.before_commit": "a run of the database queue has written records or vectors, and proved that it is current",
    "ingest.after_commit": "they are stored; memory and the worker do not know it",
    "take_over.locked": "a service has the lock `active`; the term before goes on",
    "take_over.writers_locked": "the sessions of the term before are ended; the epoch is not raised",
    "take_over.raised": "the epoch is raised; nothing is loaded",
    "take_over.before_load": "the writing connections of the new term stand; nothing is loaded",
    "hand_over.drained": "the workers are told to go elsewhere; the lock is still held",
    "worker.before_handler": "a job has arrived; its pipeline has not begun",
    "worker.before_step_stored": "a step has ended; its output is not sent",
    "worker.after_step": "a step's output is stored; the next step has not begun",
    "worker.before_outcome": "outcomes are in the next message; it is not sent",
    "worker.after_outcome": "outcomes are sent; nothing is answered",
}

_EXIT_STATUS = 70
_POLL = 0.01


class FailpointReached(Exception):
    """Raised at a point whose action is `error`."""


@dataclass(slots=True)
class _Armed:
    act: str
    #: The hit that counts, from 1; None: each.
    only: int | None
    hits: int = 0


#: The points that do something in this process; empty unless `arm` found some. To be read, not written.
armed: dict[str, _Armed] = {}


def arm(settings: Settings) -> None:
    """Arms what JOBLINE_FAILPOINTS names, and nothing else. To be called once, at the start.

    Raises SettingsError in production, and for names and actions that do not exist.
    """
    armed.clear()
    listed = settings.items(SETTING)
    if listed and settings.production:
        raise SettingsError(f"{SETTING} is set: JOBLINE_ENV=production refuses failpoints; they are for tests")
    for item in listed:
        name, point = _parse(item)
        armed[name] = point
    if armed:
        log.warning("failpoints are armed: %s", ", ".join(listed))


async def reach(name: str) -> None:
    """Does what the point is armed with; nothing when it is not. Raises FailpointReached."""
    point = armed.get(name)
    if point is None:
        return
    point.hits += 1
    if point.only is not None and point.hits != point.only:
        return
    log.warning("failpoint %s, hit %d: %s", name, point.hits, point.act)
    if point.act.startswith("wait:"):
        await _wait_for(Path(point.act.removeprefix("wait:")))
    else:
        _ACTIONS[point.act](name)


def _parse(item: str) -> tuple[str, _Armed]:
    name, _, action = item.partition("=")
    act, _, hit = action.partition("@")
    if name not in POINTS:
        raise SettingsError(f"{SETTING}: there is no failpoint {name!r}; known are {', '.join(POINTS)}")
    if act not in _ACTIONS and not (act.startswith("wait:") and len(act) > len("wait:")):
        raise SettingsError(f"{SETTING}: {name}: expected one of {', '.join(_ACTIONS)}, wait:FILE, got {act!r}")
    if hit and not (hit.isascii() and hit.isdigit() and int(hit) > 0):
        raise SettingsError(f"{SETTING}: {name}: expected a hit from 1 after the @, got {hit!r}")
    return name, _Armed(act, int(hit) if hit else None)


def _kill(_name: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _exit(_name: str) -> None:
    os._exit(_EXIT_STATUS)


def _error(name: str) -> None:
    raise FailpointReached(name)


def _hang(_name: str) -> None:
    threading.Event().wait()


async def _wait_for(file: Path) -> None:
    await asyncio.to_thread(_poll_for, file)


def _poll_for(file: Path) -> None:
    pause = threading.Event()
    while not file.exists():
        pause.wait(_POLL)


_ACTIONS: dict[str, Callable[[str], None]] = {"kill": _kill, "exit": _exit, "error": _error, "hang": _hang}
