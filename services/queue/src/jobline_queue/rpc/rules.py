"""Which role may call what. Every RPC has a line here; one without is refused, and a test fails."""

from __future__ import annotations

from jobline.service_tokens import Role

P, W, O, G = Role.PRODUCER, Role.WORKER, Role.OPERATOR, Role.GATEWAY  # noqa: E741
ALL = frozenset({P, W, O, G})

RULES: dict[str, frozenset[Role]] = {
    "/jobline.v1.JobService/EnqueueJobs": frozenset({P, O, G}),
    "/jobline.v1.JobService/GetJob": frozenset({P, O, G}),
    "/jobline.v1.JobService/ListJobs": frozenset({P, O, G}),
    "/jobline.v1.JobService/WatchJobs": frozenset({P, O, G}),
    "/jobline.v1.JobService/CancelJob": frozenset({P, O, G}),
    "/jobline.v1.JobService/RetryJob": frozenset({O, G}),
    "/jobline.v1.JobService/DeleteJob": frozenset({O}),
    "/jobline.v1.JobService/ExplainJob": frozenset({P, O, G}),
    "/jobline.v1.WorkService/Work": frozenset({W, O}),
    "/jobline.v1.WorkService/ClaimJobs": frozenset({W, O}),
    "/jobline.v1.WorkService/Heartbeat": frozenset({W, O}),
    "/jobline.v1.WorkService/ReportProgress": frozenset({W, O}),
    "/jobline.v1.WorkService/CompleteJob": frozenset({W, O}),
    "/jobline.v1.WorkService/FailJob": frozenset({W, O}),
    "/jobline.v1.WorkService/SnoozeJob": frozenset({W, O}),
    "/jobline.v1.WorkService/ReleaseJob": frozenset({W, O}),
    "/jobline.v1.QueueService/ListQueues": ALL,
    "/jobline.v1.QueueService/GetQueue": ALL,
    "/jobline.v1.QueueService/PauseQueue": frozenset({O}),
    "/jobline.v1.QueueService/ResumeQueue": frozenset({O}),
    "/jobline.v1.QueueService/PruneJobs": frozenset({O}),
    "/jobline.v1.QueueService/ListWorkers": frozenset({O, G}),
    "/jobline.v1.QueueService/DrainWorker": frozenset({O}),
    "/jobline.v1.AccountService/EnsureCaller": frozenset({G}),
    "/jobline.v1.AccountService/StoreBusiness": frozenset({O}),
    "/jobline.v1.AccountService/SetMember": frozenset({O}),
    "/jobline.v1.EmailService/SubmitEmails": frozenset({P, O, G}),
    "/jobline.v1.EmailService/ListQueueItems": frozenset({P, O, G}),
    "/jobline.v1.EmailService/CancelQueueItem": frozenset({P, O, G}),
    "/jobline.v1.EmailService/GetEmail": frozenset({P, O, G}),
    "/jobline.v1.EmailService/ListEmails": frozenset({P, O, G}),
    "/jobline.v1.EmailService/UpdateEmail": frozenset({P, O, G}),
    "/jobline.v1.CommunicationService/Authorize": frozenset({P, O, G}),
    "/jobline.v1.CommunicationService/SubmitMessages": frozenset({P, O, G}),
    "/jobline.v1.CommunicationService/GetMessageStats": frozenset({P, O, G}),
    "/jobline.v1.CommunicationService/GetMessageHealth": frozenset({P, O, G}),
    "/jobline.v1.CommunicationService/ListMessages": frozenset({P, O, G}),
    "/jobline.v1.CommunicationService/ExportMessages": frozenset({P, O, G}),
    "/jobline.v1.CommunicationService/GetMessage": frozenset({P, O, G}),
    "/jobline.v1.CommunicationService/ListCommunicationMessages": frozenset({P, O, G}),
    "/jobline.v1.CommunicationService/ListOutbox": frozenset({P, O, G}),
    "/jobline.v1.CommunicationService/ProcessMessages": frozenset({P, O, G}),
    "/jobline.v1.CommunicationService/RetryMessage": frozenset({P, O, G}),
    "/jobline.v1.CommunicationService/RetryFailedMessages": frozenset({P, O, G}),
    "/jobline.v1.CommunicationService/CancelMessage": frozenset({P, O, G}),
    "/jobline.v1.CommunicationService/DeleteMessage": frozenset({P, O, G}),
}
