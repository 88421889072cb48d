"""What one term of the active service shares: memory, clock, hooks, changes, and how it ends."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

from jobline_queue.dispatch.changes import Changes
from jobline_queue.dispatch.clock import Clock
from jobline_queue.dispatch.dispatcher import Dispatcher
from jobline_queue.dispatch.hooks import HookRegistry

logger = logging.getLogger(__name__)


class TermLost(Exception):
    """The term is over: a writing connection broke, or another service took over. What was under way is unknown."""


@dataclass(eq=False)
class Term:
    """One epoch of an active service."""

    epoch: int
    dispatcher: Dispatcher
    hooks: HookRegistry
    clock: Clock
    changes: Changes
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def lose(self, why: BaseException | str) -> None:
        """Ends the term; everybody who waits on it is told."""
        if not self.over.is_set():
            logger.info("term %d is over: %s", self.epoch, why)
            self.over.set()
            self.changes.close()
