"""Parts of inputs over the pool: written one by one before their job, read one by one for its run.

A part is committed by itself and its connection is free again, so that neither memory nor the time a connection is held
depends on how large an input is.
"""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from jobline_queue.core.job_input import InputPart
from jobline_queue.store.statements import statement


class JobInputs:
    """The InputStore of `core/job_input.py`."""

    def __init__(self, engine: AsyncEngine, at_once: int = 50) -> None:
        self._engine = engine
        self.room = asyncio.Semaphore(at_once)

    async def stage(self, staging_id: str, part: InputPart) -> None:
        await self._write("stage_input", staging_id=staging_id, **part._asdict())

    async def discard(self, staging_id: str) -> None:
        await self._write("discard_input", staging_id=staging_id)

    async def items(self, job_id: str) -> int | None:
        row = await self._row("count_input", job_id=job_id)
        return None if row is None else int(row[0])

    async def part_with(self, job_id: str, item: int) -> InputPart | None:
        row = await self._row("find_input", job_id=job_id, item=item)
        return None if row is None else InputPart._make(row)

    async def part(self, job_id: str, number: int) -> InputPart | None:
        row = await self._row("read_input", job_id=job_id, number=number)
        return None if row is None else InputPart._make(row)

    async def _write(self, name: str, **params: Any) -> None:
        async with self._engine.begin() as connection:
            await connection.exec_driver_sql(statement(name), params)

    async def _row(self, name: str, **params: Any) -> Any:
        async with self._engine.connect() as connection:
            return (await connection.exec_driver_sql(statement(name), params)).first()
