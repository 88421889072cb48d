"""Keeps one service alive: starts it, notices its death, prepares and starts it again."""

import asyncio
import contextlib
import itertools
import logging
import signal
from collections.abc import Coroutine

from jobline_local.child import Child
from jobline_local.errors import StackError
from jobline_local.processes import ProcessRecord
from jobline_local.service import Service

log = logging.getLogger(__name__)

_READY_SECONDS = 60.0
_BACKOFF_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
"""Waits before restarts that follow each other without the service having answered in between."""


class Keeper:
    """The life of one service, from the first start to the orderly stop."""

    def __init__(self, service: Service, record: ProcessRecord) -> None:
        self._service = service
        self._record = record
        self._child: Child | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Starts the service, waits until it answers, and from then on restarts it whenever it dies.

        Raises:
            StackError: it ended by itself, or did not answer within 60 seconds.
        """
        await self._start_once()
        self._keep_with(self._keep())

    def start_unawaited(self) -> None:
        """The same for a service that nobody waits for: its first start is tried again, too, until it answers."""
        self._keep_with(self._start_and_keep())

    async def stop(self) -> None:
        """Ends the service for good. Safe at any moment of its life."""
        if self._keeping is not None:
            self._keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeping
        if self._child is not None:
            await self._child.stop()

    async def _start_once(self) -> None:
        await self._service.prepare()
        self._child = child = Child(self._service.program())
        self._record.add(self._service.name, child.pid)
        ready = asyncio.create_task(self._service.ready())
        exited = asyncio.create_task(child.exited())
        try:
            await asyncio.wait({ready, exited}, timeout=_READY_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if exited.done():
                raise StackError(f"{self._service.name} {_ending(exited.result())} while starting{self._log_hint()}")
            if not ready.done():
                raise StackError(f"{self._service.name} did not answer within {_READY_SECONDS:.0f} s{self._log_hint()}")
            ready.result()
        finally:
            for task in (ready, exited):
                task.cancel()
            await asyncio.gather(ready, exited, return_exceptions=True)

    def _keep_with(self, life: Coroutine[None, None, None]) -> None:
        self._keeping = asyncio.create_task(life, name=f"keep {self._service.name}")

    async def _start_and_keep(self) -> None:
        await self._try_to_start()
        await self._keep()

    async def _keep(self) -> None:
        while True:
            assert self._child is not None
            code = await self._child.exited()
            self._child.kill_group()
            log.warning("%s %s; starting it again", self._service.name, _ending(code))
            await self._try_to_start()

    async def _try_to_start(self) -> None:
        """Tries until it answers."""
        for failures in itertools.count():
            await asyncio.sleep(_BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)])
            try:
                await self._start_once()
                return
            except StackError as error:
                log.error("%s", error)
                if self._child is not None:
                    await self._child.stop()

    def _log_hint(self) -> str:
        file = self._child.program.log if self._child else None
        return f"; see {file}" if file else ""


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    return f"was killed by {signal.Signals(-code).name}"
