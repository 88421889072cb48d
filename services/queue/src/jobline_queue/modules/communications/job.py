"""A message to a customer as a job: its queue, kind, payload and the rules for it. The same on every way in.

Every rule is a function from a value to what the value must be, None when it is; the wording is the surface's, the field's
name apart. The payload keeps the filled texts that are sent, and `text`, which is what the surface shows: the caller's own
words, built once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from jobline_queue.core.errors import FieldProblem, InvalidField, TooLarge, invalid
from jobline_queue.core.json_text import check_json
from jobline_queue.core.new_job import NewJob

QUEUE = "communications"
KIND = "send_message"
CHANNELS = ("email", "sms", "whatsapp", "messenger")
#: The surface's word → the priority of the job.
PRIORITIES = {"high": 10, "normal": 0, "low": -10}
MAX_BATCH = 100
MAX_ID = 255
MAX_CONTACT = 320
MAX_SUBJECT = 255
MAX_BODY = 10_000
MAX_ATTEMPTS = 10

_OWNER = "business:"
_PAYLOAD_KEYS = ("communication_id", "channel", "recipient_contact", "subject", "body", "text")


@dataclass(frozen=True)
class Draft:
    """A message as a caller asks for it. None and empty stand for what was not given."""

    #: Empty for one that is no channel.
    channel: str
    recipient_contact: str
    subject: str | None
    body: str | None
    template_id: str | None
    #: JSON text.
    template_variables: str
    #: Empty for one that is no priority.
    priority: str
    #: Epoch seconds; NaN for what is no time.
    scheduled_at: float | None
    #: 0: the queue's.
    max_attempts: int
    communication_id: str


def owner(business_id: str) -> str:
    return _OWNER + business_id


def business_of(job_owner: str) -> str:
    return job_owner.removeprefix(_OWNER)


# ---- rules --------------------------------------------------------------------------------------------------------------


def channel_rule(channel: Any) -> str | None:
    return None if channel in CHANNELS else f"must be one of {', '.join(CHANNELS)}"


def contact_rule(channel: Any, contact: Any) -> str | None:
    problem = text_rule(contact, MAX_CONTACT)
    if problem or not contact.strip():
        return problem or "must not be blank"
    if channel == "email":
        local, at, domain = contact.partition("@")
        if not at or "@" in domain or not local.strip() or not domain.strip():
            return "must have text on both sides of one @"
    return None


def text_rule(text: Any, at_most: int) -> str | None:
    """A text of 1 to `at_most` characters that PostgreSQL can keep."""
    if not isinstance(text, str):
        return "must be a string"
    if not 1 <= len(text) <= at_most:
        return f"must have 1 to {at_most} characters"
    if "\0" in text:
        return "must not contain NUL characters"
    return None if _is_unicode(text) else "must not contain half a surrogate pair"


def variables_rule(variables: Any) -> str | None:
    """Of the parsed JSON; a number may be kept as text."""
    if isinstance(variables, dict) and all(isinstance(value, str | bool | int | float) for value in variables.values()):
        return None
    return "must be an object of strings, numbers and booleans"


def priority_rule(priority: str) -> str | None:
    return None if priority in PRIORITIES else f"must be one of {', '.join(PRIORITIES)}"


def time_rule(time: float | None) -> str | None:
    return "must be a time between the years 1 and 9999" if time is not None and math.isnan(time) else None


def attempts_rule(count: int) -> str | None:
    return None if 0 <= count <= MAX_ATTEMPTS else f"must be an integer from 1 to {MAX_ATTEMPTS}"


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


#: For what `text` has as it was given, before a template filled it.
_GIVEN_RULES: Mapping[str, Callable[[Any], str | None]] = {
    "subject": partial(text_rule, at_most=MAX_SUBJECT),
    "body": partial(text_rule, at_most=MAX_BODY),
    "templateId": partial(text_rule, at_most=MAX_ID),
    "templateVariables": variables_rule,
}
_TEXT_KEYS = ("channel", "recipientContact", *_GIVEN_RULES)


def problems_of(path: str, found: Iterable[tuple[str, str | None]]) -> list[FieldProblem]:
    """The fields of which a rule says what they must be, `path` before each name."""
    return [FieldProblem(path + field, expected) for field, expected in found if expected]


# ---- the job ------------------------------------------------------------------------------------------------------------


def new_job(business_id: str, draft: Draft, subject: str | None, body: str, correlation_id: str) -> NewJob:
    """The job of a draft that keeps the rules; `subject` and `body` are filled."""
    payload = {
        "communication_id": draft.communication_id,
        "channel": draft.channel,
        "recipient_contact": draft.recipient_contact,
        "subject": subject,
        "body": body,
        "text": shown_payload(draft),
    }
    return NewJob(
        queue=QUEUE,
        kind=KIND,
        owner=owner(business_id),
        priority=PRIORITIES[draft.priority],
        run_at=draft.scheduled_at,
        correlation_id=correlation_id,
        max_attempts=draft.max_attempts,
        payload=json.dumps(payload, ensure_ascii=False),
    )


def shown_payload(draft: Draft) -> str:
    """What the surface shows as `payload`: what was given, as it was given."""
    given = {
        "channel": draft.channel,
        "recipientContact": draft.recipient_contact,
        "subject": draft.subject,
        "body": draft.body,
        "templateId": draft.template_id,
    }
    members = {key: json.dumps(value, ensure_ascii=False) for key, value in given.items() if value is not None}
    if draft.template_variables:
        members["templateVariables"] = draft.template_variables.strip()
    return "{" + ",".join(f'"{key}":{value}' for key, value in members.items()) + "}"


def check(job: NewJob, path: str) -> None:
    """The rules for a job of this kind that comes in through JobService. Its business is looked up when it is stored."""
    if job.queue != QUEUE:
        raise invalid(f"{path}queue", f"expected {QUEUE} for kind {KIND}")
    if not job.owner.startswith(_OWNER) or not 1 <= len(business_of(job.owner)) <= MAX_ID:
        raise invalid(f"{path}owner", f"expected business:{{id}} with an id of 1 to {MAX_ID} characters")
    if job.priority not in PRIORITIES.values():
        raise invalid(f"{path}priority", "expected 10 (high), 0 (normal) or -10 (low)")
    if problem := attempts_rule(job.max_attempts):
        raise invalid(f"{path}max_attempts", problem)
    payload = json.loads(job.payload)
    if not isinstance(payload, dict) or set(payload) != set(_PAYLOAD_KEYS):
        raise invalid(f"{path}payload_json", f"expected an object with the keys {', '.join(_PAYLOAD_KEYS)}")
    rules = {
        "communication_id": text_rule(payload["communication_id"], MAX_ID),
        "channel": channel_rule(payload["channel"]),
        "recipient_contact": contact_rule(payload["channel"], payload["recipient_contact"]),
        "subject": None if payload["subject"] is None else text_rule(payload["subject"], MAX_SUBJECT),
        "body": text_rule(payload["body"], MAX_BODY),
        "text": _shown_rule(payload),
    }
    if problems := problems_of(f"{path}payload_json.", rules.items()):
        raise InvalidField(problems)


def _shown_rule(payload: dict[str, Any]) -> str | None:
    """Of the whole text: what is read out of it later, into a list or a table, must not fail there."""
    try:
        shown = check_json("text", payload["text"]) if isinstance(payload["text"], str) else None
    except (InvalidField, TooLarge):
        shown = None
    if not isinstance(shown, dict) or not set(shown) <= set(_TEXT_KEYS):
        return f"must be the JSON text of an object with keys of {', '.join(_TEXT_KEYS)}"
    if (shown.get("channel"), shown.get("recipientContact")) != (payload["channel"], payload["recipient_contact"]):
        return "must have the channel and the recipientContact of the payload"
    problems = ((key, rule(shown[key])) for key, rule in _GIVEN_RULES.items() if key in shown)
    return next((f"must have a valid {key}: it {problem}" for key, problem in problems if problem), None)
