"""The database queue as a library: load records into projects and have them embedded, by workers of your own.

with DatabaseQueue() as queue:
    queue.enqueue("INGEST_DATA", {"projectId": "proj-456", "records": records}, priority=1)
    for job in queue.jobs(["INGEST_DATA"]):
        queue.complete_job(job.job_id, load(job.payload["records"]))

docs/database-queue.md has a whole consumer program.
"""

from jobline.database_queue.asynchronous import AsyncDatabaseQueue
from jobline.database_queue.synchronous import DatabaseQueue
from jobline.database_queue.values import ClaimedJob, DatabaseQueueError, DatabaseQueueStats

__all__ = ["AsyncDatabaseQueue", "ClaimedJob", "DatabaseQueue", "DatabaseQueueError", "DatabaseQueueStats"]
