"""The one way in which a page's text becomes a fact: what a reader cannot see is dropped, whitespace is one space."""

from __future__ import annotations

import re

from jobline_worker.providers.storable import storable

__all__ = ["clean", "clipped"]

#: Control characters, soft hyphens, zero-width and bidirectional marks, and the "tag" characters that can hide a
#: message in what looks like nothing. The joiners of emoji and of Indic and Persian script stay.
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def clean(text: str, limit: int) -> str:
    """The text as a reader sees it, in at most `limit` characters, cut between two words where it is longer."""
    return clipped(" ".join(_UNSEEN.sub("", storable(text)).split()), limit)


def clipped(text: str, limit: int) -> str:
    """The text, or its longest beginning of whole words in `limit` characters."""
    if len(text) <= limit:
        return text
    head = text[: limit + 1]
    return (head[: head.rfind(" ")] if " " in head else head[:limit]).rstrip()
