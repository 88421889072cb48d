"""What a gateway's user may see and do in the core.

Plain users see and act on jobs of their own, managers look at everything, admins do everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import grpc
import pytest

from jobline.v1 import account_service_pb2 as account_pb
from jobline.v1 import job_service_pb2 as pb
from jobline.v1 import queue_service_pb2 as queue_pb
from support.queue_calls import Calls, Refusal, new_job, refused
from support.queue_service import QueueServiceUnderTest

OTHERS = "user:owner-of-what-staff-looks-at"

LOOKS: dict[str, Callable[[Calls, str], object]] = {
    "GetJob": lambda calls, job_id: calls.get(job_id),
    "ExplainJob": lambda calls, job_id: calls.explain(job_id),
}
STAFF_LOOKS: dict[str, Callable[[Calls, str], object]] = {
    "ListWorkers": lambda calls, _: calls.queues.ListWorkers(queue_pb.ListWorkersRequest(with_jobs=True)),
    "GetTrends": lambda calls, _: calls.queues.GetTrends(queue_pb.GetTrendsRequest()),
    "ListEvents": lambda calls, _: calls.queues.ListEvents(queue_pb.ListEventsRequest()),
}
ACTS: dict[str, Callable[[Calls, str], object]] = {
    "CancelJob": lambda calls, job_id: calls.cancel(job_id),
    "RetryJob": lambda calls, job_id: calls.retry(job_id),
}
STAFF_ACTS: dict[str, Callable[[Calls, str], object]] = {
    "PauseQueue": lambda calls, _: calls.queues.PauseQueue(queue_pb.PauseQueueRequest(queue="staff_rights")),
    "ResumeQueue": lambda calls, _: calls.queues.ResumeQueue(queue_pb.ResumeQueueRequest(queue="staff_rights")),
    "SetQueueLimit": lambda calls, _: calls.queues.SetQueueLimit(queue_pb.SetQueueLimitRequest(queue="staff_rights")),
    "DrainWorker": lambda calls, _: calls.queues.DrainWorker(queue_pb.DrainWorkerRequest(worker="nobody")),
    "RetryJobs": lambda calls, _: list(
        calls.jobs.RetryJobs(pb.RetryJobsRequest(filter=pb.JobFilter(owner=OTHERS), dry_run=True))
    ),
    "CancelJobs": lambda calls, _: list(
        calls.jobs.CancelJobs(pb.CancelJobsRequest(filter=pb.JobFilter(owner=OTHERS), dry_run=True))
    ),
}


@pytest.fixture(scope="module")
def service(shared_queue: QueueServiceUnderTest) -> QueueServiceUnderTest:
    return shared_queue


@pytest.fixture(scope="module")
def others_job(service: QueueServiceUnderTest) -> str:
    """A job that has been cancelled, of somebody else."""
    with Calls(service.address, service.producer_token) as producer:
        (job_id,) = producer.enqueue(new_job("staff_rights", owner=OTHERS))
        producer.cancel(job_id)
    return job_id


@pytest.fixture(scope="module")
def users(service: QueueServiceUnderTest) -> Iterator[Callable[[str], Calls]]:
    """The gateway's calls for a user with a role; `itself`: for nobody."""
    with ExitStack() as stack:

        def calls(role: str) -> Calls:
            caller = None if role == "itself" else account_pb.Caller(sub=f"{role}-of-staff", role=role)
            return stack.enter_context(Calls(service.address, service.gateway_token, caller))

        yield calls


def refusal_of(call: Callable[[Calls, str], object], calls: Calls, job_id: str) -> str:
    """The reason; empty for an answer."""
    try:
        call(calls, job_id)
    except grpc.RpcError as error:
        return Refusal.of(error).reason
    return ""


@pytest.mark.parametrize("name", LOOKS)
@pytest.mark.parametrize(
    ("role", "reason"),
    [("user", "JOB_NOT_FOUND"), ("support", "JOB_NOT_FOUND"), ("manager", ""), ("admin", ""), ("itself", "")],
)
def test_staff_sees_the_jobs_of_everybody(
    users: Callable[[str], Calls], others_job: str, name: str, role: str, reason: str
):
    assert refusal_of(LOOKS[name], users(role), others_job) == reason


@pytest.mark.parametrize("name", STAFF_LOOKS)
@pytest.mark.parametrize(
    ("role", "reason"),
    [("user", "FORBIDDEN"), ("support", "FORBIDDEN"), ("manager", ""), ("admin", ""), ("itself", "")],
)
def test_staff_sees_workers_trends_and_the_history(
    users: Callable[[str], Calls], others_job: str, name: str, role: str, reason: str
):
    assert refusal_of(STAFF_LOOKS[name], users(role), others_job) == reason


@pytest.mark.parametrize("role", ["manager", "admin"])
def test_who_has_not_signed_in_has_no_role(service: QueueServiceUnderTest, others_job: str, role: str):
    for caller in (account_pb.Caller(session="s-1", role=role), account_pb.Caller(role=role)):
        with Calls(service.address, service.gateway_token, caller) as anonymous:
            for name, call in (LOOKS | STAFF_LOOKS | STAFF_ACTS).items():
                assert refusal_of(call, anonymous, others_job), name


@pytest.mark.parametrize("role", ["user", "manager", "admin", "itself"])
def test_everybody_may_look_at_queues(users: Callable[[str], Calls], role: str):
    assert users(role).queues.ListQueues(queue_pb.ListQueuesRequest()).queues


@pytest.mark.parametrize("name", [*ACTS, *STAFF_ACTS])
@pytest.mark.parametrize("role", ["user", "manager", "itself"])
def test_only_admins_act_on_queues_workers_and_the_jobs_of_others(
    users: Callable[[str], Calls], others_job: str, name: str, role: str
):
    hidden = role == "user" and name in ACTS
    assert refusal_of({**ACTS, **STAFF_ACTS}[name], users(role), others_job) == (
        "JOB_NOT_FOUND" if hidden else "FORBIDDEN"
    )


@pytest.mark.parametrize("name", STAFF_ACTS)
def test_an_admin_acts_on_everything(users: Callable[[str], Calls], others_job: str, name: str):
    there_is_none = "WORKER_NOT_FOUND" if name == "DrainWorker" else ""
    assert refusal_of(STAFF_ACTS[name], users("admin"), others_job) == there_is_none


def test_an_admin_retries_and_cancels_the_job_of_another_and_the_history_names_them(
    service: QueueServiceUnderTest, users: Callable[[str], Calls]
):
    with Calls(service.address, service.producer_token) as producer:
        (job_id,) = producer.enqueue(new_job("staff_rights", owner=OTHERS))
    admin = users("admin")
    admin.cancel(job_id)
    admin.retry(job_id)
    acts = [(event.name, event.actor, event.job_id, event.queue) for event in admin.explain(job_id).events]
    assert acts == [
        ("cancelled", "user:admin-of-staff", job_id, "staff_rights"),
        ("retried", "user:admin-of-staff", job_id, "staff_rights"),
    ]
    admin.cancel(job_id)


def test_a_manager_acts_on_jobs_of_their_own_as_any_user(users: Callable[[str], Calls]):
    manager = users("manager")
    (job_id,) = manager.enqueue(new_job("staff_rights"))
    manager.cancel(job_id)
    own = pb.JobFilter(owner="user:manager-of-staff")
    (progress,) = manager.jobs.RetryJobs(pb.RetryJobsRequest(filter=own, dry_run=True))
    assert progress.progress.total >= 1


def test_lists_and_counts_of_staff_hold_the_jobs_of_everybody_and_those_of_others_their_own(
    service: QueueServiceUnderTest, users: Callable[[str], Calls], queue: str
):
    with Calls(service.address, service.producer_token) as producer:
        ids = producer.enqueue(new_job(queue, owner=OTHERS), new_job(queue, owner="user:user-of-staff"))
    for role, seen in (("user", ids[1:]), ("manager", ids), ("admin", ids), ("itself", ids)):
        calls = users(role)
        assert [job.id for job in calls.list_jobs(queue)] == seen[::-1]
        request = pb.CountJobsRequest(filter=pb.JobFilter(queues=[queue]))
        assert calls.jobs.CountJobs(request).count == len(seen)


def test_a_removed_job_is_explained_to_staff_and_unknown_to_others(
    service: QueueServiceUnderTest, users: Callable[[str], Calls]
):
    with Calls(service.address, service.operator_token) as operator:
        (job_id,) = operator.enqueue(new_job("staff_rights", owner="user:user-of-staff"))
        operator.delete(job_id)
    assert [event.name for event in users("manager").explain(job_id).events] == ["deleted"]
    with refused("JOB_NOT_FOUND"):
        users("user").explain(job_id)
