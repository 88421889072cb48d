"""Step 4: writes the e-mail, has it written again while it breaks a check, and repairs it at the end.

At most three provider calls are made in all: transient errors and broken checks share them. An answer that broke a
check is better than none, so when the calls are used up the last answer is repaired and kept, marked as not confident;
the step fails only when no call brought an answer.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobline.worker import Run, TransientError
from jobline_worker.pipelines.email.checks import Check, broken_checks, repaired
from jobline_worker.pipelines.email.prompts import COMPOSE_TEMPERATURE, compose_request
from jobline_worker.pipelines.email.request import EmailRequest
from jobline_worker.pipelines.email.scraped_content import NO_INFORMATION
from jobline_worker.providers.llm import LanguageModel
from jobline_worker.providers.llm.json_answers import json_object
from jobline_worker.providers.storable import storable

__all__ = ["Answer", "compose_email", "read_answer"]

#: Time limit of one call, in seconds.
TIMEOUT = 90.0

_LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"')\]]+", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """One e-mail as the provider wrote it."""

    email: str
    is_confident: bool


async def compose_email(run: Run, llm: LanguageModel, seconds: float = TIMEOUT) -> dict[str, Any]:
    """The step: `email_message`, `is_confident`, `papers_used`, `model`, `temperature`, `warnings`."""
    request = EmailRequest.from_payload(run.payload)
    inputs = compose_inputs(run)
    calls = _Calls(llm, inputs, run.tries, seconds)
    await run.attempt(calls.write, timeout=seconds * run.tries)
    answer = calls.last
    text, warnings = answer.email, [f"email_composer: {check.value}" for check in calls.broken]
    if calls.broken:
        text = repaired(text, request.name, request.interest)
    if _foreign_links(text, inputs):
        warnings.append("email_composer: it has a link that is neither in the template nor among the sources")
    found_something = inputs["scraped_content"] != NO_INFORMATION
    return {
        "email_message": text,
        "is_confident": answer.is_confident and found_something and not warnings,
        "papers_used": [paper["title"] for paper in inputs["papers"] if _mentions(text, paper["title"])],
        "model": llm.name,
        "temperature": COMPOSE_TEMPERATURE,
        "warnings": warnings,
    }


def compose_inputs(run: Run) -> dict[str, Any]:
    """Everything the earlier steps found, as the composer's input."""
    request = EmailRequest.from_payload(run.payload)
    parsed, scraped = run.outputs["template_parser"], run.outputs["web_scraper"]
    return {
        "template": request.template,
        "name": request.name,
        "interest": request.interest,
        "template_type": parsed["template_type"],
        "placeholders": parsed["placeholders"],
        "scraped_content": scraped["scraped_content"],
        "sources": scraped["sources"],
        "papers": run.outputs.get("arxiv_helper", {}).get("arxiv_papers", []),
    }


def read_answer(text: str) -> Answer:
    """The e-mail in `{"email":string,"is_confident":boolean}`; any other answer is the e-mail, not confident."""
    match json_object(text):
        case {"email": str(email), "is_confident": bool(is_confident)}:
            return Answer(storable(email).strip(), is_confident)
        case _:
            return Answer(storable(text).strip(), False)


class _Calls:
    """The calls of one run of the step: at most `most`, spread over the tries that the run's policy gives."""

    def __init__(self, llm: LanguageModel, inputs: Mapping[str, Any], most: int, seconds: float) -> None:
        self._llm = llm
        self._inputs = inputs
        self._left = most
        self._seconds = seconds
        self._answer: Answer | None = None
        self.broken: list[Check] = []

    @property
    def last(self) -> Answer:
        if self._answer is None:
            raise AssertionError("no call brought an answer, yet none raised")
        return self._answer

    async def write(self) -> None:
        """Asks until an answer breaks no check or the calls are used up.

        A broken check is asked about again at once; a transient error leaves, and comes back after the run's wait.
        """
        while self._left:
            self._left -= 1
            request = compose_request(self._inputs, [check.value for check in self.broken])
            try:
                async with asyncio.timeout(self._seconds):
                    self._answer = read_answer((await self._llm.complete(request)).text)
            except (TransientError, TimeoutError):
                if self._left or self._answer is None:
                    raise
                return
            self.broken = broken_checks(self._answer.email, self._inputs["name"])
            if not self.broken:
                return


def _mentions(text: str, title: str) -> bool:
    return " ".join(title.split()).casefold() in " ".join(text.split()).casefold()


def _foreign_links(text: str, inputs: Mapping[str, Any]) -> bool:
    """Whether the e-mail links to somewhere a page may have talked the model into (fault catalogue, F34)."""
    known = " ".join([inputs["template"], *inputs["sources"], *(paper["arxiv_url"] for paper in inputs["papers"])])
    return any(link.rstrip(".,;:!?") not in known for link in _LINK.findall(text))
