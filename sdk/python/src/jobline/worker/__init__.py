"""The worker runtime: declare pipelines, hand them to a `Worker`, and let it run; or send an `ErrandRunner` for what is
due."""

from jobline.worker.cancel import CancelReason, CancelToken
from jobline.worker.errand import ErrandReport, ErrandRunner
from jobline.worker.errors import (
    JobFailure,
    PermanentError,
    RunStopped,
    Snooze,
    StepTimeout,
    TransientError,
    TriesExhausted,
)
from jobline.worker.pipeline import Json, pipeline, step
from jobline.worker.run import Run
from jobline.worker.worker import Worker

__all__ = [
    "CancelReason",
    "CancelToken",
    "ErrandReport",
    "ErrandRunner",
    "JobFailure",
    "Json",
    "PermanentError",
    "Run",
    "RunStopped",
    "Snooze",
    "StepTimeout",
    "TransientError",
    "TriesExhausted",
    "Worker",
    "pipeline",
    "step",
]
