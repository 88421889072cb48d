"""Reads the JSON object out of a language model's answer, as models really send it.

Without an enforced schema, models wrap the object in a code fence or in a sentence. The first object in the text is
taken.
"""

from __future__ import annotations

import json
from typing import Any

__all__ = ["json_object"]


def json_object(text: str) -> dict[str, Any] | None:
    """The first JSON object in the text, None when there is none."""
    start = text.find("{")
    if start < 0:
        return None
    try:
        value, _ = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
