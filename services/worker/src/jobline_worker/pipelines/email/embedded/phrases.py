"""The interest as a phrase that fits into the middle of a sentence.

People submit "Machine Learning", "her work on CLU" or two whole sentences; the template says "your work on {{topic}}".
"""

from __future__ import annotations

import re

from jobline_worker.pipelines.email.embedded.placeholders import clean
from jobline_worker.providers.person_names import folded_words

__all__ = ["interest_phrase", "safe_value", "with_article"]

_LONGEST = 150
_LEAD = re.compile(
    r"(?:(?:i am|i'm|we are)[ ]+)?(?:(?:very|really|especially|deeply)[ ]+)?interested[ ]+in[ ]+|"
    r"(?:(?:his|her|their|your|the)[ ]+)?(?:(?:recent|early|pioneering|groundbreaking)[ ]+)?(?:works?|research|studies|"
    r"papers?|publications?|books?|writings?|contributions?|field|area|study|history of the field)[ ]+"
    r"(?:on|in|about|into|of|to)[ ]+(?:the[ ]+(?:field|area)[ ]+of[ ]+)?",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?][ ]+(?=[A-Z])|[;\n]")
_PLACEHOLDER_MARKS = re.compile(r"[{}]|\[(?=\s*(?:INSERT|YOUR))", re.IGNORECASE)
_TITLE_CASE = re.compile(r"[A-Z][a-z]+|[A-Z]{6,}")
# Words of field names that are common nouns; a word of the found pages written small counts as one, too.
_COMMON = frozenset(
    folded_words(
        "machine deep learning reinforcement computer science vision natural language processing artificial intelligence "
        "neural networks network distributed systems system software engineering data structures algorithms algorithm "
        "theory quantum computing physics chemistry biology genetics genomics medicine protein folding structure design "
        "history philosophy psychology economics mathematics statistics causal inference robotics security cryptography "
        "programming languages evolution climate change health education literature art music politics and of the in "
        "for on to human cognitive developmental molecular cell ancient modern applied"
    )
)


def safe_value(value: str) -> str:
    """A submitted value on one line, without the braces and brackets that make a placeholder; otherwise as it is."""
    return _PLACEHOLDER_MARKS.sub("", " ".join(clean(value).split())).strip()


def interest_phrase(interest: str, evidence: str) -> str:
    """The interest as a noun phrase: its first sentence, without lead-in and end point, in lower case where it may be.

    `evidence` is the found text; a capitalised word that stands there in small letters is written small.
    """
    phrase = _SENTENCE_END.split(safe_value(interest), maxsplit=1)[0]
    phrase = _LEAD.sub("", phrase, count=1) if _LEAD.match(phrase) else phrase
    phrase = _shortened(phrase).strip(" .,;:!?")
    small = _COMMON | set(re.findall(r"\b[a-z]+\b", evidence))
    words = [_uncapitalised(word, small) for word in phrase.split(" ")]
    return " ".join(words) or safe_value(interest)[:_LONGEST]


def with_article(phrase: str, article: str) -> str:
    """`a` or `an` as the phrase wants it, with the capital of the article that the template has."""
    is_vowel = re.match(r"(?:[aeiou](?!ni[^n]|se|ti|ne|ro)|un(?!i)|[FHLMNRSX](?=[A-Z]{1,4}\b))", phrase, re.IGNORECASE)
    starts_loud = is_vowel and (phrase[0].lower() in "aeiou" or phrase[:2].isupper())
    return article[0] + ("n" if starts_loud else "")


def _shortened(phrase: str) -> str:
    if len(phrase) <= _LONGEST:
        return phrase
    cut = phrase[:_LONGEST]
    return cut[: cut.rfind(",")] if "," in cut[40:] else cut[: cut.rfind(" ")] if " " in cut else cut


def _uncapitalised(word: str, small: frozenset[str] | set[str]) -> str:
    parts = word.split("-")
    lowered = [part.lower() if _TITLE_CASE.fullmatch(part) and part.lower() in small else part for part in parts]
    return "-".join(lowered)
