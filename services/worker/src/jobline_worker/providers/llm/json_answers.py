"""Reads the JSON object out of a language model's answer, as models really send it.

Without an enforced schema, models wrap the object in a code fence or in a sentence. The first object in the text is
taken.
"""

from __future__ import annotations

import json
from typing import Any

__all__ = ["json_object"]


def json_object(text: str) -> dict[str, Any] | None:
    """The first JSON object in the text, None when there is none.

    A brace that begins none ("{name}") is passed over, with all that could be read after it: so each character is read
    once, and a part of a broken object is never taken for the whole.
    """
    decoder = json.JSONDecoder()
    start = text.find("{")
    while start >= 0:
        try:
            value, _ = decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            start = text.find("{", max(error.pos, start + 1))
        except RecursionError:
            return None
        else:
            return value if isinstance(value, dict) else None
    return None
