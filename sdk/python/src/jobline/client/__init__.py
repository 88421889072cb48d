"""The client: enqueue jobs, watch them, steer them.

with JoblineClient.from_settings(Settings()) as client:
    stored = client.enqueue("email_default", "generate_email", {...})
    for change in client.watch([stored.id]):
        print(change.job.state)
"""

from jobline.client.asynchronous import AsyncJoblineClient
from jobline.client.models import (
    Attempt,
    BulkProgress,
    Change,
    Credits,
    CreditSource,
    EnqueuedJob,
    Eta,
    Explanation,
    Job,
    JobDetails,
    JobError,
    JobEvent,
    JobFilter,
    JobOrder,
    JobPlace,
    JobState,
    Json,
    Lease,
    NewJob,
    Progress,
    Step,
    WaitReason,
)
from jobline.client.queue_models import (
    ErrorCount,
    EtaCoverage,
    HeldJob,
    Pause,
    Quantiles,
    Queue,
    QueueHistory,
    QueuePolicy,
    QueueStats,
    QueueTrends,
    TrendPoint,
    WorkerInfo,
    WorkerQueue,
)
from jobline.client.synchronous import JoblineClient

__all__ = [
    "AsyncJoblineClient",
    "Attempt",
    "BulkProgress",
    "Change",
    "CreditSource",
    "Credits",
    "EnqueuedJob",
    "ErrorCount",
    "Eta",
    "EtaCoverage",
    "Explanation",
    "HeldJob",
    "Job",
    "JobDetails",
    "JobError",
    "JobEvent",
    "JobFilter",
    "JobOrder",
    "JobPlace",
    "JobState",
    "JoblineClient",
    "Json",
    "Lease",
    "NewJob",
    "Pause",
    "Progress",
    "Quantiles",
    "Queue",
    "QueueHistory",
    "QueuePolicy",
    "QueueStats",
    "QueueTrends",
    "Step",
    "TrendPoint",
    "WaitReason",
    "WorkerInfo",
    "WorkerQueue",
]
