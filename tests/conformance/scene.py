"""One test's world: a queue of its own on a shared service, a proxy before it, workers under test, and what they did."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from conformance.invariants import check_invariants
from conformance.journal import Entry
from conformance.stream_proxy import Frame, StreamProxy, stream_proxy
from conformance.workers import RunningWorker, WorkerKind
from jobline.v1 import job_pb2, job_service_pb2, queue_service_pb2
from jobline.v1 import work_service_pb2 as pb
from support.eventually import eventually_blocking
from support.queue_calls import Calls, new_job
from support.queue_service import QueueServiceUnderTest
from support.queue_watch import Watch

__all__ = ["LEASE", "POLICIES", "Scene", "part_names", "scene_of"]

T = TypeVar("T")

#: Seconds of a lease in the queues of the kit; the heartbeat interval is a third of it.
LEASE = 2.5
RECEIPT = 1.5
_QUEUES = 90

#: The terms of the kit's queues by the first part of their names; each test has a queue of its own. `now` cancels a running
#: job at once; `long` has leases that outlive a restart of the service.
TERMS = {
    "conform": {"lease": f"{LEASE:g}s", "receipt": f"{RECEIPT:g}s", "cancel": "boundary"},
    "now": {"lease": f"{LEASE:g}s", "receipt": f"{RECEIPT:g}s", "cancel": "now"},
    "long": {"lease": "12s", "receipt": "9s", "cancel": "boundary"},
}
POLICIES = "\n".join(
    f"""[queues.{name}-{number}]
lease = "{terms["lease"]}"
receipt = "{terms["receipt"]}"
cancel = "{terms["cancel"]}"
backoff = ["50ms"]
max_attempts = 5
retry_resumes = true
"""
    for name, terms in TERMS.items()
    for number in range(_QUEUES)
)

_numbers = itertools.count()


def part_names(message: pb.WorkRequest | pb.WorkResponse) -> set[str]:
    """The names of the fields that are set: `outcome_acks`, `assignments` …"""
    return {descriptor.name for descriptor, _ in message.ListFields()}


class Scene:
    """Enqueues, starts workers, waits, and checks the invariants at the end."""

    def __init__(
        self,
        service: QueueServiceUnderTest,
        calls: Calls,
        worker_calls: Calls,
        proxy: StreamProxy,
        kind: WorkerKind,
        folder: Path,
        queue: str,
    ) -> None:
        self.service = service
        self.calls = calls
        #: The same service, past the proxy, with the workers' token.
        self.worker_calls = worker_calls
        self.proxy = proxy
        self.kind = kind
        self.folder = folder
        self.queue = queue
        self.job_ids: list[str] = []
        self.workers: list[RunningWorker] = []
        self.watch = Watch(calls, queues=[queue])

    # ---- workers ----------------------------------------------------------------------------------------------------

    def spawn(
        self, name: str = "one", *, slots: int = 1, drain: float = 5.0, addresses: str = "", token: str = ""
    ) -> RunningWorker:
        """Starts a worker that connects through the proxy unless told otherwise; does not wait for it."""
        settings = {
            "ADDRESSES": addresses or self.proxy.address,
            "TOKEN": token or self.service.worker_token,
            "QUEUES": f"{self.queue}={slots}",
            "DRAIN_SECONDS": f"{drain:g}",
        }
        worker = RunningWorker(self.kind, settings, self.folder, name, f"{self.queue}-worker-{len(self.workers)}")
        self.workers.append(worker)
        return worker

    def start(self, name: str = "one", **settings: Any) -> RunningWorker:
        """Starts a worker and waits until the service has told it its terms and it has told its capacity."""
        worker = self.spawn(name, **settings)
        self.await_capacity(worker)
        return worker

    def start_elsewhere(self, name: str) -> RunningWorker:
        """Starts a worker that connects past the proxy; does not wait for it."""
        return self.spawn(name, addresses=self.service.address)

    def await_capacity(self, worker: RunningWorker) -> None:
        def ready() -> bool:
            assert worker.returncode is None, f"the worker ended with {worker.returncode}:\n{self.log(worker)}"
            streams = [stream for stream in list(self.proxy.streams) if self.name_of(stream) == worker.name]
            return bool(streams) and any(frame.message.HasField("capacity") for frame in list(streams[-1].requests))

        eventually_blocking(ready, within=30, what=f"worker {worker.name} is connected and has told its capacity")

    @staticmethod
    def name_of(stream: Any) -> str:
        """The name of the worker whose stream it is."""
        return str(stream.requests[0].message.hello.name) if stream.requests else ""

    @staticmethod
    def log(worker: RunningWorker) -> str:
        return worker.errors.read_text("utf-8", "replace")[-4000:] + worker.output.read_text("utf-8", "replace")[-2000:]

    def file(self, name: str) -> Path:
        """A path that no other scene uses: a gate is open once it is there."""
        return self.folder / f"{self.queue}-{name}"

    # ---- jobs -------------------------------------------------------------------------------------------------------

    def enqueue(self, kind: str, **payload: Any) -> str:
        (job_id,) = self.calls.enqueue(self.new_job(kind, **payload))
        self.job_ids.append(job_id)
        return job_id

    def new_job(self, kind: str, **payload: Any) -> job_service_pb2.NewJob:
        return new_job(self.queue, payload, kind=f"conform.{kind}")

    def enqueue_many(self, count: int) -> list[str]:
        ids = self.calls.enqueue(*(new_job(self.queue, {"n": n}, kind="conform.echo") for n in range(count)))
        self.job_ids += ids
        return ids

    def await_ended(self, job_id: str, state: str = "succeeded", within: float = 20.0) -> job_pb2.Job:
        def ended() -> bool:
            found = self.calls.state(job_id)
            assert found == state or found in ("pending", "running"), f"{job_id} is {found}, not {state}"
            return found == state

        eventually_blocking(ended, within=within, what=f"job {job_id} is {state}")
        return self.calls.job(job_id)

    def await_entry(
        self, event: str, job_id: str = "", detail: str = "", count: int = 1, within: float = 15.0
    ) -> Entry:
        """The latest of at least `count` such lines in the workers' journals."""

        def found() -> Entry | None:
            entries = self.entries(event=event, job=job_id, detail=detail)
            return entries[-1] if len(entries) >= count else None

        entry = eventually_blocking(found, within=within, what=f"{count} × {event} {detail} of {job_id} in a journal")
        assert entry is not None
        return entry

    def entries(self, **which: str) -> list[Entry]:
        found = [entry for worker in self.workers for entry in worker.journal.entries(**which)]
        return sorted(found, key=lambda entry: entry.at)

    def runs(self, job_id: str) -> list[str]:
        """How each of a job's runs ended, in order: `lost`, `failed`, `succeeded` …; `running` for the present one."""
        names = (job_pb2.AttemptOutcome.Name(attempt.outcome) for attempt in self.calls.get(job_id).attempts)
        return [name.removeprefix("ATTEMPT_OUTCOME_").lower() for name in names]

    def await_confirmed(self, job_id: str) -> None:
        """Returns once the service has confirmed the job's lease, so that the worker trusts in all of it."""

        def confirmed() -> bool:
            answers = [lease for frame in self.proxy.responses for lease in frame.message.heartbeat_ack.leases]
            return any(lease.job_id == job_id for lease in answers)

        self.until(confirmed, f"the lease of {job_id} is confirmed")

    def drain(self, session: str) -> None:
        """An operator asks the worker of this session to stop."""
        self.calls.queues.DrainWorker(queue_service_pb2.DrainWorkerRequest(worker=session))

    # ---- the wire ---------------------------------------------------------------------------------------------------

    def outcomes(self, job_id: str) -> list[tuple[Frame, pb.Outcome]]:
        """Every outcome of a job that a worker wrote; other jobs may share it."""
        return [
            (frame, outcome)
            for frame in self.proxy.requests
            for outcome in frame.message.outcomes.outcomes
            if job_id in outcome.job_ids
        ]

    def answers(self, job_id: str) -> list[str]:
        """The service's answers to them for this job, without the prefix."""
        acks = [ack for frame in self.proxy.responses for ack in frame.message.outcome_acks.acks]
        return [
            pb.OutcomeStatus.Name(ack.status).removeprefix("OUTCOME_STATUS_")
            for ack in acks
            for named in ack.job_ids
            if named == job_id
        ]

    def await_answers(self, job_id: str) -> list[str]:
        """The same, once there is one: a job's row has ended before its worker is told so."""
        return self.until(lambda: self.answers(job_id), f"the answer to {job_id}")

    def until(self, check: Callable[[], T], what: str, within: float = 15.0) -> T:
        return eventually_blocking(check, within=within, what=what)

    def expect_a_new_watch(self) -> None:
        """The service was stopped, and the watch with it: what it told until then is all there is to check."""
        self.watch.await_end()

    def check(self) -> None:
        check_invariants(self.service, self.job_ids, self.watch, self.entries())

    def close(self) -> None:
        for worker in self.workers:
            if worker.returncode is None:
                worker.kill()
        self.watch.cancel()


@contextlib.contextmanager
def scene_of(
    service: QueueServiceUnderTest, kind: WorkerKind, folder: Path, *, terms: str = "conform"
) -> Iterator[Scene]:
    """A scene, on a queue of these TERMS, whose invariants are checked when the block ends well."""
    queue = f"{terms}-{next(_numbers) % _QUEUES}"
    with (
        stream_proxy(service.address) as proxy,
        Calls(service.address, service.operator_token) as calls,
        Calls(service.address, service.worker_token) as worker_calls,
    ):
        scene = Scene(service, calls, worker_calls, proxy, kind, folder, queue)
        try:
            yield scene
            scene.check()
        finally:
            scene.close()
