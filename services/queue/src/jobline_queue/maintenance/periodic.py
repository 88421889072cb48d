"""A loop around a `run_once`: it starts staggered, survives an error in one round, and logs what a round did."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

import psycopg

from jobline_queue.dispatch.term import TermLost

logger = logging.getLogger(__name__)


async def periodically(name: str, seconds: float, run_once: Callable[[], Awaitable[int] | int]) -> None:
    """Calls `run_once` every `seconds`, ±10 %, until cancelled. `run_once` returns how much it did.

    An exception is logged and the loop lives on; TermLost ends it.
    """
    await asyncio.sleep(seconds * random.random())
    while True:
        try:
            result = run_once()
            count = result if isinstance(result, int) else await result
            if count:
                logger.info("%s: %d", name, count)
        except TermLost:
            raise
        except psycopg.OperationalError as error:
            logger.warning("%s failed: the database does not answer (%s)", name, type(error).__name__)
        except Exception:
            logger.exception("%s failed; trying again in %g s", name, seconds)
        await asyncio.sleep(seconds * random.uniform(0.9, 1.1))
