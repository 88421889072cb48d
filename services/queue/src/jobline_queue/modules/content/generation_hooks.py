"""What a content_generation job leaves behind: a credit held while it runs, and spent with the post that it ends in.

The claim reserves the credit; a run without one is refused before a worker hears of it. The end spends it in the
transaction, and under the savepoint, that saves the post. Every other end gives it back: failure, cancel, loss, `autoSave`
false, and a post that cannot be saved, whose text is the job's result all the same.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC
from typing import Any

import psycopg
import uuid_utils
from psycopg import AsyncConnection

from jobline_queue.core.ending import RunEnd, RunError, rejected
from jobline_queue.core.errors import InvalidField
from jobline_queue.core.lifecycle import Arrow
from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.policy import QueuePolicy
from jobline_queue.dispatch.hooks import RunRefused
from jobline_queue.modules.accounts import credits
from jobline_queue.modules.content.endings import worded
from jobline_queue.modules.content.generated import count_words, read_result, with_post
from jobline_queue.store.job_store import JobStore
from jobline_queue.store.statements import statement

logger = logging.getLogger(__name__)

#: `user_credits.used_for_type` of a credit that has paid for a post.
USED_FOR = "content_generation"
NO_CREDIT = RunError("INSUFFICIENT_CREDITS", "Insufficient credits", False)
_JSON_COLUMNS = ("topic_data", "generation_metadata", "internal_links_data", "cta_suggestions_data")


async def on_start(connection: AsyncConnection, job: LiveJob) -> None:
    """Reserves a credit of the user. Raises RunRefused if there is none."""
    if not await credits.reserve(connection, _user_id(job), job.id):
        raise RunRefused(NO_CREDIT)


async def on_end(connection: AsyncConnection, job: LiveJob, policy: QueuePolicy, end: RunEnd) -> RunEnd:
    """Saves the post of a completed job and spends its credit; gives the credit back otherwise."""
    if end.arrow is not Arrow.COMPLETE:
        await credits.release(connection, job.id)
        return worded(end)
    try:
        result = read_result(end.result or "null")
    except InvalidField as error:
        await credits.release(connection, job.id)
        return rejected(end, f"The result was refused: {error}")
    post = await _save(connection, job, result["data"])
    if post is None:
        await credits.release(connection, job.id)
        return end
    return replace(end, result=json.dumps(with_post(result, post), ensure_ascii=False))


async def _save(connection: AsyncConnection, job: LiveJob, data: Mapping[str, Any]) -> dict[str, Any] | None:
    """The post as `savedPost` shows it; None if none is wanted, or if it could not be saved and paid for."""
    payload = json.loads((await JobStore(connection).find_payloads([job.id]))[job.id])
    if not payload["options"]["autoSave"]:
        return None
    post = _post_of(job, payload, data)
    try:
        async with connection.transaction():
            created_at = await _insert(connection, job, post)
            await credits.spend(connection, job.id, USED_FOR, post["id"])
    except psycopg.OperationalError:
        raise  # the database's trouble, not the post's: the run's end is tried again
    except (psycopg.Error, credits.NoCreditHeld):
        logger.exception("the post of job %s could not be saved", job.id)
        return None
    return {**post, "created_at": created_at}


def _post_of(job: LiveJob, payload: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": str(uuid_utils.uuid7()),
        "user_id": _user_id(job),
        "organization_id": payload["organizationId"],
        "title": data["title"],
        "content": data["content"],
        "meta_description": data["metaDescription"],
        "topic_data": payload["topic"],
        "generation_metadata": data["generationMetadata"],
        "status": payload["options"]["status"],
        "word_count": count_words(data["content"]),
        "seo_score_prediction": data["seoOptimizationScore"],
        "internal_links_data": data["internalLinks"],
        "cta_suggestions_data": data["ctaSuggestions"],
        "enhancement_level": data["generationMetadata"]["enhancementLevel"],
    }


async def _insert(connection: AsyncConnection, job: LiveJob, post: Mapping[str, Any]) -> str:
    """When the post was created, as RFC 3339 text in UTC."""
    params = {**post, "job_id": job.id, **{name: json.dumps(post[name]) for name in _JSON_COLUMNS}}
    sql = statement("insert_post", "jobline_queue.modules.content").encode()
    row = await (await connection.execute(sql, params)).fetchone()
    assert row is not None
    return str(row[0].astimezone(UTC).isoformat()).replace("+00:00", "Z")


def _user_id(job: LiveJob) -> str:
    return job.owner.removeprefix("user:")
