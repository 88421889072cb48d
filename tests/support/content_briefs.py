"""Inputs of content_generation, and the organization that they are for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobline_worker.pipelines.content.generation.brief import Brief, brief_of
from jobline_worker.providers.organizations import CallToAction, OrganizationRecord

__all__ = ["ANALYSIS", "CALLS", "SITE", "TITLE", "brief", "content_payload", "record"]

SITE = "https://www.plansome.example/"
TITLE = "How to choose shift planning software for a small clinic"
ANALYSIS: Mapping[str, Any] = {
    "businessType": "SaaS",
    "businessName": "Plansome",
    "description": "Plansome plans shifts for teams of up to 40 people. It shows gaps before they hurt.",
    "targetAudience": "“Heads of operations”; “planners”, for “Swap requests”",
    "contentFocus": "“Shift calendar” and “Swap requests”",
    "brandVoice": "direct, friendly (of 30 sentences 12 address the reader)",
    "websiteGoals": "To have visitors follow “Book a demo”",
    "searchBehavior": "By subject: “shift planning”",
}
CALLS = (
    ("Book a demo", "demo_link", "https://www.plansome.example/demo", "hero"),
    ("See pricing", "button", "https://plansome.example/pricing?plan=team", "main_content"),
    ("Subscribe", "email_capture", "https://www.plansome.example/api/leads", "footer"),
    ("Call us", "phone_link", "tel:+4912345", "footer"),
    ("Partner shop", "button", "https://elsewhere.example/plansome.example", "footer"),
)


def content_payload(title: str = TITLE, *, instructions: str = "", **changes: Any) -> dict[str, Any]:
    """A checked input, as the queue service stores it; `changes` replace its parts."""
    payload = {
        "topic": {"title": title},
        "businessInfo": {"businessType": "SaaS", "targetAudience": "Heads of operations; planners"},
        "organizationId": "b1c0a6e2-58d1-4f0a-8f8e-7d1e0f6b9a21",
        "options": {"includeVisuals": True, "autoSave": True, "status": "draft"},
        **changes,
    }
    return {**payload, "additionalInstructions": instructions} if instructions else payload


def record(**changes: Any) -> OrganizationRecord:
    """The organization; `changes` replace keys of its analysis."""
    return OrganizationRecord(SITE, {**ANALYSIS, **changes}, tuple(CallToAction(*call) for call in CALLS))


def brief(title: str = TITLE, *, known: OrganizationRecord | None = None, **parts: Any) -> Brief:
    """A brief with or without an organization; `parts` as of `content_payload`."""
    return brief_of(content_payload(title, **parts), known)
