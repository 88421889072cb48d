"""RQ's spawning worker: takes what the cron has enqueued and starts a process, the horse, for each.

A horse is spawned and not forked, because gRPC does not survive a fork; and so the worker, which lives as long as the
service, needs nothing of gRPC. What differs from RQ's SpawnWorker:

* The horse is `horse.py`. RQ's is a program text on the command line that holds the address of Redis with its password,
  where every user of the machine can read it.
* A stop ends the horse. RQ waits for it, here up to a minute; what a chore began is safe, and its next time comes.
* The horse stays in the worker's process group, so that whoever kills the group leaves nothing behind.
* No commands over Redis: nobody but the supervisor stops this.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from typing import Any

from redis.exceptions import RedisError
from rq import Queue, SpawnWorker
from rq.job import Job

logger = logging.getLogger(__name__)


class ChoreWorker(SpawnWorker):
    """See above. Its process has signal handlers of its own, which tell it of a stop (`app.py`)."""

    #: Seconds between two tries while Redis is away.
    max_connection_wait_time = 4.0

    def _install_signal_handlers(self) -> None:
        """None: a signal may come while there is no worker, too."""

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        assert self.execution is not None
        self.connection.persist(
            job.key
        )  # its time to live was that in the queue, and does not wait for a process to start
        environ = {
            **os.environ,
            "RQ_WORKER_ID": self.name,
            "RQ_JOB_ID": job.id,
            "RQ_EXECUTION_ID": self.execution.id,
        }
        program = (sys.executable, "-m", "jobline_queue.chores.horse")
        self._horse_pid = os.posix_spawn(sys.executable, program, environ)
        if self._shutdown_requested_date is not None:  # it came before there was a horse to end
            self.handle_warm_shutdown_request()

    def kill_horse(self, sig: signal.Signals = signal.SIGKILL) -> None:
        if self._horse_pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._horse_pid, sig)

    def handle_warm_shutdown_request(self) -> None:
        for execution_id in list(self.executions):
            self.request_stop_execution(execution_id)

    def handle_work_horse_killed(self, job: Job, retpid: int, ret_val: int, rusage: Any) -> None:
        logger.error("the process of %s ended with status %s", job.args[1:], ret_val)

    def subscribe(self) -> None:
        """Not to commands over Redis."""

    def teardown(self) -> None:
        if self._horse_pid:  # Redis was lost while it ran
            self.kill_horse()
            self.wait_for_horse()
        with contextlib.suppress(RedisError):
            super().teardown()  # type: ignore[no-untyped-call]
