"""How a page speaks: counted, not felt.

Direct: it says "you" (German "Sie", "du") in at least one sentence of four. Personal: it says "we" or "I" as often. Lively:
one sentence of ten is an exclamation. Asking: one of ten is a question. Concise: at most 13 words a sentence on average;
detailed: more than 20.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from jobline_worker.pipelines.content.analysis.embedded.quotes import quoted

__all__ = ["brand_voice"]

_READER = re.compile(r"\b(?:you|your|yours|(?-i:Sie|Ihnen|Ihre?[mnrs]?)|du|dich|dir|deine?[mnrs]?)\b", re.IGNORECASE)
_WRITER = re.compile(
    r"\b(?:we|our|us|(?-i:I|I['’]m|I['’]ve)|my|wir|uns|unsere?[mnrs]?|ich|meine?[mnrs]?)\b", re.IGNORECASE
)


def brand_voice(said: Sequence[str]) -> str:
    """From the page's sentences to two or three words and the counts behind them."""
    if not said:
        return "Not to be told: the page has no full sentences"
    addressing = [sentence for sentence in said if _READER.search(sentence)]
    own = [sentence for sentence in said if _WRITER.search(sentence)]
    average = sum(len(sentence.split()) for sentence in said) / len(said)
    tones = list(_tones(said, len(addressing), len(own), average)) or ["factual"]
    counts = (
        f"of {len(said)} sentences {len(addressing)} address the reader and {len(own)} speak of the writers; "
        f"{average:.0f} words a sentence"
    )
    example = min(addressing or own or said, key=lambda sentence: abs(len(sentence) - 80))
    return f"{', '.join(tones)} ({counts}), as in {quoted(example, 160)}"


def _tones(said: Sequence[str], addressing: int, own: int, average: float) -> Iterator[str]:
    if 4 * addressing >= len(said):
        yield "direct"
    if 4 * own >= len(said):
        yield "personal"
    if not addressing and not own:
        yield "matter-of-fact"
    if 10 * sum(sentence.endswith("!") for sentence in said) >= len(said):
        yield "lively"
    if 10 * sum(sentence.endswith("?") for sentence in said) >= len(said):
        yield "asking"
    if average <= 13:
        yield "concise"
    elif average > 20:
        yield "detailed"
