"""A WatchJobs call that a test reads along with whatever else it does."""

from __future__ import annotations

import threading
from typing import Any

import grpc

from jobline.v1 import job_pb2
from jobline.v1 import job_service_pb2 as job_pb
from support.eventually import eventually_blocking
from support.queue_calls import Calls, Refusal

__all__ = ["Watch"]


class Watch:
    """One WatchJobs call, read by a thread of its own."""

    def __init__(self, calls: Calls, **request: Any) -> None:
        self.messages: list[job_pb.WatchJobsResponse] = []
        self.refusal: Refusal | None = None
        self._done = threading.Event()
        self._stream = calls.jobs.WatchJobs(job_pb.WatchJobsRequest(**request), None)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for message in self._stream:
                self.messages.append(message)
        except grpc.RpcError as error:
            self.refusal = Refusal.of(error)
        self._done.set()

    def states(self, job_id: str) -> list[str]:
        """What was told of a job, in order; `removed` for the end of its row. Progress is left out."""
        found: list[str] = []
        for message in list(self.messages):
            if message.removed_id == job_id:
                found.append("removed")
            elif message.job.id == job_id:
                found.append(job_pb2.JobState.Name(message.job.state).removeprefix("JOB_STATE_").lower())
        return [state for index, state in enumerate(found) if index == 0 or found[index - 1] != state]

    def await_states(self, job_id: str, *states: str) -> None:
        def told() -> bool:
            assert self.states(job_id) == list(states)
            return True

        eventually_blocking(told, what=f"told of {states}")

    def await_messages(self, count: int) -> None:
        eventually_blocking(lambda: len(self.messages) >= count, what=f"{count} messages")

    def await_end(self) -> Refusal | None:
        assert self._done.wait(10), "the watch goes on"
        return self.refusal

    def cancel(self) -> None:
        self._stream.cancel()
