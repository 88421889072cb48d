"""Users and their credits, businesses and memberships: stored when a token names them first, or by an operator."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from jobline_queue.core.errors import NotFound
from jobline_queue.modules.accounts import credits
from jobline_queue.modules.accounts.credits import Credits, CreditSource

metadata = sa.MetaData(schema="public")

users = sa.Table(
    "users",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("email", sa.Text),
    sa.Column("generation_count", sa.BigInteger),
    sa.Column("created_at", sa.DateTime(timezone=True)),
)
businesses = sa.Table("businesses", metadata, sa.Column("id", sa.Text, primary_key=True), sa.Column("name", sa.Text))
members = sa.Table(
    "business_members",
    metadata,
    sa.Column("user_id", sa.Text, primary_key=True),
    sa.Column("business_id", sa.Text, primary_key=True),
    sa.Column("role", sa.Text),
)


class User(NamedTuple):
    id: str
    email: str
    generation_count: int
    created_at: datetime
    credits: Credits


class AccountStore:
    """Account rows over the pool."""

    def __init__(self, engine: AsyncEngine, free_credits: int) -> None:
        self._engine = engine
        self._free_credits = free_credits

    async def ensure(self, sub: str, email: str, business_ids: Mapping[str, str]) -> tuple[User, bool]:
        """The user and whether this call stored it. A known user's e-mail follows the token when it names one."""
        async with self._engine.begin() as connection:
            created = await self._insert_user(connection, sub, email)
            await _insert_businesses(connection, sorted(business_ids))
            row = (await connection.execute(sa.select(users).where(users.c.id == sub))).one()
            counted = await credits.count_credits(connection, sub)
        return User(row.id, row.email, row.generation_count, row.created_at, counted), created

    async def grant_credits(
        self, user_id: str, count: int, source: CreditSource, expires_at: float | None, request_id: uuid.UUID
    ) -> Credits:
        """What the user has afterwards. One who is not known is stored first, with the free credits."""
        async with self._engine.begin() as connection:
            await self._insert_user(connection, user_id, "")
            await credits.grant(connection, user_id, count, source, expires_at, request_id)
            return await credits.count_credits(connection, user_id)

    async def credits_of(self, user_id: str) -> Credits:
        """Raises NotFound (user)."""
        async with self._engine.connect() as connection:
            return await credits.count_credits(connection, user_id)

    async def store_business(self, business_id: str, name: str) -> bool:
        """Whether the business is new; the name of a known one is changed."""
        new = insert(businesses).values(id=business_id, name=name)
        stored = new.on_conflict_do_update(index_elements=["id"], set_={"name": name})
        async with self._engine.begin() as connection:
            created: bool = (await connection.execute(stored.returning(sa.literal_column("xmax = 0")))).scalar_one()
        return created

    async def set_member(self, business_id: str, user_id: str, role: str, actor: str) -> None:
        """An empty role ends the membership. A trigger notes the change. Raises NotFound (business)."""
        async with self._engine.begin() as connection:
            known = sa.select(businesses.c.id).where(businesses.c.id == business_id).with_for_update(key_share=True)
            if (await connection.execute(known)).first() is None:
                raise NotFound("business", business_id)
            await connection.execute(sa.select(sa.func.set_config("jobline.actor", actor, True)))
            if role:
                member = insert(members).values(user_id=user_id, business_id=business_id, role=role)
                key = [members.c.user_id, members.c.business_id]
                await connection.execute(member.on_conflict_do_update(index_elements=key, set_={"role": role}))
            else:
                mine = (members.c.user_id == user_id, members.c.business_id == business_id)
                await connection.execute(sa.delete(members).where(*mine))

    async def _insert_user(self, connection: AsyncConnection, sub: str, email: str) -> bool:
        new = insert(users).values(id=sub, email=email).on_conflict_do_nothing()
        created = (await connection.execute(new.returning(users.c.id))).first() is not None
        if created:
            await credits.grant(connection, sub, self._free_credits, CreditSource.ADMIN_GRANT, None, uuid.uuid4())
        elif email:
            changed = sa.update(users).where(users.c.id == sub, users.c.email != email).values(email=email)
            await connection.execute(changed)
        return created


async def _insert_businesses(connection: AsyncConnection, ids: Sequence[str]) -> None:
    if ids:
        rows: list[dict[str, Any]] = [{"id": each} for each in ids]
        await connection.execute(insert(businesses).on_conflict_do_nothing(), rows)
