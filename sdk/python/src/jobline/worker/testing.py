"""Runs a pipeline without a queue service, with the very executor that a worker uses.

    outcome = await local_run(GenerateEmail(providers), {"name": "Ada Lovelace"}, tries=3)
    assert outcome.result["email"]

Only the ends of the wire are missing: what a run would report is recorded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import uuid_utils

from jobline.v1 import job_pb2, work_service_pb2
from jobline.worker.cancel import CancelReason, CancelToken
from jobline.worker.errors import JobFailure
from jobline.worker.executor import STORED, Executor, Pools
from jobline.worker.pipeline import Json, bind
from jobline.worker.results import Failed, RunResult, Succeeded
from jobline.worker.run import Delivery, Terms

__all__ = ["LocalOutcome", "local_run"]


@dataclass(slots=True)
class LocalOutcome:
    """How a local run ended, and what it reported on the way."""

    outcome: RunResult
    #: The outputs that were stored, by step, in their order.
    steps: dict[str, Json] = field(default_factory=dict)
    #: Every progress reported, in order.
    progress: list[job_pb2.Progress] = field(default_factory=list)

    @property
    def result(self) -> Json:
        """The result of a run that succeeded. Raises AssertionError otherwise."""
        if not isinstance(self.outcome, Succeeded):
            raise AssertionError(f"the run did not succeed: {self.outcome}")
        return json.loads(self.outcome.result_json)

    @property
    def failure(self) -> JobFailure:
        """The failure of a run that failed. Raises AssertionError otherwise."""
        if not isinstance(self.outcome, Failed):
            raise AssertionError(f"the run did not fail: {self.outcome}")
        return self.outcome.failure


@dataclass(slots=True)
class _Recorder:
    cancel_after: str
    holds_lease: bool
    steps: dict[str, Json] = field(default_factory=dict)
    progresses: list[job_pb2.Progress] = field(default_factory=list)

    def progress(self, delivery: Delivery, progress: job_pb2.Progress, *, at_once: bool) -> None:
        self.progresses.append(progress)

    async def step(self, delivery: Delivery, output: job_pb2.StepOutput) -> work_service_pb2.StepStatus.ValueType:
        self.steps[output.name] = json.loads(output.output_json)
        if output.name == self.cancel_after:
            delivery.cancel.fire(CancelReason.REQUESTED)
        return STORED

    async def confirm(self, delivery: Delivery) -> None:
        if not self.holds_lease:
            delivery.cancel.fire(CancelReason.LOST)


async def local_run(
    pipeline: object,
    payload: Json,
    *,
    tries: int = 3,
    backoff: tuple[float, ...] = (0.0,),
    finished: Mapping[str, Json] | None = None,
    attempt: int = 1,
    max_attempts: int = 1,
    queue: str = "local",
    owner: str = "",
    labels: Mapping[str, str] | None = None,
    cancel_after: str = "",
    holds_lease: bool = True,
    stopping: CancelToken | None = None,
) -> LocalOutcome:
    """Runs a pipeline once. `tries` and `backoff` (seconds) stand for the queue's policy, `finished` for earlier runs.

    With `cancel_after`, the name of a step, a caller's cancel arrives when that step has been stored. `holds_lease` is what
    the service answers to `Run.confirm`, `stopping` what the run sees as `Run.stopping`.
    """
    bound = bind(pipeline)
    assignment = work_service_pb2.Assignment(
        job_id=str(uuid_utils.uuid7()),
        queue=queue,
        kind=bound.kind,
        payload_json=json.dumps(payload),
        attempt=attempt,
        max_attempts=max_attempts,
        owner=owner,
        labels=labels or {},
        finished_steps=[
            job_pb2.StepOutput(name=name, output_json=json.dumps(output)) for name, output in (finished or {}).items()
        ],
    )
    recorder = _Recorder(cancel_after, holds_lease)
    pools = Pools(threads=8)
    try:
        executor = Executor([bound], recorder, pools, stopping or CancelToken())
        outcome = await executor.run(Delivery(assignment, Terms(step_tries=tries, step_backoff=backoff)))
    finally:
        pools.close()
    return LocalOutcome(outcome, recorder.steps, recorder.progresses)
