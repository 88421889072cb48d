"""The lines that ask in a terminal what the page shows of a job.

Every value is quoted for a POSIX shell, so that a line does what it says whatever is in it; secrets stay names of variables.
"""

from __future__ import annotations

import json
import shlex

from jobline_gateway.monitor.paths import API
from jobline_gateway.monitor.schemas import Commands

__all__ = ["commands_for"]


def commands_for(job_id: str, base_url: str) -> Commands:
    """`base_url` is the address at which the gateway was asked."""
    asked = shlex.quote(json.dumps({"id": job_id}))
    return Commands(
        jobline=f"jobline jobs explain {shlex.quote(job_id)}",
        grpcurl=f'grpcurl -plaintext -H "authorization: Bearer $JOBLINE_TOKEN" -d {asked} '
        '"$JOBLINE_QUEUE_ADDRESS" jobline.v1.JobService/ExplainJob',
        curl=f'curl -sS -H "Authorization: Bearer $TOKEN" {shlex.quote(f"{base_url}{API}/jobs/{job_id}")}',
    )
