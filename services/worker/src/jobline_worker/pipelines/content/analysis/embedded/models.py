"""How a business earns its money, as far as its page shows it: each model has words by which a page gives it away."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jobline_worker.pipelines.content.analysis.embedded.data import table
from jobline_worker.pipelines.content.analysis.embedded.kinds import Kind
from jobline_worker.pipelines.content.analysis.embedded.quotes import is_fit, quoted
from jobline_worker.providers.passages import sentences

__all__ = ["NOT_STATED", "business_model"]

NOT_STATED = "Not stated: the page names no price, subscription, booking or donation"

_PRICE = r"(?:[£$€]\s?\d[\d.,]{0,15}|\d[\d.,]{0,15}\s?(?:€|euro|eur|gbp|usd|pounds|dollars))"
_AT_A_PRICE = "sales at a price"
_SIGNALS = {
    name: re.compile("|".join(signs).replace("{price}", _PRICE), re.IGNORECASE)
    for name, signs in table("models")["signals"].items()
}

#: What a kind's usual models count more than others, in matches.
_USUAL = 3
_MOST_COUNTED = 3


def business_model(kind: Kind, texts: Sequence[str]) -> str:
    """The model with the most signs on the page and the words that show it, `subscription: “…”`; or NOT_STATED."""
    found = {name: [text for text in texts if pattern.search(text)] for name, pattern in _SIGNALS.items()}
    found = {name: hits for name, hits in found.items() if hits}
    if not found:
        return NOT_STATED
    points = {name: min(len(hits), _MOST_COUNTED) + _USUAL * (name in kind.models) for name, hits in found.items()}
    # A price alone tells nothing more than what is usual for the kind.
    points[_AT_A_PRICE] = 0
    best = max(points, key=points.__getitem__)
    shown = _evidence(_SIGNALS[best], found.get(best, []))
    named = kind.models[0] if best == _AT_A_PRICE and kind.models else best
    return f"{named}: {shown}" if shown else named


def _evidence(pattern: re.Pattern[str], texts: Sequence[str]) -> str:
    """The sentence that shows it: one with a price in it before others, a short one before a long one."""
    said = [sentence for text in texts for sentence in sentences(text) if pattern.search(sentence) and is_fit(sentence)]
    priced = [sentence for sentence in said if re.search(_PRICE, sentence, re.IGNORECASE)]
    return quoted(min(priced or said, key=lambda sentence: abs(len(sentence) - 60)), 160) if said else ""
