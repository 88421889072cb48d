"""Durations as people write them in settings, policies and command lines."""

from __future__ import annotations

import re

__all__ = ["parse_duration"]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(text: str) -> float:
    """Seconds of a duration such as `250ms`, `30s`, `5m`, `1h` or `7d`. Raises ValueError for anything else."""
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError(f"expected a duration such as 250ms, 30s, 5m, 1h or 7d, got {text!r}")
    return float(match[1]) * _SECONDS[match[2]]
