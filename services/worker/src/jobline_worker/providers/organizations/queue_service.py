"""Asks the queue service, which keeps the organizations, on behalf of a run: its lease is the right to ask."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from jobline.calls import Calls
from jobline.errors import DeadlineExceeded, JoblineError, Unavailable
from jobline.stubs import content_stub
from jobline.v1 import content_service_pb2 as pb
from jobline.worker import PermanentError, Run, TransientError
from jobline_worker.providers.organizations import CallToAction, OrganizationRecord, Organizations

__all__ = ["open_organizations"]

#: Seconds that the queue service gets to answer, all tries included: longer than a standby needs to take over.
_PATIENCE = 30.0


@asynccontextmanager
async def open_organizations(addresses: Sequence[str], token: str) -> AsyncIterator[Organizations]:
    """Asks the queue service at the first of `addresses` that answers. Makes no call itself."""
    calls = Calls(addresses, token)
    try:
        yield _QueueServiceOrganizations(calls)
    finally:
        await calls.close()


class _QueueServiceOrganizations:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def of(self, run: Run) -> OrganizationRecord | None:
        """See Organizations. A service that is away for a moment is asked again until the patience ends."""
        request = pb.GetJobOrganizationRequest(job_id=run.id, lease_token=run.lease_token)
        try:
            answer = await self._calls.unary(
                lambda channel: content_stub(channel).GetJobOrganization, request, idempotent=True, deadline=_PATIENCE
            )
        except (Unavailable, DeadlineExceeded) as error:
            raise TransientError("the queue service did not tell the organization in time", code="INTERNAL") from error
        except JoblineError as error:
            why = f"the queue service did not tell the organization ({error.reason or error.status.name})"
            raise PermanentError(why, code="INTERNAL") from error
        return _record(answer) if answer.HasField("organization") else None


def _record(answer: pb.GetJobOrganizationResponse) -> OrganizationRecord:
    return OrganizationRecord(
        answer.organization.website_url,
        _analysis(answer.organization.analysis_json),
        tuple(CallToAction(cta.text, cta.type, cta.href, cta.placement) for cta in answer.calls_to_action),
    )


def _analysis(text: str) -> dict[str, Any]:
    value = json.loads(text) if text else {}
    return value if isinstance(value, dict) else {}
