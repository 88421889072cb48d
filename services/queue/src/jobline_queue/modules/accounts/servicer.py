"""AccountService: the people and businesses on whose behalf jobs run."""

from __future__ import annotations

from typing import Any

from jobline.v1 import account_service_pb2 as pb
from jobline.v1.account_service_pb2_grpc import AccountServiceServicer
from jobline_queue.core.errors import invalid
from jobline_queue.core.json_text import check_text
from jobline_queue.modules.accounts.store import AccountStore
from jobline_queue.rpc.convert import timestamp
from jobline_queue.rpc.principal import current, end_user


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
                credits=stored.credits,
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
