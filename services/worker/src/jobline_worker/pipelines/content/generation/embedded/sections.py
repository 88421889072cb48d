"""The sections of a post. Each is built from the craft, a field or the brief; one that would be empty is left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from jobline_worker.pipelines.content.generation.brief import Brief, SiteLink
from jobline_worker.pipelines.content.generation.embedded.craft import (
    Advice,
    Field,
    advice,
    any_field,
    field_of,
    sentences_for,
)
from jobline_worker.pipelines.content.generation.embedded.topic import Topic, read_topic, upper_first
from jobline_worker.pipelines.content.generation.embedded.wishes import Wishes, read_wishes
from jobline_worker.pipelines.content.generation.embedded.wording import Wording, enumeration, sentence
from jobline_worker.providers.passages import sentences

__all__ = ["Desk", "Section", "opening", "section"]

_FIRST_PERSON = re.compile(r"\b(?:we|our|ours|us|I|my|mine|wir|uns|unsere?\w?|ich|meine?\w?)\b", re.IGNORECASE)
_MOST_SAID, _FEWEST_SAID, _LONGEST_SAID = 3, 4, 260


@dataclass(frozen=True)
class Section:
    """A heading and its blocks of markdown; `points` is what it says in short."""

    heading: str
    blocks: tuple[str, ...]
    points: tuple[str, ...]

    @property
    def markdown(self) -> str:
        return "\n\n".join((f"## {self.heading}", *self.blocks))


class Desk:
    """All there is to write one post: the brief, how its topic reads, the field it belongs to, and what is wished for."""

    def __init__(self, brief: Brief) -> None:
        self.brief = brief
        self.topic: Topic = read_topic(brief)
        self.wishes: Wishes = read_wishes(brief)
        fitting = field_of(brief)
        self.has_field = fitting is not None
        self.field: Field = fitting or any_field()
        self.said = [phrase for phrase in brief.phrases if _is_statement(phrase)]
        self.say = Wording(brief, self.topic, self.field.help, is_casual=self.wishes.is_casual)

    def items(self, items: Sequence[Advice], *, as_headings: bool) -> Iterator[str]:
        """Items as sections of their own, or as a list."""
        if as_headings and not self.wishes.bullets:
            for label, text in items:
                yield f"### {self.say(label)}"
                yield self.say(text)
        else:
            yield "\n".join(f"- **{self.say(label)}:** {self.say(text)}" for label, text in items)


def opening(desk: Desk, promise: str) -> list[str]:
    """The paragraphs before the first section; `promise` tells what follows."""
    brief, say = desk.brief, desk.say
    of_quoted = "opening_of_question" if "?" in desk.topic.subject else "opening_of_name"
    first = say.one_of(sentences_for(of_quoted if desk.topic.is_quoted else "opening"))
    heard = [f"Perhaps you have asked it yourself: “{phrase}”" for phrase in brief.phrases if phrase.endswith("?")][:1]
    notes = [upper_first(sentence(note)) for note in brief.notes[:2]]
    below = [say(f"Below you will find {promise}.")] if promise else []
    return [" ".join([first, *heard]), *([" ".join(notes)] if notes else []), *below]


def section(name: str, desk: Desk) -> Section | None:
    """The section of that name for this desk; None if there is nothing to put into it."""
    built = _SECTIONS[name](desk)
    return replace(built, heading=upper_first(built.heading)) if built else None


def _is_statement(phrase: str) -> bool:
    return phrase.endswith((".", "!")) and len(phrase.split()) >= _FEWEST_SAID


def _said(desk: Desk) -> Section | None:
    """Sentences that came with the topic, such as a website analysis takes from the page that the topic was found on."""
    said = desk.said[:_MOST_SAID] if desk.has_field else desk.said
    quotes = "\n".join(f"- “{phrase.strip('“”')}”" for phrase in said)
    return Section("in plain words", ("What it comes down to:", quotes), tuple(said)) if said else None


def _prepare(desk: Desk) -> Section:
    say = desk.say
    things = [upper_first(thing) for thing in desk.field.prepare]
    before = "A little preparation goes a long way. Before you turn to {help}, have three things at hand:"
    after = (
        "It does not have to be complete. What counts is that you have looked at your own situation before others do."
    )
    return Section(
        "before you start", (say(before), "\n".join(f"- {thing}" for thing in things), say(after)), tuple(things)
    )


def _steps(desk: Desk) -> Section:
    return _section(desk, "{Subject}, step by step", "", advice(desk.topic.craft)[:6], as_headings=True)


def _first_steps(desk: Desk) -> Section:
    before = "With {thing}, a good beginning is small and definite:"
    return _section(desk, "How to begin", before, advice("steps")[:4], as_headings=False)


def _mistakes(desk: Desk) -> Section:
    is_choice = desk.topic.form in ("choose", "cost", "compare")
    part = "choosing_mistakes" if is_choice else "learning_mistakes" if desk.topic.craft == "learning" else "mistakes"
    before = "When something goes wrong with {subject}, bad luck is rarely the cause. These come up again and again:"
    return _section(desk, "Mistakes that are easy to avoid", before, advice(part)[:4], as_headings=False)


def _all_mistakes(desk: Desk) -> Section:
    return _section(desk, "What goes wrong with {thing}, and why", "", advice("mistakes"), as_headings=True)


def _reasons(desk: Desk) -> Section:
    items = desk.field.reasons or advice("reasons")[:3]
    return _section(desk, "Why it is worth looking into {thing}", "", items, as_headings=desk.topic.form == "why")


def _cost(desk: Desk) -> Section:
    return _section(desk, "What the price of {thing} depends on", "", advice("cost"), as_headings=True)


def _comparing(desk: Desk) -> Section:
    main = desk.topic.form == "compare"
    before = "" if main else "Whatever you compare, compare it in the same way:"
    items = advice("comparing") if main else advice("comparing")[:3]
    return _section(desk, "How to compare fairly", before, items, as_headings=main)


def _criteria(desk: Desk) -> Section:
    if desk.topic.form == "choose":
        return _section(desk, "What to look for in {thing}", "", desk.field.criteria, as_headings=True)
    before = "If you look for {help}, these points tell you more than any promise:"
    return _section(desk, "What to look for in {help}", before, desk.field.criteria[:3], as_headings=False)


def _questions(desk: Desk) -> Section:
    answers = tuple(f"**{question}**\n{desk.say(answer)}" for question, answer in desk.field.questions)
    return Section("Questions that come up", answers, tuple(question for question, _ in desk.field.questions))


def _wished(desk: Desk) -> Section | None:
    """Terms that the caller wants in the text and that nothing else brings in."""
    terms = desk.wishes.include
    if not terms:
        return None
    text = desk.say("Keep these in view as well, and note for each what it means for {subject}:")
    return Section(
        "What else belongs to it", (text, "\n".join(f"- {upper_first(term)}" for term in terms)), tuple(terms)
    )


def _business(desk: Desk) -> Section | None:
    """What the brief says of the business, in its words, and nothing else."""
    brief, say = desk.brief, desk.say
    name = brief.business_name or brief.host
    said = [each for each in sentences(brief.description) if len(each) <= _LONGEST_SAID][:_MOST_SAID]
    blocks = []
    if said:
        blocks.append(_told(name, said))
    if brief.subjects:
        blocks.append(f"Its own pages say more about {enumeration([f'“{subject}”' for subject in brief.subjects])}.")
    if not name or not blocks:
        return None
    blocks.append(_invitation(desk, [link for link in brief.links if link.url]))
    return Section(say("How {name} can help"), tuple(blocks), (f"What {name} says of itself", *brief.subjects[:3]))


def _told(name: str, said: Sequence[str]) -> str:
    text = " ".join(map(sentence, said))
    return f"In the words of {name}: “{text.strip('“”')}”" if _FIRST_PERSON.search(text) and "“" not in text else text


def _invitation(desk: Desk, links: Sequence[SiteLink]) -> str:
    text = "Whether that fits your situation is best found out in person: bring your notes, and ask what matters most to you."
    pages = [f"[{link.text}]({link.url})" for link in links[1:4]]
    return f"{desk.say(text)} Good places to look next: {enumeration(pages)}." if pages else desk.say(text)


def _next(desk: Desk) -> Section:
    closing = desk.say.one_of(sentences_for("closing_of_quoted" if desk.topic.is_quoted else "closing"))
    call = next((link for link in desk.brief.links if link.url), None)
    blocks = [closing]
    if call and desk.wishes.calls:
        blocks.append(f"**Ready for the next step?** [{call.text}]({call.url})")
    return Section("Your next step", tuple(blocks), ("One point, one date",))


def _section(desk: Desk, heading: str, before: str, items: Sequence[Advice], *, as_headings: bool) -> Section:
    blocks = [desk.say(before)] if before else []
    blocks += desk.items(items, as_headings=as_headings)
    return Section(desk.say(heading), tuple(blocks), tuple(desk.say(label) for label, _ in items))


_SECTIONS: Mapping[str, Callable[[Desk], Section | None]] = {
    "said": _said,
    "prepare": _prepare,
    "steps": _steps,
    "first_steps": _first_steps,
    "mistakes": _mistakes,
    "all_mistakes": _all_mistakes,
    "reasons": _reasons,
    "cost": _cost,
    "comparing": _comparing,
    "criteria": _criteria,
    "questions": _questions,
    "wished": _wished,
    "business": _business,
    "next": _next,
}
