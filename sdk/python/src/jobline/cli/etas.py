"""Estimates in few words: `~40s (≤ 2m)`, or why there is none."""

from __future__ import annotations

from jobline.cli.clock import span
from jobline.client import Eta

__all__ = ["eta_text", "short_eta"]

_REASONS = {
    "QUEUE_PAUSED": "unknown: the queue is paused",
    "NO_WORKER": "unknown: no connected worker takes it",
    "NO_HISTORY": "unknown: no run of its kind has ended yet",
}


def eta_text(eta: Eta | None) -> str:
    """How long until a job has ended: as likely sooner as later, and in brackets what nine of ten keep to; empty for none."""
    if eta is None:
        return ""
    if eta.p50 is None:
        return _REASONS.get(eta.reason, f"unknown: {eta.reason}")
    return short_eta(eta) if eta.p90 is None else f"{short_eta(eta)} (≤ {span(eta.p90)})"


def short_eta(eta: Eta | None) -> str:
    """For a column: `~40s`; empty where nothing is known."""
    return "" if eta is None or eta.p50 is None else f"~{span(eta.p50)}"
