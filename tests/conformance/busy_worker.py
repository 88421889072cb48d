"""A work stream made by hand that ends every job at once, and counts what it holds."""

from __future__ import annotations

from collections.abc import Callable

import grpc

from jobline.v1 import work_service_pb2 as pb
from support.queue_calls import RawWorker, Refusal

__all__ = ["BusyWorker"]


class BusyWorker(RawWorker):
    """Completes what it is handed in the order of arrival, or leaves it to the test while `pausing`."""

    pausing = False
    #: Job ids in the order of their arrival.
    order: list[str]
    #: The most jobs that were held at once since `watermark` was last set to 0.
    watermark = 0
    on_job: Callable[[pb.Assignment], None] | None = None
    _held: dict[str, pb.Assignment]

    def _read(self) -> None:
        self.order, self._held = [], {}
        try:
            for message in self._call:
                self._take(message)
                self.messages.append(message)
        except grpc.RpcError as error:
            self.refusal = Refusal.of(error)
        self.ended.set()

    def _take(self, message: pb.WorkResponse) -> None:
        runs = list(message.assignments.assignments)
        self._held |= {run.job_id: run for run in runs}
        self.order += [run.job_id for run in runs]
        self.watermark = max(self.watermark, len(self._held))
        for run in runs:
            if self.on_job:
                self.on_job(run)
        if not self.pausing:
            self.complete_all()

    @property
    def holding(self) -> int:
        return len(self._held)

    def complete_all(self) -> None:
        """Sends the outcomes of everything that is held."""
        runs, self._held = list(self._held.values()), {}
        if runs:
            self.complete(*runs)
