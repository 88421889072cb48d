"""Fixtures that every kind of test may use. All servers are real."""

from collections.abc import Iterator

import pytest
import redis
from hypothesis import settings

import jobline  # noqa: F401 - before any test imports grpc, which reads switches that this sets
from jobline_local.paths import DataDir
from support.queue_policies import SHARED_POLICIES
from support.queue_service import QueueServiceUnderTest, queue_service
from support.stack import Databases, EmbeddedPair, embedded_pair, scratch_data_dir

# The same examples every time, so that a run is red for what was changed. `--hypothesis-profile=explore` looks for new ones.
settings.register_profile("steady", derandomize=True)
settings.register_profile("explore", derandomize=False, max_examples=1000)
settings.load_profile("steady")

#: The exit code of a run in which something shared was not as it should be when it was put away. It is told of whichever test
#: came last, which would pass alone: there is no second try of that (Makefile).
SHARED_END_FAILED = 9


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    errors = reporter.stats.get("error", ()) if reporter is not None else ()
    if exitstatus == pytest.ExitCode.TESTS_FAILED and any(error.when == "teardown" for error in errors):
        session.exitstatus = SHARED_END_FAILED


@pytest.fixture(scope="session")
def embedded() -> Iterator[EmbeddedPair]:
    """PostgreSQL and Valkey for the whole run."""
    with embedded_pair() as pair:
        yield pair


@pytest.fixture(scope="session")
def databases(embedded: EmbeddedPair) -> Databases:
    """Makes databases on the run's PostgreSQL."""
    return Databases(embedded.postgres)


@pytest.fixture
def fresh_database(databases: Databases) -> Iterator[str]:
    """The URL of a migrated database of the test's own."""
    with databases.fresh() as url:
        yield url


@pytest.fixture
def empty_database(databases: Databases) -> Iterator[str]:
    """The URL of a database of the test's own without any table."""
    with databases.empty() as url:
        yield url


@pytest.fixture
def redis_url(embedded: EmbeddedPair) -> str:
    """The URL of the run's Valkey, emptied before the test."""
    with redis.Redis.from_url(embedded.redis_url) as client:
        client.flushall()
    return embedded.redis_url


@pytest.fixture
def data_dir() -> Iterator[DataDir]:
    """A data directory of the test's own, not created yet, removed with all that servers left in it."""
    with scratch_data_dir() as data:
        yield data


@pytest.fixture(scope="session")
def shared_queue(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueueServiceUnderTest]:
    """A queue service for the tests that leave it running. Each uses queues of its own (see support/queue_policies.py)."""
    folder = tmp_path_factory.mktemp("shared-queue")
    with databases.fresh() as url, queue_service(url, folder, SHARED_POLICIES) as running:
        yield running
        assert running.faults == [], "nothing that a caller does is a fault of the service"
