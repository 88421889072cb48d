"""What the run of a website_analysis leaves behind: the organization and its calls to action with the first step, the images
with the last one, and a result that names all of them.

The first step's effects stay when a later step fails: what was found on the page is true. A step's output that is too large
to be stored has no effects; then the end of the run makes up for the organization, and images that were never stored are
not named.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from psycopg import AsyncConnection

from jobline_queue.core.ending import RunEnd, rejected
from jobline_queue.core.errors import InvalidField, invalid
from jobline_queue.core.lifecycle import Arrow
from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.policy import QueuePolicy
from jobline_queue.modules.content import effects
from jobline_queue.modules.content.endings import worded
from jobline_queue.modules.content.job import ANALYZE_WEBSITE, GENERATE_IMAGES
from jobline_queue.modules.content.shapes import IMAGE_PATH, AnalysisResult, AnalyzedPage, DrawnImages, read

#: Bytes of JSON: a list of a hundred organizations is one message.
MAX_ANALYSIS = 32 * 1024


async def on_step(connection: AsyncConnection, job: LiveJob, step: str, output: str) -> None:
    """Raises InvalidField for an output of another shape."""
    if step not in (ANALYZE_WEBSITE, GENERATE_IMAGES):
        return
    url = await effects.lock_analysis(connection, job.id)
    if url is None:
        return
    value = json.loads(output)
    if step == ANALYZE_WEBSITE:
        page = read(AnalyzedPage, value, step)
        organization_id = await _store_organization(connection, job, url, value["analysis"])
        ids = await effects.store_ctas(connection, organization_id, url, page.ctas)
        await effects.forget_ctas(connection, organization_id, url, ids.values())
    else:
        drawn = read(DrawnImages, value, step)
        await effects.store_media(connection, job.id, [image for image in drawn.images if image is not None])


async def on_end(connection: AsyncConnection, job: LiveJob, policy: QueuePolicy, end: RunEnd) -> RunEnd:
    """Completes the result; a result of another shape fails the run."""
    if end.arrow is Arrow.CANCEL:
        await effects.store_media(connection, job.id, ())  # images of a run that was cancelled in its last step
    if end.arrow is not Arrow.COMPLETE:
        return worded(end)
    try:
        return replace(end, result=await _completed(connection, job, json.loads(end.result or "null")))
    except InvalidField as error:
        return rejected(end, f"The result was refused: {error}")


async def _completed(connection: AsyncConnection, job: LiveJob, value: Any) -> str:
    """The result with its ids, as JSON text. Raises InvalidField."""
    given = read(AnalysisResult, value, "result")
    url = await effects.lock_analysis(connection, job.id) or given.url
    organization_id = await effects.find_organization(connection, job.id)
    if organization_id is None:
        organization_id = await _store_organization(connection, job, url, value["analysis"])
    ids = await effects.store_ctas(connection, organization_id, url, given.ctas)
    for cta in value["ctas"]:
        cta["id"] = ids[cta["text"], cta["placement"]]
    there = {IMAGE_PATH + name for name in await effects.find_media(connection, job.id)}
    for scenario in value["scenarios"]:
        if scenario["imageUrl"] not in there:
            scenario["imageUrl"] = None
    value["analysis"]["organizationId"] = value["organizationId"] = organization_id
    return json.dumps(value, ensure_ascii=False)


async def _store_organization(connection: AsyncConnection, job: LiveJob, url: str, analysis: dict[str, Any]) -> str:
    if len(json.dumps(analysis, ensure_ascii=False).encode()) > MAX_ANALYSIS:
        raise invalid("analysis", f"expected at most {MAX_ANALYSIS} bytes of JSON")
    return await effects.store_organization(connection, job, url, analysis)
