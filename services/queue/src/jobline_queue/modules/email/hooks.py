"""What an e-mail job leaves behind, in the transaction that ends it: the e-mail row, or an error text for people."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import Any

import psycopg
import uuid_utils
from psycopg import AsyncConnection

from jobline_queue.core.ending import RunEnd, RunError, cut, rejected
from jobline_queue.core.lifecycle import Arrow
from jobline_queue.core.live_job import LiveJob
from jobline_queue.core.policy import QueuePolicy
from jobline_queue.dispatch.hooks import KindHooks
from jobline_queue.modules.email import job as email_job
from jobline_queue.store.statements import statement

logger = logging.getLogger(__name__)

TEMPLATE_TYPES = ("research", "book", "general")
_TEXT_KEYS = ("recipient_name", "recipient_interest", "email_message", "template_type")


async def on_end(connection: AsyncConnection, job: LiveJob, policy: QueuePolicy, end: RunEnd) -> RunEnd:
    """Stores the e-mail of a completed job; words the errors of lost and timed-out ones as the surface does."""
    step = job.step or email_job.FIRST_STEP
    match end.arrow:
        case Arrow.COMPLETE:
            return await _store_or_fail(connection, job, end)
        case Arrow.RESCUE if end.error:
            text = f"Processing timeout: worker lost in step '{step}'. Please submit the item again."
            return _with_message(end, end.error, text)
        case Arrow.TIME_OUT if end.error:
            text = f"Processing timeout: exceeded {policy.timeout:g} seconds in step '{step}'"
            return _with_message(end, end.error, text)
        case _:
            return end


def _with_message(end: RunEnd, error: RunError, text: str) -> RunEnd:
    return replace(end, error=replace(error, message=cut(text)))


async def _store_or_fail(connection: AsyncConnection, job: LiveJob, end: RunEnd) -> RunEnd:
    """An item never completes without its e-mail: one that cannot be stored fails in its last step."""
    try:
        async with connection.transaction():
            return await _store(connection, job, end)
    except psycopg.OperationalError:
        raise
    except (psycopg.Error, ValueError) as error:
        logger.exception("the e-mail of job %s could not be stored", job.id)
        cause = str(error) if isinstance(error, ValueError) else "the e-mail could not be stored"
        return rejected(end, f"Step 'email_composer' failed: {cause}")


async def _store(connection: AsyncConnection, job: LiveJob, end: RunEnd) -> RunEnd:
    email = _read(end.result or "null")
    email_id = str(uuid_utils.uuid7())
    params = {**email, "id": email_id, "job_id": job.id, "user_id": job.owner.removeprefix("user:")}
    await connection.execute(_sql("insert_email"), params)
    await _count_generation(connection, params["user_id"])
    return replace(end, result=json.dumps({"email_id": email_id}))


async def _count_generation(connection: AsyncConnection, user_id: str) -> None:
    """Best effort: a counter that cannot be raised costs no e-mail."""
    try:
        async with connection.transaction():
            await connection.execute(_sql("count_generation"), {"user_id": user_id})
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        logger.warning("generation_count of a user was not raised: %s", error.sqlstate)


def _read(result: str) -> dict[str, Any]:
    """The worker's result as a row. Raises ValueError for one that is no e-mail; the run then fails."""
    value = json.loads(result)
    if not isinstance(value, dict) or not all(isinstance(value.get(key), str) for key in _TEXT_KEYS):
        raise ValueError(f"expected an object with the texts {', '.join(_TEXT_KEYS)}")
    if value["template_type"] not in TEMPLATE_TYPES or not value["email_message"]:
        raise ValueError("expected a template_type of the three and an email_message")
    if not isinstance(value.get("is_confident"), bool) or not isinstance(value.get("metadata"), dict):
        raise ValueError("expected a boolean is_confident and an object metadata")
    row = {key: value[key] for key in (*_TEXT_KEYS, "is_confident")}
    return {**row, "metadata": json.dumps(value["metadata"])}


def _sql(name: str) -> bytes:
    return statement(name, "jobline_queue.modules.email").encode()


HOOKS = KindHooks(
    kind=email_job.KIND,
    check=email_job.check,
    first_step=email_job.FIRST_STEP,
    cancel_removes=True,
    on_end=on_end,
)
