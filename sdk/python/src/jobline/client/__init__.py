"""The client: enqueue jobs, watch them, steer them.

with JoblineClient.from_settings(Settings()) as client:
    stored = client.enqueue("email_default", "generate_email", {...})
    for change in client.watch([stored.id]):
        print(change.job.state)
"""

from jobline.client.asynchronous import AsyncJoblineClient
from jobline.client.models import (
    Attempt,
    Change,
    Credits,
    CreditSource,
    EnqueuedJob,
    Explanation,
    Job,
    JobDetails,
    JobError,
    JobEvent,
    JobState,
    Json,
    Lease,
    NewJob,
    Progress,
    Queue,
    QueueHistory,
    QueuePolicy,
    QueueStats,
    Step,
    WaitReason,
    WorkerInfo,
)
from jobline.client.synchronous import JoblineClient

__all__ = [
    "AsyncJoblineClient",
    "Attempt",
    "Change",
    "CreditSource",
    "Credits",
    "EnqueuedJob",
    "Explanation",
    "Job",
    "JobDetails",
    "JobError",
    "JobEvent",
    "JobState",
    "JoblineClient",
    "Json",
    "Lease",
    "NewJob",
    "Progress",
    "Queue",
    "QueueHistory",
    "QueuePolicy",
    "QueueStats",
    "Step",
    "WaitReason",
    "WorkerInfo",
]
