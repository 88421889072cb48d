"""Everything a post is written from, gathered once: the caller's input, the organization's analysis, its own links.

What the caller says goes before what the analysis says. All texts are plain (`plain_text`) and bounded, because both come
from strangers; `material` is for the prompt of a language model, which is told that it is data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from jobline.worker import PermanentError
from jobline_worker.pipelines.content.generation.completeness import Standing, is_told, standing_of
from jobline_worker.pipelines.content.generation.plain_text import plain, plain_list
from jobline_worker.providers.organizations import CallToAction, OrganizationRecord

__all__ = ["UNTITLED", "Brief", "SiteLink", "brief_of", "host_of"]

#: The title of a post whose topic has no word in its title.
UNTITLED = "Untitled"

#: Characters of each part of the material for a prompt.
_MOST_MATERIAL = 6000
_NOTES = ("subheader", "description")
_MOST_LINKS = 8
#: Where these lead is an address for what has been filled in, no page.
_FORMS = frozenset({"form", "email_capture"})
_QUOTED = re.compile("“([^“”]+)”")


class SiteLink(BaseModel):
    """One of the organization's calls to action; `url` is absolute and on its own host, or empty for any other."""

    model_config = ConfigDict(frozen=True)

    text: str
    type: str
    url: str
    path: str


class Brief(BaseModel):
    """What is known. Texts that are not known are empty."""

    model_config = ConfigDict(frozen=True)

    title: str
    notes: list[str]
    keywords: list[str]
    phrases: list[str]
    business_name: str
    business_type: str
    audience: str
    voice: str
    goals: str
    description: str
    subjects: list[str]
    host: str
    links: list[SiteLink]
    instructions: str
    include_visuals: bool
    standing: Standing
    material: dict[str, str]


def brief_of(payload: Mapping[str, Any], record: OrganizationRecord | None) -> Brief:
    """Reads a job's input and its organization. Raises PermanentError (INVALID_PAYLOAD) for an input that is none."""
    topic, business = _part(payload, "topic"), _part(payload, "businessInfo")
    analysis = record.analysis if record else {}
    calls = record.calls_to_action if record else ()
    host = host_of(record.website_url) if record else ""

    def told(key: str, most: int) -> str:
        known = analysis.get(key)
        return plain(business.get(key), most) or (plain(known, most) if is_told(known) else "")

    return Brief(
        title=plain(topic.get("title"), 200) or UNTITLED,
        notes=[note for key in _NOTES if (note := plain(topic.get(key), 400))],
        keywords=[*plain_list(topic.get("seoKeywords") or topic.get("keywords"), 6, 60)],
        phrases=plain_list(topic.get("customerLanguage"), 6, 200),
        business_name=told("businessName", 80),
        business_type=told("businessType", 120),
        audience=told("targetAudience", 300),
        voice=told("brandVoice", 200),
        goals=told("websiteGoals", 160),
        description=told("description", 800),
        subjects=_subjects(analysis.get("contentFocus")),
        host=host,
        links=list(_links(calls, host)),
        instructions=str(payload.get("additionalInstructions") or "")[:5000],
        include_visuals=bool(payload["options"]["includeVisuals"]),
        standing=standing_of(payload, analysis, len(calls)),
        material={"topic": _json(topic), "business": _json(business), "website_analysis": _json(analysis)},
    )


def host_of(url: str) -> str:
    """The host of an address in lower case, without `www.`; "" where there is none."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return ""
    return host.lower().removeprefix("www.")


def _part(payload: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = payload.get(key) if isinstance(payload, Mapping) else None
    if not isinstance(value, Mapping) or not isinstance(payload.get("options"), Mapping):
        raise PermanentError(f"the payload's {key} and options must be objects", code="INVALID_PAYLOAD")
    return value


def _subjects(focus: object) -> list[str]:
    """What the site is about, by its own headings: those that the analysis quotes, or what it enumerates."""
    if not isinstance(focus, str) or not is_told(focus):
        return []
    return plain_list(_QUOTED.findall(focus[:2000]) or focus, 5, 80)


def _links(calls: Sequence[CallToAction], host: str) -> Iterator[SiteLink]:
    """The best calls to action, each text and each address once."""
    seen: set[str] = set()
    for call in calls:
        text = plain(call.text, 80)
        is_page = call.type not in _FORMS and _is_web(call.href)
        url = call.href if host and host_of(call.href) == host and is_page else ""
        if text and not seen & {text.casefold(), url or text.casefold()}:
            seen |= {text.casefold(), url or text.casefold()}
            yield SiteLink(text=text, type=call.type, url=url, path=_path(url))
        if len(seen) >= 2 * _MOST_LINKS:
            return


def _is_web(href: str) -> bool:
    """An http(s) address that can stand in a markdown link as it is."""
    return href.startswith(("http://", "https://")) and len(href) <= 2048 and not set(href) & set(' <>()"\\`\n\t[]')


def _path(url: str) -> str:
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.path or '/'}{query}" if url else ""


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)[:_MOST_MATERIAL]
