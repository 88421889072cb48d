"""The monitor's paths, its doors, its envelope `{"error"}` and the headers that keep a page of other people's text harmless.

It is served as several surfaces: what a browser shows is refused with a page, what a script asks for with JSON, and the files
of the page, in which is nothing of anyone, are open to all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from jobline_gateway.monitor.job_id import NO_JOB
from jobline_gateway.monitor.pages import problem_page
from jobline_gateway.monitor.paths import API, ASSETS, BASE, SESSION
from jobline_gateway.problems import FieldError, Problem
from jobline_gateway.service_client import ServiceError
from jobline_gateway.surface import Door, Surface

__all__ = ["SURFACES"]

UNAUTHORIZED = "Unauthorized"
#: Bytes of a form with a token, which has at most 8192 characters.
MAX_FORM = 64 * 1024

#: No file but our own, no word of script or style inside a page, no page of others around ours. `same-origin`, not
#: `no-referrer`: with that, a browser calls the origin of our own forms `null`, and they would be refused as another site's.
HEADERS: Mapping[str, str] = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
}

#: The contract's fields under the names that this surface gives them; the others are called the same.
_NAMES: Mapping[str, str] = {
    "queues": "queue",
    "states": "state",
    "created_after": "createdAfter",
    "created_before": "createdBefore",
    "expected_count": "expectedCount",
    "max_running": "maxRunning",
    "page_size": "limit",
    "page_token": "cursor",
}


def _invalid(errors: Sequence[FieldError]) -> Problem:
    """400 about the first bad field that only the queue service refuses."""
    first = errors[0]
    path = [str(part) for part in first.loc[1:]]
    inner = path[1:] if len(path) > 1 and path[0] == "filter" else path
    return Problem(400, f"{'.'.join(_NAMES.get(part, part) for part in inner) or 'filter'}: {first.msg}")


def _count_changed(error: ServiceError) -> Problem:
    count = int(error.metadata.get("count", 0))
    return Problem(409, content={"error": f"The filter now chooses {count} jobs; nothing was done", "count": count})


def _in_its_words(status: int) -> Callable[[ServiceError], Problem]:
    """For a refusal whose sentence says more to staff than we could: which state forbids an act, how many are too many."""
    return lambda error: Problem(status, error.message[:1].upper() + error.message[1:])


PAGES = Surface(
    prefixes=(BASE,),
    # Who comes for the first time has made no mistake.
    door=Door(missing=""),
    page=problem_page,
    headers=HEADERS,
)

#: Whoever comes here has no token yet.
SIGN_IN = replace(PAGES, prefixes=(SESSION,), door=None, body_limit=MAX_FORM)

QUEUE_MONITOR = Surface(
    prefixes=(API,),
    invalid=_invalid,
    refusals={
        "FORBIDDEN": lambda _: Problem(403),
        "JOB_NOT_FOUND": lambda _: Problem(404, NO_JOB),
        "QUEUE_NOT_FOUND": lambda _: Problem(404, "Queue not found"),
        "WORKER_NOT_FOUND": lambda _: Problem(404, "Worker not found"),
        "ILLEGAL_TRANSITION": _in_its_words(409),
        "COUNT_CHANGED": _count_changed,
        "TOO_BROAD": _in_its_words(422),
    },
    door=Door(missing=UNAUTHORIZED, rejected=lambda _: UNAUTHORIZED),
    headers=HEADERS,
)

#: A browser may keep them, and asks each time whether they are still the same.
FILES = Surface(prefixes=(ASSETS,), door=None, headers={**HEADERS, "cache-control": "no-cache"})

#: In the order in which they are to be looked for.
SURFACES = (FILES, QUEUE_MONITOR, PAGES, SIGN_IN)
