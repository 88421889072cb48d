"""The two kinds of content jobs: queue, owners, payloads and the rules for them. The same on every way in."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from jobline_queue.core.errors import FieldProblem, InvalidField, invalid
from jobline_queue.core.json_text import check_json, check_text
from jobline_queue.core.new_job import NO_LABELS, NewJob
from jobline_queue.modules.content.shapes import NotBlank, Open, read
from jobline_queue.rpc.principal import current

QUEUE = "amb-jobs"
ANALYSIS = "website_analysis"
GENERATION = "content_generation"
KINDS = (ANALYSIS, GENERATION)
#: The steps of an analysis, in their order; migration 0007 has their labels.
ANALYZE_WEBSITE, GENERATE_IMAGES = "analyze_website", "generate_images"
#: The steps of a generation are its worker's own affair, but for the one it begins with.
OUTLINE = "outline"
MAX_URL = 2048
MAX_ID = 255
#: Bytes of what a generation is given: its result repeats the topic, and has to fit, too.
MAX_INPUT = 256 * 1024

USER, SESSION = "user:", "session:"
#: Of a user's job: the anonymous session whose organization it may use, too, because its caller was both.
SESSION_LABEL = "session"

#: What no address contains; `urlsplit` would drop some of it without a word.
_NOT_IN_A_URL = re.compile(r"[\x00-\x20\x7f\\]")


# ---- owners -------------------------------------------------------------------------------------------------------------


def owner_rule(owner: str) -> str | None:
    """What the owner of a job must be; None when it is."""
    _, colon, name = owner.partition(":")
    if owner.startswith((USER, SESSION)) and colon and 1 <= len(name) <= MAX_ID:
        return None
    return f"expected user:{{id}} or session:{{id}} with an id of 1 to {MAX_ID} characters"


def user_of(owner: str) -> str | None:
    return owner.removeprefix(USER) if owner.startswith(USER) else None


def session_of(owner: str) -> str | None:
    return owner.removeprefix(SESSION) if owner.startswith(SESSION) else None


def owners_of(owner: str, labels: str) -> list[str]:
    """Whose organizations a job with this owner and these labels (JSON text) may use."""
    session = json.loads(labels).get(SESSION_LABEL)
    return [owner, SESSION + session] if session else [owner]


# ---- website_analysis ---------------------------------------------------------------------------------------------------


def analysis_job(owner: str, url: str, correlation_id: str) -> NewJob:
    """Raises InvalidField (`url`)."""
    if problem := url_rule(url):
        raise invalid("url", problem)
    payload = json.dumps({"url": url}, ensure_ascii=False)
    return NewJob(queue=QUEUE, kind=ANALYSIS, owner=owner, correlation_id=correlation_id, payload=payload)


def url_rule(url: Any) -> str | None:
    """What the address of a website must be; None when it is. Whether anybody may fetch it is seen when it is fetched."""
    if not isinstance(url, str) or not 1 <= len(url) <= MAX_URL:
        return f"expected a text of 1 to {MAX_URL} characters"
    wanted = "expected an http or https address with a host, such as https://example.com"
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and (parts.hostname or "").strip(".") and parts.port != 0
    except ValueError:
        return wanted
    return None if whole and not _NOT_IN_A_URL.search(url) else wanted


def check_analysis(job: NewJob, path: str) -> None:
    """The rules for an analysis that comes in through JobService."""
    _check_terms(job, path)
    payload = json.loads(job.payload)
    if not isinstance(payload, dict) or set(payload) != {"url"}:
        raise invalid(f"{path}payload_json", "expected an object with the key url")
    if problem := url_rule(payload["url"]):
        raise invalid(f"{path}payload_json.url", problem)


# ---- content_generation -------------------------------------------------------------------------------------------------


def _given(value: Any) -> Any:
    """Of an object: what is null was not given."""
    return {key: item for key, item in value.items() if item is not None} if isinstance(value, dict) else value


class _Topic(Open):
    title: NotBlank


class _BusinessInfo(Open):
    businessType: NotBlank
    targetAudience: NotBlank


class _Options(BaseModel):
    model_config = ConfigDict(strict=True)
    _nulls = model_validator(mode="before")(_given)

    includeVisuals: bool = True
    autoSave: bool = True
    status: Annotated[str, StringConstraints(min_length=1, max_length=50)] = "draft"


class _Input(BaseModel):
    model_config = ConfigDict(strict=True)
    _nulls = model_validator(mode="before")(_given)

    topic: _Topic
    businessInfo: _BusinessInfo
    organizationId: Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID)]
    additionalInstructions: Annotated[str, StringConstraints(max_length=5000)] | None = None
    options: _Options = Field(default_factory=_Options)


def generation_job(owner: str, session: str | None, input_json: str, correlation_id: str) -> NewJob:
    """`session`: an anonymous session that is the same caller. Raises InvalidField or TooLarge (`input_json`)."""
    payload = generation_input("input_json", check_json("input_json", input_json or "null"))
    return NewJob(
        queue=QUEUE,
        kind=GENERATION,
        owner=owner,
        correlation_id=correlation_id,
        labels={SESSION_LABEL: session} if session else NO_LABELS,
        payload=json.dumps(payload, ensure_ascii=False),
    )


def generation_input(path: str, value: Any) -> dict[str, Any]:
    """The input as it is stored: what was not given filled in, keys that mean nothing dropped. Raises InvalidField."""
    given = read(_Input, value, path)
    stored = {key: value[key] for key in ("topic", "businessInfo", "organizationId")}
    if given.additionalInstructions is not None:
        stored["additionalInstructions"] = given.additionalInstructions
    if len(json.dumps(stored, ensure_ascii=False).encode()) > MAX_INPUT:
        raise invalid(path, f"expected at most {MAX_INPUT} bytes")
    return {**stored, "options": given.options.model_dump()}


def check_generation(job: NewJob, path: str) -> None:
    """The rules for a generation that comes in through JobService. Its organization is looked up when it is stored."""
    _check_terms(job, path)
    if not job.owner.startswith(USER):
        raise invalid(f"{path}owner", "expected user:{id}: a generation needs an authenticated user")
    session = job.labels.get(SESSION_LABEL)
    if session and (user := current.get().user) is not None and user.session != session:
        raise invalid(f"{path}labels[{SESSION_LABEL}]", "expected the caller's own session")
    value = json.loads(job.payload)
    if generation_input(f"{path}payload_json", value) != value:
        raise invalid(f"{path}payload_json", "expected all options, and no keys that mean nothing")


def _check_terms(job: NewJob, path: str) -> None:
    problems = []
    if job.queue != QUEUE:
        problems.append(FieldProblem(f"{path}queue", f"expected {QUEUE} for kind {job.kind}"))
    if problem := owner_rule(job.owner):
        problems.append(FieldProblem(f"{path}owner", problem))
    if job.priority != 0:
        problems.append(FieldProblem(f"{path}priority", "expected 0: the order is that of creation"))
    if job.max_attempts not in (0, 1):
        problems.append(FieldProblem(f"{path}max_attempts", "expected 1: only callers run such a job again"))
    if problems:
        raise InvalidField(problems)
    check_text(f"{path}owner", job.owner, len(SESSION) + MAX_ID)
