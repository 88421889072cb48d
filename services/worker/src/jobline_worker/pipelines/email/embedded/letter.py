"""The parts of a letter: where it greets, where it signs off, and in which language it is written."""

from __future__ import annotations

import re

from jobline_worker.pipelines.email.embedded.placeholders import Mark
from jobline_worker.providers.person_names import folded_words

__all__ = ["address_by_name", "body_span", "greets_before", "is_greeting_line", "is_subject_line", "language"]

_GREETING = (
    r"(?:dear|hello|hi|hey|greetings|good (?:morning|afternoon|evening|day)|sehr geehrte[rs]?|liebe[rs]?|hallo|"
    r"guten (?:tag|morgen|abend))"
)
_GREETING_LINE = re.compile(rf"[ \t]*{_GREETING}\b[^\n.!?]{{0,120}}[,!.:]?[ \t]*", re.IGNORECASE)
_NAMELESS = re.compile(
    rf"(?P<greeting>[ \t]*{_GREETING})(?P<who>(?: (?:there|all|everyone|sir or madam|sir|madam|"
    rf"damen und herren)| {Mark.UNKNOWN})?)(?P<title>(?: (?:professor|prof\.|dr\.|doctor))?)(?=[ \t]*[,!.:]|[ \t]*$)",
    re.IGNORECASE | re.MULTILINE,
)
_SUBJECT = re.compile(r"[ \t]*(?:subject|betreff|re)[ \t]*:", re.IGNORECASE)
_SIGN_OFF = re.compile(
    r"[ \t]*(?:(?:with )?(?:my |many )?(?:very )?(?:kind|best|warm|warmest|kindest)(?: (?:regards|wishes))?|regards|"
    r"(?:yours )?(?:sincerely|faithfully|truly)(?: yours)?|yours|cheers|thanks|thank you|many thanks|respectfully|"
    r"mit (?:freundlichen|besten|herzlichen) gr(?:ü|ue)(?:ß|ss)en|(?:viele|liebe|beste|herzliche) gr(?:ü|ue)(?:ß|ss)e)"
    r"[ \t]*[,.!]?[ \t]*",
    re.IGNORECASE,
)
_MOST_SIGNATURE_LINES = 6

_ENGLISH = frozenset(
    folded_words("the and i you your is of my would am dear hi hello hey loved work this that are be have please with")
)
_GERMAN = frozenset(
    folded_words("ich und der die das sie ihre ihren ihrer ihr ist mit zu von über für eine einen sehr geehrte hallo")
)
_OTHERS = frozenset(
    folded_words(
        "je vous votre vos et les est monsieur madame estimado el los su una por para ik het een uw gentile la"
    )
)


def language(text: str) -> str:
    """`en`, `de`, or `other`, by the most frequent small words; English when a text has none of them."""
    words = folded_words(text)
    german = sum(word in _GERMAN for word in words)
    english = sum(word in _ENGLISH for word in words)
    others = sum(word in _OTHERS for word in words)
    if max(german, others) <= english:
        return "en"
    return "de" if german >= others else "other"


def is_subject_line(line: str) -> bool:
    return _SUBJECT.match(line) is not None


def is_greeting_line(line: str) -> bool:
    """Whether a line does nothing but greet."""
    return _GREETING_LINE.fullmatch(line) is not None


def body_span(text: str) -> tuple[int, int]:
    """Where the body begins (behind subject and greeting lines) and ends (before sign-off and signature)."""
    lines = text.split("\n")
    first = 0
    while first < len(lines) and (
        not lines[first].strip() or is_subject_line(lines[first]) or is_greeting_line(lines[first])
    ):
        first += 1
    last = len(lines)
    for index in range(max(first, len(lines) - _MOST_SIGNATURE_LINES), len(lines)):
        if _SIGN_OFF.fullmatch(lines[index]) and index > 0:
            last = index
            break
    start = sum(len(line) + 1 for line in lines[:first])
    end = sum(len(line) + 1 for line in lines[:last]) - 1
    return min(start, len(text)), max(min(start, len(text)), end)


def address_by_name(text: str, name: str) -> str:
    """The marked text with the recipient's name in it: where it greets nobody, the greeting gets the name."""
    if Mark.NAME in text or (name and name.casefold() in text.casefold()):
        return text
    if Mark.LAST_NAME in text:
        return text
    if Mark.FIRST_NAME in text:
        # A first name alone would leave the letter without the full name that the recipient was submitted with.
        return text.replace(Mark.FIRST_NAME, Mark.NAME, 1)
    start = next((m.start() for m in re.finditer(r"^(?!\s*$).", text, re.MULTILINE) if not _is_subject_at(text, m)), 0)
    greeted = _NAMELESS.match(text, start)
    if greeted:
        return f"{text[:start]}{greeted['greeting']}{greeted['title']} {Mark.NAME}{text[greeted.end() :]}"
    hello = "Guten Tag" if language(text) == "de" else "Dear"
    return f"{text[:start]}{hello} {Mark.NAME},\n\n{text[start:]}"


def _is_subject_at(text: str, line_start: re.Match[str]) -> bool:
    return _SUBJECT.match(text, line_start.start()) is not None


def greets_before(text: str, position: int) -> bool:
    """Whether the line of a position greets before it."""
    line_start = text.rfind("\n", 0, position) + 1
    return re.match(rf"[ \t]*{_GREETING}\b[^\n,.!?]*$", text[line_start:position], re.IGNORECASE) is not None
