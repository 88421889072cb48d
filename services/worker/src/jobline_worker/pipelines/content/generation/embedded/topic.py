"""What a title asks for: its form (a how-to, a choice, a list …) and its subject as words that fit into sentences.

English titles are read by their first words; a verb becomes a gerund, so that "How to choose a dentist" gives "choosing a
dentist". Whatever cannot be read that way is quoted, in any script.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from itertools import pairwise

from jobline_worker.pipelines.content.generation.brief import UNTITLED, Brief
from jobline_worker.pipelines.content.page.language import language_of
from jobline_worker.providers.passages import word_stems

__all__ = ["Topic", "is_readable", "lower_first", "read_topic", "upper_first"]

_LIST_NOUN = "tips|ways|reasons|mistakes|ideas|things|steps|questions|signs|benefits|rules|habits|lessons|pitfalls"
_LIST = re.compile(
    r"(?:the )?(?P<count>\d{1,2}|two|three|four|five|six|seven|eight|nine|ten)\s+(?:[\w-]+\s+){0,2}?"
    rf"(?P<noun>{_LIST_NOUN})\b"
    r"(?:\s+(?:people|you|companies|businesses)\s+make)?(?:\s+(?:for|of|about|on|in|when|with|that|to))?\s+(?P<rest>.+)",
    re.IGNORECASE,
)
_NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}
_LABEL = re.compile(r"case study|behind the scenes|interview|news|opinion|q&a|part \w+|checklist|guide", re.IGNORECASE)
_GUIDE_FOR = re.compile(r"(?:an?|the|your)?\s*(?:[\w'-]+\s+){0,3}?guide for (?P<rest>.+)", re.IGNORECASE)
_QUESTION = re.compile(
    r"(?:do|does|did|can|should|must|will) (?:I|you|we|they) (?:really )?\w+ (?P<rest>.+?)\??$", re.IGNORECASE
)
_VERSUS = re.compile(r"(?P<one>.+?) (?:vs\.?|versus|or) (?P<other>.+)", re.IGNORECASE)
_FOR_BEGINNERS = re.compile(
    r"\bfor beginners\b|\bbasics\b|\bfrom scratch\b|^(?:learn|understand)\b|\bgetting started\b", re.IGNORECASE
)
_COST = re.compile(
    r"(?:what|how much) (?:does|do|is|are|should|will|would) (?P<rest>.+?)(?: cost| be)?\??$", re.IGNORECASE
)
_HOW_TO = re.compile(r"how (?:to|do you|can you|do i|can i|you can|we) (?P<rest>.+)", re.IGNORECASE)
_HOW_OTHERS = re.compile(r"how (?P<who>[\w' -]{2,60}?) (?:can|should|could) (?P<rest>.+)", re.IGNORECASE)
_GUIDE_TO = re.compile(
    r"(?:an?|the|your)?\s*(?:[\w'-]+\s+){0,3}?(?:guide|introduction|intro|checklist) (?:to|on) (?P<rest>.+)",
    re.IGNORECASE,
)
_WHAT_IS = re.compile(r"what (?:is|are) (?P<rest>[^?]+)\??$", re.IGNORECASE)
_WHY = re.compile(
    r"why (?P<rest>.+?)(?: (?:matters?|counts?|is important|are important|works?|pays? off))?\??$", re.IGNORECASE
)
_CLAUSE = re.compile(r"(?:what|when|where|which|who) (?:to )?", re.IGNORECASE)
_FORM_WORDS = (
    ("mistakes", re.compile(r"\b(?:mistakes?|pitfalls?|errors)\b", re.IGNORECASE)),
    ("cost", re.compile(r"\b(?:costs?|prices?|pricing|budget(?:ing)?|fees?|how much)\b", re.IGNORECASE)),
    ("compare", re.compile(r"\bvs\b|\bversus\b|\bcompar(?:e|ed|ing|ison)\b|\bor\b[^?]+\?", re.IGNORECASE)),
    (
        "choose",
        re.compile(r"\b(?:choos\w+|pick(?:ing)?|select\w*|find(?:ing)?|buy(?:ing)?|best|look for)\b", re.IGNORECASE),
    ),
    ("why", re.compile(r"^why\b", re.IGNORECASE)),
    ("howto", re.compile(r"^how\b", re.IGNORECASE)),
)
_VERBS = frozenset(
    re.findall(
        r"\w+",
        """
        improve reduce plan build grow make get write find keep save boost increase manage create understand learn avoid stop
        start use set prepare choose handle master simplify automate protect measure organise organize run launch turn win
        cut bring pick compare book buy sell hire train care clean fix repair design develop lower prevent
        """,
    )
)
_DOUBLED = frozenset(
    re.findall(r"\w+", "plan run set get stop cut put begin win shop swap map ship trim let sit hit spin pin ban scan")
)
_CRAFTS = {
    "reducing": "reduce avoid stop cut prevent lower minimize minimise",
    "improving": "improve boost increase grow strengthen raise speed better master simplify automate",
    "making": "build create make write design launch start prepare plan develop set produce bake",
}
_BEFORE = re.compile(
    r"\s+(?:for|in|with|without|to|that|when|while|at|on|from|by|as|before|after|during|if|because|who|which|using|via|so|into)\s+.*",
    re.IGNORECASE,
)
_QUALIFIERS = re.compile(
    r"^(?:(?:the|an?|your|our|my|right|good|better|best|great|new|next|first|perfect|ideal|their|more)\s+)+",
    re.IGNORECASE,
)
_MOST_SUBJECT, _MOST_THING_WORDS, _MOST_KEYWORD_WORDS = 90, 6, 4


@dataclass(frozen=True)
class Topic:
    """`form` decides the sections, `craft` which advice fits the verb; `subject`, `thing` and `keyword` are noun phrases.

    "How to choose a good dentist in Leeds": choosing a good dentist in Leeds, a good dentist, dentist. A subject that does
    not fit into sentences `is_quoted`. `count` and `noun` are what a list's title promises, `7` and `ways`.
    """

    form: str
    subject: str
    thing: str
    keyword: str
    is_quoted: bool = False
    craft: str = "steps"
    count: int = 0
    noun: str = ""


def read_topic(brief: Brief) -> Topic:
    """Reads the brief's title; a keyword that the caller gave goes before one that is found, if the title has it."""
    title = _in_sentence_case(brief.title, _names(brief))
    main = _main_part(title)
    form, rest, is_verb = _form(main, title)
    words = rest.rstrip("?").strip()
    if _stays_quoted(brief, title, main, words):
        return Topic(form, f"“{main}”", "this topic", _keyword_of_quoted(brief, main), is_quoted=True)
    thing = _thing(words, is_verb=is_verb)
    list_of = _LIST.match(main)
    return Topic(
        form,
        _subject(form, main, words, is_verb=is_verb),
        thing,
        _given(brief) or _keyword(thing),
        craft=_craft(words) if is_verb else "learning" if _FOR_BEGINNERS.search(main) else "steps",
        count=_NUMBERS.get(list_of["count"].lower()) or int(list_of["count"]) if list_of else 0,
        noun=list_of["noun"].lower() if list_of else "",
    )


def upper_first(text: str) -> str:
    return text[:1].upper() + text[1:]


def lower_first(text: str) -> str:
    """The text as it stands inside of a sentence: names in capitals and "I" stay."""
    first = text.split(" ", 1)[0]
    is_name = any(letter.isupper() for letter in first[1:]) or first in ("I", "I'm")
    return text if is_name else text[:1].lower() + text[1:]


def _main_part(title: str) -> str:
    """What stands before a colon, a dash or a second sentence, or behind a mere label."""
    parts = re.split(r":\s|\s[–—|-]\s|\?\s", title, maxsplit=1)
    main = parts[1] if len(parts) > 1 and _LABEL.fullmatch(parts[0]) else parts[0]
    return main.strip(" .!") + ("?" if main is parts[0] and f"{main}? " in title else "")


def _stays_quoted(brief: Brief, title: str, main: str, words: str) -> bool:
    """Whether the title is in another language, a name, a question that no rule reads, or too long for a sentence."""
    names = {name.casefold() for name in (*brief.subjects, *brief.phrases)}
    is_question = words == main.rstrip("?").strip() and main.endswith("?")
    is_choice = _VERSUS.fullmatch(words) is not None
    is_strange = not is_readable(title) or brief.title == UNTITLED or main.casefold() in names
    return is_strange or (is_question and not is_choice) or len(words) > _MOST_SUBJECT


def _keyword_of_quoted(brief: Brief, main: str) -> str:
    question = _QUESTION.match(main)
    words = _thing(question["rest"], is_verb=False) if question else lower_first(main.rstrip("?"))
    is_short = len(words.split()) <= _MOST_KEYWORD_WORDS
    return (
        _given(brief)
        or (_keyword(words) if is_short else "")
        or lower_first(next(iter(brief.keywords), ""))
        or main[:60]
    )


def _form(main: str, title: str) -> tuple[str, str, bool]:
    """The form, what the title is about, and whether that begins with a verb."""
    if found := _LIST.match(main):
        rest = found["rest"]
        return "list", rest, _begins_with_verb(rest)
    form = next((form for form, pattern in _FORM_WORDS if pattern.search(title)), "guide")
    if form == "cost" and (found := _COST.match(main)):
        return form, found["rest"], False
    if found := _GUIDE_FOR.match(main):
        return form, f"what matters to {found['rest']}", False
    for pattern in (_HOW_TO, _HOW_OTHERS):
        if found := pattern.match(main):
            return form, found["rest"], True
    for pattern, otherwise in ((_WHAT_IS, "guide"), (_WHY, "why"), (_GUIDE_TO, form)):
        if found := pattern.match(main):
            rest = found["rest"]
            return otherwise, rest, _begins_with_verb(rest)
    return form, main, _begins_with_verb(main)


def _begins_with_verb(text: str) -> bool:
    return text.split(" ", 1)[0].lower() in _VERBS and " " in text


def _craft(text: str) -> str:
    verb = text.split(" ", 1)[0].lower()
    return next((craft for craft, verbs in _CRAFTS.items() if verb in verbs.split()), "steps")


def _gerund(text: str) -> str:
    verb, _, rest = text.partition(" ")
    verb = verb.lower()
    if verb in _DOUBLED:
        form = f"{verb}{verb[-1]}ing"
    elif verb.endswith("ie"):
        form = f"{verb[:-2]}ying"
    elif verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")) and verb != "be":
        form = f"{verb[:-1]}ing"
    else:
        form = verb if verb.endswith("ing") else f"{verb}ing"
    return f"{form} {rest}".strip()


def _given(brief: Brief) -> str:
    """The first keyword of the caller that the title has."""
    title = f" {' '.join(word_stems(brief.title))} "
    usable = (word for word in brief.keywords if f" {' '.join(word_stems(word))} " in title)
    return lower_first(next(usable, ""))


def _subject(form: str, main: str, words: str, *, is_verb: bool) -> str:
    """The whole of what the title is about."""
    if form == "cost" and _COST.match(main):
        return f"the cost of {words}"
    if found := _VERSUS.fullmatch(words.rstrip("?")):
        return f"the choice between {lower_first(found['one'])} and {found['other']}"
    return lower_first(_gerund(words) if is_verb else words)


def _thing(words: str, *, is_verb: bool) -> str:
    """The first noun phrase: without the verb, up to the first preposition."""
    phrase = words.partition(" ")[2] if is_verb and " " in words else words
    gerund, _, after = phrase.partition(" ")
    if gerund.lower().endswith("ing") and _QUALIFIERS.match(f"{after} "):
        phrase = after
    if phrase.startswith("what matters to "):
        return phrase
    short = _BEFORE.sub("", _CLAUSE.sub("", phrase)).strip(" ,.;") or phrase
    return lower_first(" ".join(short.split()[:_MOST_THING_WORDS]).strip(" ,.;“”")) or lower_first(words)


def _keyword(thing: str) -> str:
    """The thing without what qualifies it: what people search for."""
    bare = _QUALIFIERS.sub("", thing.removeprefix("what matters to "), count=1)
    return " ".join(bare.split()[:_MOST_KEYWORD_WORDS]) or thing


def _names(brief: Brief) -> frozenset[str]:
    """Words that are written with a capital inside of a sentence somewhere: names, as far as one can tell."""
    said = " ".join([brief.description, *brief.notes])
    return frozenset([*brief.business_name.split(), *re.findall(r"(?<=[a-zà-ÿ,] )[A-ZÀ-Þ][\w'-]+", said)])


def _in_sentence_case(title: str, names: frozenset[str]) -> str:
    """A Title In Capitals is brought back to a sentence; one that is a sentence already stays."""
    words = title.split()
    long = [word for word in words[1:] if len(word) > 3 and word[0].isalpha()]
    if len(long) < 2 or sum(word[0].isupper() for word in long) < len(long):
        return title
    return " ".join([words[0], *(_lowered(word, before, names) for before, word in pairwise(words))])


def _lowered(word: str, before: str, names: frozenset[str]) -> str:
    is_place = before.lower() in ("in", "near", "from") and not word.endswith("s")
    parts = re.split("[-/]", word)
    is_name = word.strip(".,:;?!") in names or any(letter.isupper() for part in parts for letter in part[1:])
    is_name = is_name or before.endswith((":", "?"))
    return word if is_name or is_place or word == "I" else word.lower()


def is_readable(title: str) -> bool:
    """Whether the rules of this module, which are made for English, may be tried on a title."""
    return _is_latin(title) and language_of(title) in ("", "en")


def _is_latin(text: str) -> bool:
    letters = [letter for letter in text if letter.isalpha()]
    return bool(letters) and 10 * sum("LATIN" in unicodedata.name(letter, "") for letter in letters) >= 9 * len(letters)
