"""Sentences that tell the recipient what was found about them, in the language of the template."""

from __future__ import annotations

from dataclasses import dataclass

from jobline_worker.pipelines.email.embedded.material import Fact, Material, Work
from jobline_worker.pipelines.email.embedded.retelling import quoted

__all__ = ["Statement", "closing", "statements"]

_TOLD_ASIDE = "I read that {}."
_TOLD = ("I was especially interested to read that {}.", "I also read that {}.", "I have also learned that {}.")
_QUOTED = (
    "One sentence about your work stayed with me: {}",
    "I also noted this sentence: {}",
    "I found one more sentence worth noting: {}",
)
_QUOTED_GERMAN = ("In einer Quelle las ich den Satz: {}", "Dort steht auch: {}")

_CLOSING = {
    "en": (
        "I would be glad to learn more about {} from you. Thank you very much for your time.",
        "I would be glad to learn more about {} from you, and to hear what you would recommend to somebody who wants to "
        "understand it better. I know that your time is limited, so even a short reply or a pointer to something worth "
        "reading would mean a lot to me. Thank you very much for reading this message.",
    ),
    "de": (
        "Über eine kurze Antwort würde ich mich sehr freuen. Vielen Dank fürs Lesen.",
        "Gern möchte ich mehr über {} erfahren, und ich wüsste gern, was für einen guten Einstieg zu empfehlen ist. Schon "
        "eine kurze Antwort oder ein Hinweis auf etwas Lesenswertes würde mir sehr helfen. Vielen Dank fürs Lesen und "
        "für die Zeit.",
    ),
}


@dataclass(frozen=True)
class Statement:
    """One sentence for the letter, and whether what it says has to do with the interest."""

    text: str
    fits: bool


def statements(material: Material, language: str, used_titles: frozenset[str]) -> list[Statement]:
    """One sentence per fact, the best first, and one for a work that the letter does not name yet.

    A paper found on arXiv comes second, another work behind the facts that fit.
    """
    facts = [Statement(_fact(fact, index, language), fact.fit > 0) for index, fact in enumerate(material.facts)]
    said = " ".join(fact.sentence for fact in material.facts[:3])
    work = next((work for work in material.works if work.title not in said and work.title not in used_titles), None)
    if work is None or language == "other" or (facts and work.fit <= 0):
        return facts
    place = max(1, 1 if work.on_arxiv else sum(fact.fits for fact in facts))
    return [*facts[:place], Statement(_work(work, language), work.fit > 0), *facts[place:]]


def closing(language: str, level: int) -> str:
    """A courteous last paragraph with `{}` for the interest: level 1 short, 2 longer; "" where we lack the language."""
    texts = _CLOSING.get(language, ())
    return texts[min(level, len(texts)) - 1] if level and texts else ""


def _fact(fact: Fact, index: int, language: str) -> str:
    if language == "en" and fact.clause:
        opening = _TOLD_ASIDE if index == 0 and fact.fit <= 0 else _TOLD[min(index, len(_TOLD) - 1)]
        return opening.format(fact.clause)
    if language == "de":
        return _QUOTED_GERMAN[min(index, 1)].format(quoted(fact.sentence, "„“"))
    quotation = quoted(fact.sentence)
    return _QUOTED[min(index, len(_QUOTED) - 1)].format(quotation) if language == "en" else quotation


def _work(work: Work, language: str) -> str:
    title = f"“{work.title}” ({work.year})"
    if language == "de":
        return f"Gefunden habe ich auch {title}."
    if work.on_arxiv:
        return f"On arXiv I also found {title} under your name."
    return f"Among the works listed under your name I also noticed {title}."
