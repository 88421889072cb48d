"""The process of one tick: `python -m jobline_queue.chores.horse`, started by `worker.py`, which names the tick in the
environment. Redis is where the settings say, as for its parent.
"""

from __future__ import annotations

import os
import sys

from redis import Redis
from redis.exceptions import RedisError
from rq.executions import Execution

from jobline.runtime import Settings, configure_logging
from jobline_queue.chores.app import NAME, quiet_rq
from jobline_queue.chores.config import read_config
from jobline_queue.chores.cron import QUEUE
from jobline_queue.chores.worker import ChoreWorker


def main() -> None:
    """Ends the process with RQ's exit code: 0 when the tick's outcome is stored, 1 when there is no tick or no Redis."""
    configure_logging(NAME)
    quiet_rq()
    try:
        _run_tick(read_config(Settings()).connect())
    except RedisError:
        sys.exit(1)  # the scheduler says so


def _run_tick(connection: Redis) -> None:
    key = ChoreWorker.redis_worker_namespace_prefix + os.environ["RQ_WORKER_ID"]
    worker = ChoreWorker.find_by_key(key, connection=connection)
    job_id = os.environ["RQ_JOB_ID"]
    if worker is None or not worker.job_class.exists(job_id, connection=connection):
        sys.exit(1)
    job = worker.job_class.fetch(job_id, connection=connection)
    worker.execution = Execution.fetch(os.environ["RQ_EXECUTION_ID"], job.id, connection=connection)
    worker.main_work_horse(job, worker.queue_class(QUEUE, connection=connection))


if __name__ == "__main__":
    main()
