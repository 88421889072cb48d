"""`kill -9` of each part of `jobline up`, and of all of it, in the middle of a batch (fault catalogue: F2, F3, F15)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from jobline.client import JoblineClient
from jobline_local.paths import DataDir
from support.email_desk import EmailDesk, recipients, worker_lost
from support.eventually import eventually_blocking
from support.gated_providers import GatedProviders, gated_providers
from support.outage import UNREACHABLE, users_at_work
from support.processes import StackUnderTest, living, running_stack
from support.stack import scratch_data_dir

SERVED = {200, 201}
#: The built-in policy's, and a little.
LEASE = timedelta(seconds=30.5)
#: What each part that may die is called, which of its processes die, and what users may get meanwhile besides answers.
PARTS = {
    "queue service": (("jobline_queue", "serve"), False, {503}),
    "postmaster": (("bin/postgres",), False, {503}),
    "all of PostgreSQL": (("bin/postgres",), True, {503}),
    "Valkey": (("valkey-server",), False, set[int]()),
    "gateway": (("jobline_gateway", "serve"), False, {UNREACHABLE}),
}


class RunningStack:
    """`jobline up`, its providers, and what its users see."""

    def __init__(self, stack: StackUnderTest, providers: GatedProviders) -> None:
        self.stack = stack
        self.providers = providers
        self.desk = EmailDesk(stack.endpoints.gateway, stack.endpoints.database_url)

    def has_another(self, words: Iterable[str], before: psutil.Process) -> bool:
        part = self.stack.part(*words)
        return part is not None and part.pid != before.pid

    def wait_until_lease_is_confirmed(self, item_id: str) -> None:
        """Returns once a heartbeat has extended the lease. A worker may give up a run that nobody knows it has."""
        ends = self.stack.endpoints
        with JoblineClient(ends.queue, ends.operator_token) as client:

            def extended() -> bool:
                job = client.get(item_id).job
                expires = job.lease and job.lease.expires_at
                return bool(expires and job.started_at and expires - job.started_at > LEASE)

            eventually_blocking(extended, within=30, what="a heartbeat has extended the lease")


def kill(processes: Iterable[psutil.Process]) -> None:
    """`kill -9` of each; some may have followed the others already."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """One stack for all parts: that it outlives the loss of each, one after the other, is part of the promise."""
    logs = tmp_path_factory.mktemp("stack")
    with (
        gated_providers() as providers,
        scratch_data_dir() as data,
        running_stack(data.root, logs, **providers.settings) as stack,
    ):
        the_stack = RunningStack(stack, providers)
        yield the_stack
        the_stack.desk.close()
        family = stack.family()
        assert stack.stop() == 0
        assert living(family) == []


@pytest.mark.parametrize("part", PARTS)
def test_a_part_killed_in_the_middle_of_a_batch_costs_no_item(running: RunningStack, part: str) -> None:
    words, with_children, allowed = PARTS[part]
    desk, providers, names = running.desk, running.providers, recipients(4, f"For {part}")
    user, bystander = desk.user(), desk.user()
    providers.hold("web_scraper", names[1])
    ids = user.submit(*names)
    providers.wait_for("web_scraper", names[1])
    running.wait_until_lease_is_confirmed(ids[1])
    victim = running.stack.part(*words)
    assert victim
    with users_at_work(user, bystander) as outage:
        kill([*(victim.children() if with_children else []), victim])
        # The worker goes on while the part is away, and has to get rid of what it did.
        providers.release("web_scraper", names[1])
        eventually_blocking(lambda: running.has_another(words, victim), within=60, what=f"{part} is back")
        before = len(outage.accepted)  # some were accepted before the part was gone
        eventually_blocking(lambda: len(outage.accepted) > before, within=60, what="an item is accepted again")
    everything = [item.id for item in desk.items() if item.user in (user.sub, bystander.sub)]
    assert everything[: len(ids)] == ids
    assert set(outage.accepted) <= set(everything)
    desk.wait_until_ended(everything)
    desk.check_each_ended_once(everything)
    assert [providers.calls("web_scraper", name) for name in names] == [1, 1, 1, 1]
    assert outage.statuses.keys() <= SERVED | allowed


def test_a_stack_that_is_killed_as_a_whole_loses_the_item_in_its_worker_and_nothing_else(
    data_dir: DataDir, tmp_path: Path
) -> None:
    policies = tmp_path / "queues.toml"
    policies.write_text('[queues.email_default]\nlease = "4s"\n')
    names = recipients(4)
    in_step = "SELECT current_step FROM queue_items WHERE id = %s"
    with gated_providers() as providers:
        settings = {"JOBLINE_QUEUES_FILE": str(policies), **providers.settings}
        providers.hold("email_composer", names[1])
        with running_stack(data_dir.root, tmp_path, **settings) as stack:
            desk = EmailDesk(stack.endpoints.gateway, stack.endpoints.database_url)
            ids = desk.user().submit(*names)
            eventually_blocking(lambda: desk.rows(in_step, ids[1]) == [("email_composer",)], within=60)
            family = stack.family()
            kill(family)
            stack.wait()
            eventually_blocking(lambda: not living(family), what="all are gone")
        with running_stack(data_dir.root, tmp_path, **settings) as stack:
            desk = EmailDesk(stack.endpoints.gateway, stack.endpoints.database_url)
            desk.wait_until_ended(ids)
            desk.check_each_ended_once(ids, failed={ids[1]: worker_lost("email_composer")})
            assert stack.stop() == 0
