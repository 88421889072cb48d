"""`jobline-queue chores`: the scheduler and the worker of the chores, in one process beside the queue service.

It calls the gRPC API like everybody else and knows no database. Redis carries the ticks. Without it no chore begins, and
that is all: the queue service does not notice, and when Redis is back the chores go on with the next tick.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from types import FrameType

from redis.exceptions import RedisError
from rq.exceptions import StopRequested

from jobline_queue.chores.config import Config
from jobline_queue.chores.cron import QUEUE, Cron
from jobline_queue.chores.worker import ChoreWorker

logger = logging.getLogger(__name__)

#: The name of this service in the log.
NAME = "chores"
#: Seconds. A worker that waits for a tick asks again that often: so a Redis that vanished without a word is noticed.
WORKER_TTL = 60
_RETRY = 2.0
_RQ_LEVEL = "ERROR"


class _NotOfRedis(logging.Filter):
    """That Redis is away is said once (`cron.py`), not at each of RQ's tries."""

    def filter(self, record: logging.LogRecord) -> bool:
        causes = (*(record.args if isinstance(record.args, tuple) else ()), record.exc_info and record.exc_info[1])
        return not any(isinstance(cause, RedisError) for cause in causes)


def quiet_rq() -> None:
    """Leaves of RQ's logs what went wrong, and not at Redis."""
    for name in ("rq", "rq.worker"):
        logging.getLogger(name).setLevel(_RQ_LEVEL)
    logging.getLogger("rq.worker").addFilter(_NotOfRedis())


class Chores:
    """The process's life, until SIGTERM or SIGINT."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._stop = threading.Event()
        #: While it works: it has to hear of signals, which end its waiting.
        self._worker: ChoreWorker | None = None

    def run(self) -> None:
        quiet_rq()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._request_stop)
        cron = threading.Thread(target=self._run_cron, name="cron", daemon=True)
        cron.start()
        for schedule, names in self._config.schedule.items():
            logger.info("at '%s' (UTC): %s", schedule, ", ".join(names))
        with contextlib.suppress(StopRequested):  # raised by the signal, wherever the worker was
            self._work()
        cron.join(timeout=2.0)

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                self._worker = ChoreWorker([QUEUE], connection=self._config.connect(), worker_ttl=WORKER_TTL)
                self._worker.work(logging_level=_RQ_LEVEL)
            except RedisError:
                pass  # a worker cannot begin without it
            finally:
                self._worker = None
            self._stop.wait(_RETRY)

    def _run_cron(self) -> None:
        try:
            Cron(self._config, self._stop).run()
        except BaseException:
            logger.exception("the scheduler broke")
            os.kill(os.getpid(), signal.SIGTERM)  # who keeps this process starts it again

    def _request_stop(self, number: int, frame: FrameType | None) -> None:
        self._stop.set()
        if self._worker is not None:
            self._worker.request_stop(number, frame)  # type: ignore[no-untyped-call]
