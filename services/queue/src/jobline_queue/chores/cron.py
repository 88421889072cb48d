"""RQ's cron, on a thread beside the worker: says when.

RQ's own loop (`CronScheduler.start`) wants the main thread, for its signal handlers, and a process of its own, which ends
when Redis does not answer. This loop is made of the scheduler's parts, waits for Redis instead, and needs no signals.

Any number of processes may run one. They share nothing and all enqueue; the grant decides (`errands.py`).
"""

from __future__ import annotations

import contextlib
import logging
import threading

from redis.exceptions import RedisError
from rq.cron import CronScheduler

from jobline_queue.chores import tick
from jobline_queue.chores.config import Config

logger = logging.getLogger(__name__)

#: The one RQ queue of the chores; its keys stand under a prefix of ours, see environment.py.
QUEUE = "chores"
#: Seconds between two tries while Redis is away.
_RETRY = 2.0
#: Seconds for which RQ keeps what it knows of a horse that broke.
_KEEP_FAILED = 86400


class Cron:
    """Enqueues what is due until `stop` is set."""

    def __init__(self, config: Config, stop: threading.Event) -> None:
        self._stop = stop
        self._scheduler = CronScheduler(config.connect(timeout=10))
        self._is_lost = False
        for cron, names in config.schedule.items():
            self._scheduler.register(
                tick.run,
                QUEUE,
                args=(cron, *names),
                cron=cron,
                ttl=tick.stale_after(cron),
                job_timeout=tick.LONGEST,
                result_ttl=0,
                failure_ttl=_KEEP_FAILED,
                name=" ".join(names),
            )

    def run(self) -> None:
        while not self._stop.is_set():
            self._stop.wait(self._enqueue_due())
        with contextlib.suppress(RedisError):
            self._scheduler.register_death()

    def _enqueue_due(self) -> float:
        """Seconds until it is to be called again."""
        try:
            if self._scheduler.enqueue_jobs():
                self._scheduler.save()
            self._scheduler.heartbeat()
        except RedisError as error:
            if not self._is_lost:
                logger.warning("Redis does not answer (%s); no chore begins before it is back", type(error).__name__)
            self._is_lost = True
            return _RETRY
        if self._is_lost:
            logger.info("Redis is back")
        self._is_lost = False
        return float(self._scheduler.calculate_sleep_interval())
