"""The worker runtime: declare pipelines, hand them to a `Worker`, and let it run."""

from jobline.worker.cancel import CancelReason, CancelToken
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
