"""The kit's fixtures: one service for a module's tests, and a scene for each test and worker."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.scene import POLICIES, Scene, scene_of
from conformance.workers import WORKERS, WorkerKind
from support.queue_service import QueueServiceUnderTest, queue_service
from support.stack import Databases


@pytest.fixture(scope="session")
def conformance_service(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[QueueServiceUnderTest]:
    """The queue service that the workers under test share; each test has queues of its own."""
    with databases.fresh() as url, queue_service(url, tmp_path_factory.mktemp("conformance"), POLICIES) as running:
        yield running
        assert running.faults == [], "nothing that a worker does is a fault of the service"


@pytest.fixture(params=WORKERS, ids=lambda kind: kind.name)
def worker_kind(request: pytest.FixtureRequest) -> WorkerKind:
    """Each worker of the table in turn."""
    kind: WorkerKind = request.param
    if reason := kind.missing():
        assert "CI" not in os.environ, f"in CI every worker must run: {reason}"
        pytest.skip(reason)
    return kind


@pytest.fixture
def scene(conformance_service: QueueServiceUnderTest, worker_kind: WorkerKind, tmp_path: Path) -> Iterator[Scene]:
    with scene_of(conformance_service, worker_kind, tmp_path) as opened:
        yield opened


@pytest.fixture
def scene_now(conformance_service: QueueServiceUnderTest, worker_kind: WorkerKind, tmp_path: Path) -> Iterator[Scene]:
    """A scene on a queue that cancels running jobs at once."""
    with scene_of(conformance_service, worker_kind, tmp_path, terms="now") as opened:
        yield opened


@pytest.fixture
def scene_long(conformance_service: QueueServiceUnderTest, worker_kind: WorkerKind, tmp_path: Path) -> Iterator[Scene]:
    """A scene on a queue with longer leases."""
    with scene_of(conformance_service, worker_kind, tmp_path, terms="long") as opened:
        yield opened
