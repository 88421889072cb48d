"""Runs one job: resolve the pipeline, decode the payload, run the steps, classify what came out.

Whatever happens, exactly one RunResult leaves `Executor.run`; nothing of the user's code escapes it. The store's side of
the matter (who owns the job, what an outcome means for it) is the queue service's.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import multiprocessing
import time
from collections.abc import Awaitable, Sequence
from concurrent.futures import Executor as Pool
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import assert_never, cast

from jobline import failpoints
from jobline.v1 import job_pb2, work_service_pb2
from jobline.worker.cancel import CancelReason, CancelToken
from jobline.worker.errors import (
    JobFailure,
    PermanentError,
    RunStopped,
    Snooze,
    StepTimeout,
    TransientError,
)
from jobline.worker.payload import MAX_RESULT, MAX_STEP_OUTPUT, decode, encode
from jobline.worker.pipeline import BoundPipeline, BoundStep, Json
from jobline.worker.results import NO_RESULT, Failed, GivenBack, Lost, PutOff, RunResult, Stopped, Succeeded
from jobline.worker.run import Delivery, Reporter, Run

__all__ = ["Executor", "Pools"]

log = logging.getLogger(__name__)

STORED = work_service_pb2.STEP_STATUS_STORED
LOST = work_service_pb2.STEP_STATUS_LOST
INVALID = work_service_pb2.STEP_STATUS_INVALID


class Pools:
    """Where steps that are plain functions run, and what `Run.in_process` hands over. Several executors may share one."""

    def __init__(self, threads: int) -> None:
        self.threads = ThreadPoolExecutor(max(1, threads), thread_name_prefix="jobline-step")
        self._processes: ProcessPoolExecutor | None = None

    def processes(self) -> Pool:
        """The process pool; started at its first use."""
        if self._processes is None:
            # Never fork: gRPC and its threads do not survive one.
            self._processes = ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn"))
        return self._processes

    def close(self) -> None:
        """Ends the pools without waiting for what still runs in them."""
        self.threads.shutdown(wait=False, cancel_futures=True)
        if self._processes is not None:
            self._processes.shutdown(wait=False, cancel_futures=True)


class Executor:
    """Runs deliveries through the pipelines of their kinds. Lives in one event loop, the caller's.

    The pools are the caller's to close. `stopping` is fired when there is little time left for all runs.
    """

    def __init__(
        self, pipelines: Sequence[BoundPipeline], reporter: Reporter, pools: Pools, stopping: CancelToken
    ) -> None:
        self._pipelines = {pipeline.kind: pipeline for pipeline in pipelines}
        if len(self._pipelines) != len(pipelines):
            raise ValueError("pipelines: two of them run the same kind")
        self._reporter = reporter
        self._pools = pools
        self._stopping = stopping

    async def run(self, delivery: Delivery) -> RunResult:
        """How the run of `delivery` ended. Raises only when the calling task itself is cancelled."""
        pipeline: BoundPipeline | None = None
        run: Run | None = None
        try:
            delivery.cancel.raise_if_set()
            pipeline = self._resolve(delivery)
            run = self._begin(delivery)
            if failpoints.armed:
                await failpoints.reach("worker.before_handler")
            if pipeline.durable:
                await self._run_steps(pipeline, run, delivery)
                return Succeeded(self._result(pipeline, run))
            # No steps, no frames in between: for a job of microseconds each of them is a part of the price.
            step = pipeline.steps[0]
            output = await (cast("Awaitable[Json]", step.call(run)) if step.is_async else self._in_thread(step, run))
            if delivery.cancel.reason is CancelReason.REQUESTED:
                return Stopped()
            return NO_RESULT if output is None else Succeeded(encode(output, MAX_RESULT, "the result"))
        except asyncio.CancelledError:
            return _interrupted(delivery)
        except RunStopped:
            return _stopped(delivery.cancel.reason or self._stopping.reason)
        except Snooze as snooze:
            return PutOff(snooze.delay)
        except Exception as error:
            return Failed(self._failure(pipeline, run, delivery, error))

    def _resolve(self, delivery: Delivery) -> BoundPipeline:
        kind = delivery.assignment.kind
        pipeline = self._pipelines.get(kind)
        if pipeline is None:
            raise PermanentError(f"this worker has no pipeline for the kind {kind!r}", code="INTERNAL")
        return pipeline

    def _begin(self, delivery: Delivery) -> Run:
        assignment = delivery.assignment
        run = Run(delivery, decode(assignment.payload_json), self._reporter, self._pools.processes, self._stopping)
        for finished in assignment.finished_steps:
            run.outputs[finished.name] = decode(finished.output_json)
            run.seconds[finished.name] = finished.duration.ToTimedelta().total_seconds()
        return run

    async def _run_steps(self, pipeline: BoundPipeline, run: Run, delivery: Delivery) -> None:
        for step in pipeline.steps:
            if step.name in run.outputs or (step.when is not None and not step.when(run)):
                continue
            delivery.cancel.raise_if_set()
            delivery.uninterrupted = step.uninterrupted
            run.enter(step.name, tell=step.announced)
            started = time.monotonic()
            run.outputs[step.name] = await self._limited(step, run)
            run.seconds[step.name] = time.monotonic() - started
            if delivery.cancel.reason is not CancelReason.LOST:
                await self._keep(step, run, delivery)
        if not delivery.uninterrupted:
            delivery.cancel.raise_if_set()

    async def _limited(self, step: BoundStep, run: Run) -> Json:
        """The step's output, or StepTimeout once the step's own limit has passed."""
        if step.timeout is None:
            return await self._call(step, run)
        limit = asyncio.timeout(step.timeout)
        try:
            async with limit:
                return await self._call(step, run)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise StepTimeout(step.name, step.timeout) from error

    async def _call(self, step: BoundStep, run: Run) -> Json:
        if step.is_async:
            return await cast("Awaitable[Json]", step.call(run))
        return await self._in_thread(step, run)

    async def _in_thread(self, step: BoundStep, run: Run) -> Json:
        """A plain function would block the loop and with it every other job of this worker."""
        call = functools.partial(contextvars.copy_context().run, step.call, run)
        return await asyncio.get_running_loop().run_in_executor(self._pools.threads, call)

    async def _keep(self, step: BoundStep, run: Run, delivery: Delivery) -> None:
        """Has the output stored before the next step begins, so that a later run need not repeat this one."""
        try:
            text = encode(run.outputs[step.name], MAX_STEP_OUTPUT, f"the output of step '{step.name}'")
        except PermanentError as error:
            if error.code != "TOO_LARGE":
                raise
            log.warning("job %s goes on without a durable output: %s", run.id, error)
            return
        report = job_pb2.StepOutput(name=step.name, output_json=text)
        report.duration.FromNanoseconds(round(run.seconds[step.name] * 1e9))
        await failpoints.reach("worker.before_step_stored")
        status = await self._reporter.step(delivery, report)
        await failpoints.reach("worker.after_step")
        if status == LOST:
            delivery.cancel.fire(CancelReason.LOST)
        if status == INVALID:
            log.warning("job %s goes on without a durable output of step '%s'", run.id, step.name)

    def _result(self, pipeline: BoundPipeline, run: Run) -> str:
        if pipeline.result is not None:
            value = pipeline.result(run)
        else:
            value = next((run.outputs[s.name] for s in reversed(pipeline.steps) if s.name in run.outputs), None)
        return encode(value, MAX_RESULT, "the result")

    def _failure(
        self, pipeline: BoundPipeline | None, run: Run | None, delivery: Delivery, error: Exception
    ) -> JobFailure:
        """The pipeline's own words for the error, where it has some; else the error's."""
        known = _plain_failure(error)
        if known.code == "INTERNAL":
            log.error("job %s of kind %s failed", delivery.job_id, delivery.assignment.kind, exc_info=error)
        if pipeline is None or run is None or pipeline.failure is None:
            return known
        try:
            return pipeline.failure(run.step, error)
        except Exception:
            log.exception("the failure() of kind %s failed", pipeline.kind)
            return known


def _plain_failure(error: Exception) -> JobFailure:
    match error:
        case TransientError():
            return JobFailure(error.code, str(error), retryable=True)
        case PermanentError():
            return JobFailure(error.code, str(error), retryable=False)
        case TimeoutError():
            return JobFailure("TIMEOUT", str(error) or "timeout", retryable=True)
        case _:
            return JobFailure("INTERNAL", f"{type(error).__name__}: {error}", retryable=True)


def _interrupted(delivery: Delivery) -> RunResult:
    """The handler was interrupted: by this worker, which has fired the token before, by itself, or from outside."""
    task = asyncio.current_task()
    assert task is not None
    if delivery.cancel.reason is not None:
        task.uncancel()
        return _stopped(delivery.cancel.reason)
    if task.cancelling():
        raise asyncio.CancelledError
    return Failed(JobFailure("INTERNAL", "the pipeline awaited something that was cancelled", retryable=True))


def _stopped(reason: CancelReason | None) -> RunResult:
    match reason:
        case CancelReason.REQUESTED | None:
            return Stopped()
        case CancelReason.LOST:
            return Lost()
        case CancelReason.SHUTDOWN:
            return GivenBack("worker shut down")
        case never:
            assert_never(never)
