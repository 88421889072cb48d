"""What a language model is told.

Text from the web is marked as data (`data_blocks`). The model has no tools, and its answer is checked (`checks.py`) before it
is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobline_worker.pipelines.email.request import EmailRequest
from jobline_worker.providers.llm import Completion
from jobline_worker.providers.llm.data_blocks import DATA_RULE, data_blocks

__all__ = ["compose_request", "search_terms_request"]

SEARCH_TERMS_TASK = "email.search_terms"
COMPOSE_TASK = "email.compose"
COMPOSE_TEMPERATURE = 0.7

_SEARCH_SYSTEM = (
    "You write web search queries that find public information about a person. "
    'Answer with one JSON object: {"search_terms": ["…", "…"]}, with one or two queries of 3 to 200 characters. '
    "The first query contains the person's full name exactly as given. " + DATA_RULE
)

_COMPOSE_SYSTEM = (
    "You write one personal e-mail from a template. Keep the template's wording, order and tone; replace every "
    "placeholder in double braces, using the recipient's name, their field and the facts in the data. State only "
    "facts that stand in the template or in the data; if the data has no fitting fact, stay general. Address the "
    "recipient by the name as given. Write at least 50 words. No subject line, no links, no braces, "
    "no bracketed blanks to fill in. "
    'Answer with one JSON object: {"email": "…", "is_confident": true or false}; is_confident is false when the data '
    "says too little about this person. " + DATA_RULE
)

_SEARCH_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "search_terms": {
            "type": "array",
            "items": {"type": "string", "minLength": 3, "maxLength": 200},
            "minItems": 1,
            "maxItems": 2,
        }
    },
    "required": ["search_terms"],
    "additionalProperties": False,
}

_COMPOSE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"email": {"type": "string"}, "is_confident": {"type": "boolean"}},
    "required": ["email", "is_confident"],
    "additionalProperties": False,
}


def search_terms_request(request: EmailRequest) -> Completion:
    """Asks for one or two web searches about the recipient."""
    return Completion(
        task=SEARCH_TERMS_TASK,
        system=_SEARCH_SYSTEM,
        prompt=data_blocks(name=request.name, interest=request.interest, template=request.template),
        inputs={"template": request.template, "name": request.name, "interest": request.interest},
        schema=_SEARCH_SCHEMA,
        temperature=0.1,
        max_tokens=256,
    )


def compose_request(inputs: Mapping[str, Any], broken: Sequence[str]) -> Completion:
    """Asks for the e-mail. `broken` says what was wrong with the answer before, if there was one."""
    papers = "\n".join(f"- {paper['title']} ({paper['year']})" for paper in inputs["papers"])
    prompt = data_blocks(
        name=inputs["name"],
        field=inputs["interest"],
        template=inputs["template"],
        found_on_the_web=inputs["scraped_content"],
        papers=papers or "none found",
    )
    if broken:
        prompt += "\n\nYour last answer could not be used: " + "; ".join(broken) + ". Write it again without that."
    return Completion(
        task=COMPOSE_TASK,
        system=_COMPOSE_SYSTEM,
        prompt=prompt,
        inputs=inputs,
        schema=_COMPOSE_SCHEMA,
        temperature=COMPOSE_TEMPERATURE,
        max_tokens=2048,
    )
