"""The claims of one queue object, renewed from the claim to the end.

Lives in the gRPC loop, on a thread of its own: a handler that blocks, or an event loop that does, costs no lease. What is
claimed is renewed every third of the shortest lease. A heartbeat that is not answered is made again soon; how long that
goes on is the service's to judge, which extends or refuses by the token. So nothing here counts down: a claim that the
service calls lost is only not renewed any more, and whoever ends the job hears it from the service.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass

from jobline.calls import Calls
from jobline.errors import JoblineError, StaleLease
from jobline.stubs import work_stub
from jobline.v1 import work_service_pb2 as pb

__all__ = ["Claim", "Leases"]

log = logging.getLogger(__name__)

#: Seconds after a heartbeat that failed for good.
_AGAIN_AFTER = 0.5


@dataclass(slots=True, eq=False)
class Claim:
    """The right to end one run."""

    job_id: str
    token: str
    #: How many seconds the lease lasts after each renewal.
    seconds: float
    #: The service said that it does not count any more.
    over: bool = False


class Leases:
    """All methods are called in the gRPC loop."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._claims: dict[str, Claim] = {}
        self._timer: asyncio.Handle | None = None
        self._due_at = math.inf
        self._beats: set[asyncio.Task[None]] = set()

    def add(self, claim: Claim, asked_at: float) -> None:
        """Renews it from now on. `asked_at`, on the loop's clock: it was granted no earlier."""
        self._claims[claim.job_id] = claim
        self._renew_by(asked_at + claim.seconds / 3)

    def of(self, job_id: str) -> Claim:
        """Raises StaleLease for a job that is not claimed here."""
        if (claim := self._claims.get(job_id)) is None:
            raise StaleLease(f"job {job_id} is not claimed by this queue object")
        return claim

    def end(self, claim: Claim) -> None:
        """Renews it no more."""
        if self._claims.get(claim.job_id) is claim:
            del self._claims[claim.job_id]

    def take_all(self) -> list[Claim]:
        """Every claim that may still count; none of them is renewed any more."""
        taken = [claim for claim in self._claims.values() if not claim.over]
        self._claims.clear()
        return taken

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for beat in self._beats:
            beat.cancel()

    def _renew_by(self, at: float) -> None:
        if at >= self._due_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due_at = at
        self._timer = asyncio.get_running_loop().call_at(at, self._begin)

    def _begin(self) -> None:
        self._timer, self._due_at = None, math.inf
        if self._claims:
            beat = asyncio.create_task(self._beat([claim for claim in self._claims.values() if not claim.over]))
            self._beats.add(beat)
            beat.add_done_callback(self._beats.discard)

    async def _beat(self, claims: list[Claim]) -> None:
        if not claims:
            return
        interval = min(claim.seconds for claim in claims) / 3
        held = [pb.HeldLeases(lease_token=claim.token, job_ids=[claim.job_id]) for claim in claims]
        try:
            response = await self._calls.unary(
                lambda channel: work_stub(channel).Heartbeat,
                pb.HeartbeatRequest(held=held),
                idempotent=True,
                deadline=interval,
            )
        except JoblineError as error:
            log.warning("the leases of %d claimed jobs are not renewed: %s", len(claims), error)
            interval = min(interval, _AGAIN_AFTER)
        else:
            self._note(response.leases, {claim.token: claim for claim in claims})
        self._renew_by(asyncio.get_running_loop().time() + interval)

    def _note(self, statuses: Iterable[pb.LeaseStatus], asked: dict[str, Claim]) -> None:
        for status in statuses:
            claim = asked.get(status.lease_token)
            if claim is None or self._claims.get(claim.job_id) is not claim:
                continue  # it ended meanwhile
            if status.state == pb.LEASE_STATE_LOST:
                log.warning("job %s: its lease is lost; what its handler does is void", claim.job_id)
                claim.over = True
