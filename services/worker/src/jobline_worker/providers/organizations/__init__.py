"""What is known about the organization that a job is for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from jobline.worker import Run

__all__ = ["CallToAction", "OrganizationRecord", "Organizations"]


@dataclass(frozen=True)
class CallToAction:
    """One call to action of the organization's page; `href` is absolute or empty."""

    text: str
    type: str
    href: str
    placement: str


@dataclass(frozen=True)
class OrganizationRecord:
    """The last analysis of an organization's website, and its calls to action, the best first.

    The analysis tells what a stranger's page says: its keys and texts may be anything.
    """

    website_url: str
    analysis: Mapping[str, Any]
    calls_to_action: tuple[CallToAction, ...]


class Organizations(Protocol):
    async def of(self, run: Run) -> OrganizationRecord | None:
        """The organization that the run's job names; None if it names none that exists.

        Raises TransientError or PermanentError, both with the code INTERNAL.
        """
        ...
