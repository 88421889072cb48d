"""The paths of the communication surface.

A fixed word is never the id of a job, whatever the method: `DELETE …/stats` is 405, not a search for the job `stats`.
So the routes of one job say `{id:job_id}`, which matches every segment but these words.
"""

from __future__ import annotations

from starlette.convertors import StringConvertor, register_url_convertor

__all__ = ["BASE", "BUSINESS", "JOB", "ROOT"]

ROOT = "/api/businesses"
BUSINESS = f"{ROOT}/{{businessId}}"
BASE = f"{BUSINESS}/communication-queue"
JOB = f"{BASE}/{{id:job_id}}"

FIXED_WORDS = (
    "stats",
    "pending",
    "failed",
    "process-now",
    "by-communication",
    "health",
    "export.csv",
    "events",
    "retry-failed",
)


class _JobId(StringConvertor):
    regex = rf"(?!(?:{'|'.join(word.replace('.', '[.]') for word in FIXED_WORDS)})(?:/|$))[^/]+"


register_url_convertor("job_id", _JobId())
