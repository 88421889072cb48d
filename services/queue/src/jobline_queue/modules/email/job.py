"""An e-mail item as a job: its queue, kind, payload and the rules for it. The same on every way in."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from jobline_queue.core.errors import FieldProblem, InvalidField, invalid
from jobline_queue.core.new_job import NewJob

QUEUE = "email_default"
KIND = "generate_email"
FIRST_STEP = "template_parser"
MAX_BATCH = 100

#: Single-pass and without nesting, so its cost is linear in the text.
PLACEHOLDER = re.compile(r"\{\{[^}]+\}\}")
BOUNDS = {"recipient_name": (2, 255), "recipient_interest": (2, 500), "email_template": (10, 5000)}


def new_jobs(items: Sequence[tuple[str, str]], template: str, user_id: str, correlation_id: str = "") -> list[NewJob]:
    """One job for each (name, interest). Raises InvalidField with every bad field, as the batch names them."""
    if not 1 <= len(items) <= MAX_BATCH:
        raise invalid("items", f"expected 1 to {MAX_BATCH} items, got {len(items)}")
    problems = _template_problems("email_template", template)
    for index, (name, interest) in enumerate(items):
        problems += _text_problems(f"items[{index}].recipient_name", "recipient_name", name)
        problems += _text_problems(f"items[{index}].recipient_interest", "recipient_interest", interest)
    if problems:
        raise InvalidField(problems[:MAX_BATCH])
    return [
        NewJob(
            queue=QUEUE,
            kind=KIND,
            owner=f"user:{user_id}",
            correlation_id=correlation_id,
            payload=json.dumps(
                {"recipient_name": name, "recipient_interest": interest, "email_template": template}, ensure_ascii=False
            ),
        )
        for name, interest in items
    ]


def check(job: NewJob, path: str) -> None:
    """The rules for a job of this kind that comes in through JobService."""
    if job.queue != QUEUE:
        raise invalid(f"{path}queue", f"expected {QUEUE} for kind {KIND}")
    if not job.owner.removeprefix("user:") or not job.owner.startswith("user:"):
        raise invalid(f"{path}owner", "expected user:{id}")
    payload = json.loads(job.payload)
    if not isinstance(payload, dict) or set(payload) != set(BOUNDS):
        raise invalid(f"{path}payload_json", f"expected an object with the keys {', '.join(BOUNDS)}")
    problems: list[FieldProblem] = []
    for key, value in payload.items():
        problems += _value_problems(f"{path}payload_json.{key}", key, value)
    if problems:
        raise InvalidField(problems)


def _value_problems(field: str, key: str, value: Any) -> list[FieldProblem]:
    if not isinstance(value, str):
        return [FieldProblem(field, "expected a string")]
    return _template_problems(field, value) if key == "email_template" else _text_problems(field, key, value)


def _text_problems(field: str, key: str, text: str) -> list[FieldProblem]:
    low, high = BOUNDS[key]
    if not low <= len(text) <= high:
        return [FieldProblem(field, f"expected {low} to {high} characters, got {len(text)}")]
    if not text.strip():
        return [FieldProblem(field, "expected a text that is not blank")]
    return [FieldProblem(field, "expected text without NUL")] if "\0" in text else []


def _template_problems(field: str, template: str) -> list[FieldProblem]:
    found = _text_problems(field, "email_template", template)
    if not found and not PLACEHOLDER.search(template):
        return [FieldProblem(field, "expected at least one {{placeholder}}")]
    return found
