"""When the claims of a database queue are renewed."""

from __future__ import annotations

import asyncio

from jobline.calls import Calls
from jobline.channel import grpc_loop
from jobline.database_queue.leases import Claim, Leases
from jobline_local.ports import free_port


def test_claims_whose_answers_were_long_on_their_way_are_due_at_once_and_no_claim_is_in_the_way_of_another():
    async def add_some() -> list[str]:
        calls = Calls((f"127.0.0.1:{free_port()}",), "a-token")
        leases = Leases(calls)
        now = asyncio.get_running_loop().time()
        for number, late in enumerate((60, 90, 0, 60)):
            leases.add(Claim(f"job-{number}", f"token-{number}", 30.0), now - late)
        await asyncio.sleep(0)
        taken = leases.take_all()
        leases.close()
        await calls.close()
        return [claim.job_id for claim in taken]

    assert grpc_loop().wait(add_some()) == ["job-0", "job-1", "job-2", "job-3"]
