"""The chores themselves: calls of the gRPC API, and what is logged of them.

Each has a logger of its name, by which its lines can be filtered.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import datetime

import grpc

from jobline.calls import Calls
from jobline.channel import bearer, grpc_loop, open_channel
from jobline.errors import JoblineError, Unavailable, from_rpc_error
from jobline.stubs import control_stub, ingestion_stub, queue_stub
from jobline.v1 import ingestion_service_pb2, queue_service_pb2
from jobline.v1 import worker_control_service_pb2 as control_pb
from jobline_queue.chores.config import CLEANUP, PROCESSED, Config

#: Seconds: how long a call claims, when what still runs is given back, and when nobody waits for its answer any more.
CLAIM_FOR, RUN_FOR, ANSWER_WITHIN = 50, 55, 60.0
#: Seconds in which the cleanup must get through; a queue service that restarts meanwhile is asked again.
CLEAN_UP_WITHIN = 600.0
GRANT_WITHIN = 20.0


def run_errands(config: Config, names: Iterable[str], fire_time: datetime) -> None:
    """Does those of the chores that nobody else was granted for this time. A failure is logged; the next time comes."""
    asyncio.run(_run_all(config, names, fire_time))


async def _run_all(config: Config, names: Iterable[str], fire_time: datetime) -> None:
    queue = Calls(config.queue_addresses, config.token)
    try:
        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(_run(config, queue, name, fire_time))
    finally:
        await queue.close()


async def _run(config: Config, queue: Calls, name: str, fire_time: datetime) -> None:
    log = logging.getLogger(f"{__package__}.{name}")
    try:
        if await _is_granted(queue, name, fire_time):
            log.info("%s", await (_clean_up(queue) if name == CLEANUP else _process(config, name)))
        else:
            log.debug("somebody else does that of %s", fire_time)
    except JoblineError as error:
        log.error("not done: %s", error)


async def _is_granted(queue: Calls, name: str, fire_time: datetime) -> bool:
    """Asked once more after an answer that was lost, it is refused: the time is left out rather than served twice."""
    request = queue_service_pb2.RunChoreRequest(name=name)
    request.fire_time.FromDatetime(fire_time)
    answer = await queue.unary(
        lambda channel: queue_stub(channel).RunChore, request, idempotent=True, deadline=GRANT_WITHIN
    )
    return answer.granted


async def _clean_up(queue: Calls) -> str:
    request = ingestion_service_pb2.CleanUpRequest()
    answer = await queue.unary(
        lambda channel: ingestion_stub(channel).CleanUp, request, idempotent=True, deadline=CLEAN_UP_WITHIN
    )
    return f"{answer.deleted} jobs deleted"


async def _process(config: Config, queue_name: str) -> str:
    request = control_pb.ProcessNowRequest(queue=queue_name, max_jobs=PROCESSED[queue_name], own_runs_only=True)
    request.claim_for.FromSeconds(CLAIM_FOR)
    request.run_for.FromSeconds(RUN_FOR)
    answer = await grpc_loop().run(_ask_in_turn(config, request))
    return f"{answer.attempted} jobs processed"


async def _ask_in_turn(config: Config, request: control_pb.ProcessNowRequest) -> control_pb.ProcessNowResponse:
    """The answer of the first worker service that gives one. To be called in the gRPC loop. Raises JoblineError."""
    failure: JoblineError = Unavailable("no worker service is known")
    for address in config.worker_addresses:
        async with open_channel(address) as channel:
            try:
                return await control_stub(channel).ProcessNow(
                    request, timeout=ANSWER_WITHIN, metadata=bearer(config.token)
                )
            except grpc.aio.AioRpcError as raised:
                failure = from_rpc_error(raised)
        if not isinstance(failure, Unavailable):
            break
    raise failure
