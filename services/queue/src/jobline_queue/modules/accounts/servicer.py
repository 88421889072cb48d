"""AccountService: the people and businesses on whose behalf jobs run."""

from __future__ import annotations

import time
import uuid
from typing import Any

from jobline.v1 import account_service_pb2 as pb
from jobline.v1.account_service_pb2_grpc import AccountServiceServicer
from jobline_queue.core.errors import invalid
from jobline_queue.core.json_text import check_text
from jobline_queue.modules.accounts.credits import Credits, CreditSource
from jobline_queue.modules.accounts.store import AccountStore
from jobline_queue.rpc.convert import epoch, timestamp, uuid_text
from jobline_queue.rpc.principal import current, end_user

MAX_GRANT = 10_000
_SOURCES = {
    pb.CREDIT_SOURCE_UNSPECIFIED: CreditSource.ADMIN_GRANT,
    pb.CREDIT_SOURCE_SUBSCRIPTION: CreditSource.SUBSCRIPTION,
    pb.CREDIT_SOURCE_PURCHASE: CreditSource.PURCHASE,
    pb.CREDIT_SOURCE_REFERRAL: CreditSource.REFERRAL,
    pb.CREDIT_SOURCE_ADMIN_GRANT: CreditSource.ADMIN_GRANT,
}


class AccountServicer(AccountServiceServicer):
    """See account_service.proto for what each call promises."""

    def __init__(self, store: AccountStore) -> None:
        self._store = store

    async def EnsureCaller(self, request: pb.EnsureCallerRequest, context: Any) -> pb.EnsureCallerResponse:
        user = end_user(request.caller)
        if not user.sub:
            raise invalid("caller.sub", "expected the user's id")
        for business in user.businesses:
            check_text("caller.businesses", business, 255, 1)
        stored, created = await self._store.ensure(user.sub, user.email, user.businesses)
        return pb.EnsureCallerResponse(
            user=pb.User(
                id=stored.id,
                email=stored.email,
                credits=stored.credits.active,
                generation_count=stored.generation_count,
                created_at=timestamp(stored.created_at),
            ),
            created=created,
        )

    async def StoreBusiness(self, request: pb.StoreBusinessRequest, context: Any) -> pb.StoreBusinessResponse:
        check_text("id", request.id, 255, 1)
        check_text("name", request.name, 255)
        return pb.StoreBusinessResponse(created=await self._store.store_business(request.id, request.name))

    async def SetMember(self, request: pb.SetMemberRequest, context: Any) -> pb.SetMemberResponse:
        check_text("business_id", request.business_id, 255, 1)
        check_text("user_id", request.user_id, 255, 1)
        check_text("role", request.role, 64)
        await self._store.set_member(request.business_id, request.user_id, request.role, current.get().actor)
        return pb.SetMemberResponse()

    async def GrantCredits(self, request: pb.GrantCreditsRequest, context: Any) -> pb.GrantCreditsResponse:
        check_text("user_id", request.user_id, 255, 1)
        if not 1 <= request.count <= MAX_GRANT:
            raise invalid("count", f"expected 1 to {MAX_GRANT}")
        source = _SOURCES.get(request.source)
        if source is None:
            raise invalid("source", "expected a known source")
        expires_at = epoch("expires_at", request, "expires_at")
        if expires_at is not None and expires_at <= time.time():
            raise invalid("expires_at", "expected a time in the future")
        request_id = uuid.UUID(uuid_text("request_id", request.request_id)) if request.request_id else uuid.uuid4()
        granted = await self._store.grant_credits(request.user_id, request.count, source, expires_at, request_id)
        return pb.GrantCreditsResponse(credits=_credits(granted))

    async def GetCredits(self, request: pb.GetCreditsRequest, context: Any) -> pb.GetCreditsResponse:
        check_text("user_id", request.user_id, 255, 1)
        return pb.GetCreditsResponse(credits=_credits(await self._store.credits_of(request.user_id)))


def _credits(found: Credits) -> pb.Credits:
    return pb.Credits(active=found.active, reserved=found.reserved, used=found.used, expired=found.expired)
