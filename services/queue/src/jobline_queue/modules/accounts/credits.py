"""Credits: one row each. A run holds one from its start on; it is spent with what it pays for, else given back.

`reserve`, `spend` and `release` are for hooks: they take part in the transaction that moves the job, so a reserved credit is
always one whose job runs. Why rows and not a counter: docs/adr/0009-credits-and-effects.md.
"""

from __future__ import annotations

import uuid
from enum import StrEnum
from typing import NamedTuple

from psycopg import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncConnection as PoolConnection

from jobline_queue.core.errors import NotFound
from jobline_queue.store.job_store import id_array
from jobline_queue.store.statements import statement


class CreditSource(StrEnum):
    """The words of `user_credits.source_type`."""

    SUBSCRIPTION = "subscription"
    PURCHASE = "purchase"
    REFERRAL = "referral"
    ADMIN_GRANT = "admin_grant"


class Credits(NamedTuple):
    """A user's credits in numbers. Those whose time has passed are `expired`, whatever their row says."""

    active: int
    reserved: int
    used: int
    expired: int


class NoCreditHeld(Exception):
    """The run holds no credit that could be spent."""


# ---- in the transaction that moves a job --------------------------------------------------------------------------------


async def reserve(connection: AsyncConnection, user_id: str, job_id: str) -> bool:
    """Whether the user has a credit for the run that begins: of the active, unexpired ones that of the highest priority,
    then the oldest."""
    cursor = await connection.execute(_sql("reserve_credit"), {"user_id": user_id, "job_id": job_id})
    return cursor.rowcount == 1


async def spend(connection: AsyncConnection, job_id: str, used_for: str, used_for_id: str) -> None:
    """Spends the credit that the job's run holds. Raises NoCreditHeld."""
    params = {"job_id": job_id, "used_for_type": used_for, "used_for_id": used_for_id}
    cursor = await connection.execute(_sql("spend_credit"), params)
    if cursor.rowcount != 1:
        raise NoCreditHeld(f"job {job_id} holds no credit")


async def release(connection: AsyncConnection, job_id: str) -> None:
    """Gives back what the job's run holds, if it holds one."""
    await connection.execute(_sql("release_credit"), {"job_id": job_id})


# ---- over the pool ------------------------------------------------------------------------------------------------------


async def grant(
    connection: PoolConnection,
    user_id: str,
    count: int,
    source: CreditSource,
    expires_at: float | None,
    request_id: uuid.UUID,
) -> None:
    """Gives a stored user `count` credits, until `expires_at` (epoch seconds). The same request gives nothing more."""
    params = {
        "ids": id_array(str(uuid.uuid5(request_id, str(number))) for number in range(count)),
        "user_id": user_id,
        "source_type": source,
        "expires_at": expires_at,
    }
    await connection.exec_driver_sql(_sql("grant_credits").decode(), params)


async def count_credits(connection: PoolConnection, user_id: str) -> Credits:
    """Raises NotFound (user)."""
    row = (await connection.exec_driver_sql(_sql("count_credits").decode(), {"user_id": user_id})).first()
    if row is None:
        raise NotFound("user", user_id)
    return Credits(row.active, row.reserved, row.used, row.expired)


def _sql(name: str) -> bytes:
    return statement(name, "jobline_queue.modules.accounts").encode()
