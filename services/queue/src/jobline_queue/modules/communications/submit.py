"""From drafts to jobs: every field of every message is looked at before anything is stored."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace

from jobline_queue.core.errors import FieldProblem, InvalidField, invalid
from jobline_queue.core.new_job import NewJob
from jobline_queue.modules.communications import job as rules
from jobline_queue.modules.communications.job import MAX_BATCH, Draft, new_job
from jobline_queue.modules.communications.templates import Filled, Template, fill

_NO_TEXT = "must be given where there is no templateId"


def check_size(drafts: Sequence[object]) -> None:
    """Raises InvalidField for none or too many."""
    if not 1 <= len(drafts) <= MAX_BATCH:
        raise invalid("messages", f"must be 1 to {MAX_BATCH} messages")


def named_templates(drafts: Sequence[Draft]) -> set[str]:
    """The ids of templates that are worth looking up."""
    ids = {draft.template_id for draft in drafts if draft.template_id is not None}
    return {each for each in ids if rules.text_rule(each, rules.MAX_ID) is None}


def identified(drafts: Sequence[Draft], seed: uuid.UUID) -> list[Draft]:
    """The drafts, those without a communication with a new one: the same for the same seed."""
    return [
        draft if draft.communication_id else replace(draft, communication_id=str(uuid.uuid5(seed, str(index))))
        for index, draft in enumerate(drafts)
    ]


def jobs_of(
    business_id: str, drafts: Sequence[Draft], templates: Mapping[str, Template], correlation_id: str
) -> list[NewJob]:
    """One job for each draft. Raises InvalidField with every bad field, in the order of the messages and their fields."""
    problems: list[FieldProblem] = []
    jobs = []
    for index, draft in enumerate(drafts):
        filled = fill(draft, templates)
        found = _problems(f"messages[{index}].", draft, filled)
        problems += found
        if not found:
            jobs.append(new_job(business_id, draft, filled.subject, filled.body, correlation_id))
    if problems:
        raise InvalidField(problems)
    return jobs


def _problems(path: str, draft: Draft, filled: Filled) -> list[FieldProblem]:
    subject, body = draft.subject, draft.body
    if body is None:
        body_problem = _NO_TEXT if draft.template_id is None else None
    else:
        body_problem = rules.text_rule(body, rules.MAX_BODY)
    return rules.problems_of(
        path,
        [
            ("channel", rules.channel_rule(draft.channel)),
            ("recipient_contact", rules.contact_rule(draft.channel, draft.recipient_contact)),
            ("subject", None if subject is None else rules.text_rule(subject, rules.MAX_SUBJECT)),
            ("body", body_problem),
            ("template_id", filled.template_problem),
            ("template_variables_json", filled.variables_problem),
            ("priority", rules.priority_rule(draft.priority)),
            ("scheduled_at", rules.time_rule(draft.scheduled_at)),
            ("max_attempts", rules.attempts_rule(draft.max_attempts)),
            ("communication_id", rules.text_rule(draft.communication_id, rules.MAX_ID)),
        ],
    )
