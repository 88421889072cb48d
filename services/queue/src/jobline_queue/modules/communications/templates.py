"""Templates: `{{name}}` in a subject or body becomes the value of that variable, in one pass.

A value is never looked through for placeholders itself, so a customer's text cannot pull in another variable. Numbers are
written as the caller wrote them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from jobline_queue.core.errors import InvalidField
from jobline_queue.core.json_text import check_json
from jobline_queue.modules.communications.job import MAX_BODY, MAX_SUBJECT, Draft, text_rule, variables_rule

#: Linear in the text: a name has no braces, so no two tries look at the same characters.
_PLACEHOLDER = re.compile(r"\{\{([^{}]+)\}\}")
_UNKNOWN = "must be the id of a template of this business"
#: Characters of JSON: more than the longest texts take, and little enough that a list of a thousand can be answered.
MAX_VARIABLES = 65_536


class Template(NamedTuple):
    id: str
    subject: str | None
    body: str


@dataclass(frozen=True)
class Filled:
    """The texts to send, or what the template fields of the draft must be."""

    subject: str | None = None
    body: str = ""
    template_problem: str | None = None
    variables_problem: str | None = None


class _Number(str):
    """A JSON number as it was written."""


def fill(draft: Draft, templates: Mapping[str, Template]) -> Filled:
    """The draft's own texts, or those of its template; its own body and subject win. `templates` are those it may use."""
    variables, problem = _variables(draft.template_variables)
    if draft.template_id is not None and draft.template_id not in templates:
        return Filled(template_problem=_UNKNOWN, variables_problem=problem)
    if problem or draft.body is not None or draft.template_id is None:
        return Filled(draft.subject, draft.body or "", variables_problem=problem)
    return _fill(templates[draft.template_id], variables, draft.subject)


def _fill(template: Template, variables: Mapping[str, str], subject: str | None) -> Filled:
    for text in (template.subject or "", template.body):
        for name in _PLACEHOLDER.findall(text):
            if name.strip() not in variables:
                return Filled(variables_problem=f"must have a value for {name.strip()[:64]}")

    def filled(text: str) -> str:
        return _PLACEHOLDER.sub(lambda match: variables[match[1].strip()], text)

    body = filled(template.body)
    if subject is None:
        subject = filled(template.subject or "") or None
    if text_rule(body, MAX_BODY) or (subject is not None and text_rule(subject, MAX_SUBJECT)):
        limits = f"a body of 1 to {MAX_BODY} and a subject of at most {MAX_SUBJECT} characters"
        return Filled(variables_problem=f"must give the template {limits}")
    return Filled(subject, body)


def _variables(text: str) -> tuple[Mapping[str, str], str | None]:
    """The variables as they are written into a template, or what the field must be."""
    if not text:
        return {}, None
    if len(text) > MAX_VARIABLES:
        return {}, f"must be at most {MAX_VARIABLES} characters of JSON"
    try:
        check_json("template_variables_json", text)
        values = json.loads(text, parse_int=_Number, parse_float=_Number)
    except InvalidField:
        values = None
    if problem := variables_rule(values):
        return {}, problem
    return {name: _written(value) for name, value in values.items()}, None


def _written(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
