"""What a caller's instructions and brand voice ask for, as far as rules can read it.

What they cannot read is told, not guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from jobline_worker.pipelines.content.generation.brief import Brief
from jobline_worker.pipelines.content.generation.plain_text import plain

__all__ = ["Wishes", "read_wishes"]

_CASUAL = re.compile(
    r"\b(?:casual|friendly|informal|warm|playful|relaxed|lively|conversational|personal|approachable)\b", re.IGNORECASE
)
_FORMAL = re.compile(
    r"\b(?:formal|professional|serious|authoritative|matter-of-fact|factual|academic|business-like|neutral)\b",
    re.IGNORECASE,
)
#: Words of a voice that the writer has by itself.
_USUAL = re.compile(
    r"\b(?:clear|plain|simple|concise|direct|helpful|practical|honest|calm|informative|detailed)\b", re.IGNORECASE
)
_LANGUAGES = (
    "german|deutsch|french|français|spanish|español|italian|italiano|dutch|polish|portuguese|turkish|swedish|danish|chinese|"
    "japanese|arabic"
)
_LANGUAGE = re.compile(rf"\b(?:in|auf|en)\s+(?P<language>english|{_LANGUAGES})\b", re.IGNORECASE)
_LENGTH = re.compile(
    r"(?:(?P<least>at least|min(?:imum)?(?: of)?|over|(?<!no )more than)\s+)?(?P<words>\d{2,4})\s*words\b",
    re.IGNORECASE,
)
_SHORT = re.compile(r"\b(?:short|brief|concise)\b", re.IGNORECASE)
_BULLETS = re.compile(r"\bbullet(?:s|ed|[ -]points?)\b|\blists?\b", re.IGNORECASE)
_NO_CALL = re.compile(r"\b(?:no|without(?: a| any)?) (?:calls?[ -]to[ -]action|ctas?)\b", re.IGNORECASE)
_FAQ = re.compile(r"\bfaqs?\b|\bquestions and answers\b|\bq&a\b", re.IGNORECASE)
_AVOID = re.compile(
    r"\b(?:avoid|never|do not|don['’]t|without|not) (?:(?:using|use|mention(?:ing)?|say(?:ing)?|writ(?:e|ing)|talk about) )?"
    r"(?:the )?(?:(?:words?|phrases?|terms?|expressions?) )?(?P<what>.+)",
    re.IGNORECASE,
)
_INCLUDE = re.compile(
    r"\b(?:include|mention|use|add|refer to|talk about) (?:the )?(?:(?:words?|phrases?|keywords?|terms?) )?:?\s*(?P<what>.+)",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"(?<=[.!?])\s+|\n+|;\s*|,?\s+(?:and|but) (?=(?:avoid|do not|don['’]t|never|include|mention|use|keep|write|add)\b)"
)
_MARKUP = re.compile(r"[<>{}]|://|\bwww\.|\blinks?\b", re.IGNORECASE)
_QUOTED = re.compile(r"[“\"'‘]([^“”\"'‘’]{1,60})[”\"'’]")
_MOST_TERMS, _LONGEST_TERM, _MOST_UNREAD = 6, 4, 3
_SHORT_WORDS = 500


@dataclass
class Wishes:
    """`most_words` and `least_words` are 0 where nothing is said; `unread` are clauses that no rule understands."""

    is_casual: bool = False
    bullets: bool = False
    calls: bool = True
    faq: bool = False
    most_words: int = 0
    least_words: int = 0
    avoid: list[str] = field(default_factory=list)
    include: list[str] = field(default_factory=list)
    language: str = ""
    unread: list[str] = field(default_factory=list)

    def notes(self) -> list[str]:
        """What will not be kept, in sentences for the caller."""
        notes = []
        if self.language:
            notes.append(f"The instructions ask for {self.language}; the embedded writer only writes English.")
        notes += [
            f"The embedded writer could not follow this wish: “{clause}”" for clause in self.unread[:_MOST_UNREAD]
        ]
        return notes


def read_wishes(brief: Brief) -> Wishes:
    """Reads the instructions clause by clause, and the tone of the brand voice where they name none."""
    wishes = Wishes()
    tone = ""
    for clause in filter(None, map(str.strip, _CLAUSE.split(brief.instructions))):
        tone = _tone(clause) or tone
        if not _take(wishes, clause) and not _tone(clause):
            wishes.unread.append(plain(clause, 160))
    wishes.unread = list(filter(None, wishes.unread))
    voice = brief.voice.split("(")[0]
    wishes.is_casual = (tone or _tone(voice)) == "casual"
    if voice.strip() and not (_tone(voice) or _USUAL.search(voice)):
        wishes.unread.append(f"brand voice: {plain(voice, 80)}")
    return wishes


def _take(wishes: Wishes, clause: str) -> bool:
    """Notes what the clause asks for; whether it was understood."""
    taken = [_take_form(wishes, clause), _take_length(wishes, clause)]
    if any(taken):
        return True
    if found := _AVOID.search(clause):
        terms, target = _terms(found["what"]), wishes.avoid
    elif (found := _INCLUDE.search(clause)) and not _MARKUP.search(clause):
        terms, target = _terms(found["what"]), wishes.include
    else:
        return False
    target += [term for term in terms if term not in target][: _MOST_TERMS - len(target)]
    return bool(terms)


def _take_form(wishes: Wishes, clause: str) -> bool:
    found = _LANGUAGE.search(clause)
    if found and found["language"].lower() != "english":
        wishes.language = found["language"].capitalize()
    no_call, bullets, faq = (pattern.search(clause) for pattern in (_NO_CALL, _BULLETS, _FAQ))
    wishes.calls = wishes.calls and not no_call
    wishes.bullets = wishes.bullets or bool(bullets)
    wishes.faq = wishes.faq or bool(faq)
    return any((found, no_call, bullets, faq))


def _take_length(wishes: Wishes, clause: str) -> bool:
    found = _LENGTH.search(clause)
    if found and found["least"]:
        wishes.least_words = int(found["words"])
    elif found:
        wishes.most_words = int(found["words"])
    elif _SHORT.search(clause):
        wishes.most_words = wishes.most_words or _SHORT_WORDS
    else:
        return False
    return True


def _tone(text: str) -> str:
    return "casual" if _CASUAL.search(text) else "formal" if _FORMAL.search(text) else ""


def _terms(what: str) -> list[str]:
    """Terms in quotation marks, or else the short ones of an enumeration; [] if it reads like a sentence."""
    quoted = _QUOTED.findall(what)
    terms = quoted or re.split(r"\s*,\s*|\s+(?:or|and)\s+", what.strip(" .!"))
    kept = [plain(term, 60) for term in terms if 0 < len(term.split()) <= _LONGEST_TERM]
    return list(filter(None, kept)) if quoted or len(kept) == len(terms) else []
