"""Step 1: what the template asks for, and what to search.

Type and placeholders follow from the template by rule, whatever the provider, so that they are predictable. Only the
search terms come from the language model, and terms that break their bounds are replaced.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from jobline.worker import Run
from jobline_worker.pipelines.email.prompts import search_terms_request
from jobline_worker.pipelines.email.request import EmailRequest
from jobline_worker.providers.errors import BadAnswer
from jobline_worker.providers.llm import LanguageModel
from jobline_worker.providers.llm.json_answers import json_object
from jobline_worker.providers.storable import storable

__all__ = ["PLACEHOLDER", "parse_template", "placeholders", "template_type", "usable_terms"]

TemplateType = Literal["research", "book", "general"]

#: Time limit of one try, in seconds.
TIMEOUT = 60.0

PLACEHOLDER = re.compile(r"\{\{[^}]+\}\}")

_MIN_TERM, _MAX_TERM, _MAX_TERMS = 3, 200, 2
# Whole words; digits and underscores count as gaps, because placeholder names are written with them.
_ABOUT_RESEARCH = re.compile(r"(?<![^\W\d_])(?:papers?|publications?|research(?:es)?)(?![^\W\d_])", re.IGNORECASE)
_ABOUT_BOOKS = re.compile(r"(?<![^\W\d_])books?(?![^\W\d_])", re.IGNORECASE)
_CAMEL_CASE = re.compile(r"(?<=[a-z])(?=[A-Z])")


async def parse_template(run: Run, llm: LanguageModel) -> dict[str, Any]:
    """The step: `search_terms`, `template_type` and `placeholders`."""
    request = EmailRequest.from_payload(run.payload)

    async def ask() -> list[object]:
        return _terms((await llm.complete(search_terms_request(request))).text)

    answered = await run.attempt(ask, timeout=TIMEOUT)
    return {
        "search_terms": usable_terms(answered, request.name, request.interest),
        "template_type": template_type(request.template),
        "placeholders": placeholders(request.template),
    }


def placeholders(template: str) -> list[str]:
    """All placeholders, braces included, unique, in order of appearance."""
    return list(dict.fromkeys(PLACEHOLDER.findall(template)))


def template_type(template: str) -> TemplateType:
    """`research`, `book` or `general`: first by the words around the placeholders, then by the placeholder names."""
    around = PLACEHOLDER.sub(" ", template)
    names = _CAMEL_CASE.sub(" ", " ".join(placeholders(template)))
    for text in (around, names):
        if _ABOUT_RESEARCH.search(text):
            return "research"
        if _ABOUT_BOOKS.search(text):
            return "book"
    return "general"


def usable_terms(answered: Sequence[object], name: str, interest: str) -> list[str]:
    """One or two terms of 3–200 characters, the first with the recipient's name.

    A term that breaks these bounds is replaced by `{name} {interest}`, cut to fit.
    """
    name, interest = name.strip(), interest.strip()
    substitute = f"{name} {interest}"[:_MAX_TERM].strip()
    terms: list[str] = []
    for answer in list(answered[:_MAX_TERMS]) or [substitute]:
        term = answer.strip() if isinstance(answer, str) else ""
        fits = _MIN_TERM <= len(term) <= _MAX_TERM and (terms or name.casefold() in term.casefold())
        terms.append(term if fits else substitute)
    return list(dict.fromkeys(terms))


def _terms(answer: str) -> list[object]:
    """The answer's list of terms. Raises BadAnswer, which is tried again, when it has none."""
    found = (json_object(answer) or {}).get("search_terms")
    if not isinstance(found, list):
        raise BadAnswer("language model sent an answer without a list of search terms")
    return [storable(term) if isinstance(term, str) else term for term in found]
