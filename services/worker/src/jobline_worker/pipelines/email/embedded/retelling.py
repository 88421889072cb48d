"""Tell the recipient a fact about themselves, grammatically or as a quotation.

A sentence of the form "{Name} designed …" or "{Name}'s book …" can be turned to "you designed …", "your book …" without
any knowledge of English beyond a list: past forms are the same in every person. As soon as anything else would have to
agree (a pronoun, a second finite verb, another mention of the name), the sentence is quoted word for word instead.
"""

from __future__ import annotations

import re

from jobline_worker.providers.person_names import PersonName, folded_words

__all__ = ["quoted", "retold"]

_ADVERB = r"(?:also|then|later|first|originally|independently|jointly|subsequently|recently|long)"
_IRREGULAR = (
    "wrote|led|won|gave|began|became|built|taught|held|spent|made|found|took|grew|put|set|left|brought|ran|drew|kept|"
    "chose|told|co-wrote|cowrote|came|went|got|saw|thought|fell|sought|brought|rose|spoke|stood|understood|did|had|broke|"
    "could|would|showed|read|met|hit|cut"
)
_AGREES = {"is": "are", "was": "were", "has": "have", "works": "work", "teaches": "teach", "studies": "study"} | {
    f"{verb}s": verb
    for verb in ("lead", "direct", "hold", "head", "argue", "write", "explore", "develop", "investigate")
}
_NOT_PAST = frozenset({"need", "feed", "seed", "bleed", "speed", "indeed", "red", "hundred", "weed", "breed"})
_REPORT = re.compile(
    rf"(?P<adverb>(?:{_ADVERB} )?)(?P<verb>[a-z][a-z-]*)(?P<rest>[ ,].+)\.",
)
_SINGLE_QUOTES = str.maketrans('“”„"', "‘’‘'")
_THIRD_PERSON = re.compile(r"\b(?:he|she|him|his|her|hers|himself|herself|they|their|them|themselves)\b", re.IGNORECASE)
_POSSESSIVE = re.compile(r"['’]s (?P<rest>[\w“\"].+)\.")
_SECOND_VERB = re.compile(
    rf"\b(?:and|but|or|then|also|now|still) (?:{_ADVERB} |now |still )?(?:{'|'.join(_AGREES)}|does)\b", re.IGNORECASE
)


def retold(sentence: str, person: PersonName) -> str | None:
    """The fact as a clause that can follow "I read that" ("you designed …"), or None if it must be quoted."""
    rest = _after_name(sentence, person)
    if rest is None or _mentions(rest, person) or _THIRD_PERSON.search(rest) or _SECOND_VERB.search(rest):
        return None
    possessive = _POSSESSIVE.fullmatch(rest)
    if possessive:
        return f"your {possessive['rest']}"
    report = _REPORT.fullmatch(rest.lstrip()) if rest.startswith(" ") else None
    verb = _second_person(report["verb"]) if report else None
    return f"you {report['adverb']}{verb}{report['rest']}" if report and verb else None


def quoted(sentence: str, marks: str = "“”") -> str:
    """The sentence between quotation marks, with those inside it turned to single ones."""
    inner = sentence.translate(_SINGLE_QUOTES)
    return f"{marks[0]}{inner}{marks[1]}"


def _after_name(sentence: str, person: PersonName) -> str | None:
    pronoun = re.match(r"(?:He|She)(?= )|(?P<own>His|Her)(?= )", sentence)
    if pronoun:
        return f"{'’s' if pronoun['own'] else ''}{sentence[pronoun.end() :]}"
    names = (f"{person.honorific} {person.bare}", person.bare, f"{person.first} {person.last}", person.last)
    for name in (" ".join(name.split()) for name in names):
        start, rest = sentence[: len(name)], sentence[len(name) :]
        if name and folded_words(start) == folded_words(name) and rest[:1] in {" ", "'", "’"}:
            return rest
    return None


def _mentions(text: str, person: PersonName) -> bool:
    last = folded_words(person.last)
    words = folded_words(text)
    return bool(last) and any(words[i : i + len(last)] == last for i in range(len(words)))


def _second_person(verb: str) -> str | None:
    """The verb's form after "you"; None if the word is not known to be a verb in a form that can be told."""
    if verb in _AGREES:
        return _AGREES[verb]
    is_past = re.fullmatch(rf"{_IRREGULAR}|[a-z-]{{2,}}ed", verb) is not None
    return verb if is_past and verb not in _NOT_PAST else None
