"""Who takes part in most tests of the queue: a service, its callers, and a queue that no other test uses.

A module whose tests need a service of their own overrides `service` only; what hangs on it here follows.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator

import pytest

from jobline.client import AsyncJoblineClient
from support.communications import Business
from support.content_owner import ContentOwner
from support.email_user import QUEUE, User
from support.lent_queue import vacant
from support.queue_calls import Calls
from support.queue_service import QueueServiceUnderTest, queue_service
from support.stack import Databases


@pytest.fixture
def service(shared_queue: QueueServiceUnderTest) -> QueueServiceUnderTest:
    """The queue service that most tests share, and leave running."""
    return shared_queue


@pytest.fixture(scope="session")
def usual_service(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueueServiceUnderTest]:
    """A queue service whose queue `test` has short terms. Tests get it as `lent_service`."""
    with databases.fresh() as url, queue_service(url, tmp_path_factory.mktemp("lent-queue")) as running:
        yield running


@pytest.fixture
def lent_service(usual_service: QueueServiceUnderTest) -> QueueServiceUnderTest:
    """That service as if it were new, for a test which may kill and restart it, and fill and pause its queues."""
    return vacant(usual_service)


@pytest.fixture
def queue() -> str:
    """The name of a queue of the test's own."""
    return f"q-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def calls(service: QueueServiceUnderTest) -> Iterator[Calls]:
    """The service's raw calls, with the operator's rights."""
    with Calls(service.address, service.operator_token) as opened:
        yield opened


@pytest.fixture
async def client(service: QueueServiceUnderTest) -> AsyncIterator[AsyncJoblineClient]:
    """The SDK's client, with the operator's rights."""
    async with AsyncJoblineClient(service.address, service.operator_token) as opened:
        yield opened


# ---- e-mails: one queue for all, so each test begins by emptying it ----------------------------------------------------


@pytest.fixture
def operator(calls: Calls) -> Calls:
    """An operator who finds the e-mail queue empty."""
    for job in calls.list_jobs(QUEUE):
        calls.delete(job.id)
    return calls


@pytest.fixture
def users(service: QueueServiceUnderTest, operator: Calls) -> Iterator[tuple[User, User]]:
    """Two users whose e-mails are the only ones in the queue."""
    pair = User(service), User(service)
    yield pair
    for user in pair:
        user.close()


# ---- messages: one queue for all, so each test takes its own out of it -------------------------------------------------


@pytest.fixture
def business(service: QueueServiceUnderTest) -> Iterator[Business]:
    """A new business, and somebody with all rights in it."""
    opened = Business(service)
    yield opened
    opened.close()


# ---- content: one queue for all, so each test takes its own jobs out of it ---------------------------------------------


@pytest.fixture
def owner(service: QueueServiceUnderTest) -> Iterator[ContentOwner]:
    """A new user of the jobs API."""
    opened = ContentOwner(service)
    yield opened
    opened.close()


@pytest.fixture
def visitor(service: QueueServiceUnderTest) -> Iterator[ContentOwner]:
    """A new anonymous session of the jobs API."""
    opened = ContentOwner(service, user="", session=f"session-{uuid.uuid4()}")
    yield opened
    opened.close()
