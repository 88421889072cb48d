"""From a brief to a plan and a text: which sections a topic's form calls for, and how much of them the wishes allow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from jobline_worker.pipelines.content.generation.brief import Brief
from jobline_worker.pipelines.content.generation.embedded.craft import Advice, advice
from jobline_worker.pipelines.content.generation.embedded.sections import Desk, Section, opening, section
from jobline_worker.pipelines.content.generation.embedded.topic import Topic, is_readable
from jobline_worker.pipelines.content.generation.embedded.wording import enumeration
from jobline_worker.pipelines.content.generation.markdown_text import read_markdown
from jobline_worker.providers.passages import split_keeping_spaces
from jobline_worker.providers.person_names import folded_words

__all__ = ["Plan", "plan_of"]

_FORMS = {
    "choose": ("prepare", "criteria", "comparing", "questions", "mistakes"),
    "howto": ("prepare", "steps", "mistakes", "criteria"),
    "cost": ("cost", "comparing", "questions", "mistakes"),
    "compare": ("comparing", "prepare", "criteria", "mistakes"),
    "mistakes": ("all_mistakes", "first_steps", "criteria"),
    "why": ("reasons", "prepare", "first_steps", "mistakes", "criteria", "questions"),
    "guide": ("reasons", "prepare", "steps", "mistakes", "criteria", "comparing", "questions"),
    "list": ("list", "mistakes", "criteria"),
}
#: What a section would only repeat, or say too generally.
_LEFT_OUT = {
    ("why", True): {"first_steps", "mistakes"},
    ("guide", False): {"reasons"},
}
_FIRST, _LAST = ("said",), ("wished", "business", "next")
#: What a section adds to the promise of the post.
_PROMISES = {
    "prepare": "what to have ready",
    "criteria": "what to look for",
    "comparing": "how to compare fairly",
    "questions": "which questions come up",
    "mistakes": "which mistakes to avoid",
    "steps": "how to go about it step by step",
    "cost": "what the price depends on",
    "all_mistakes": "which mistakes are common and why",
    "first_steps": "how to begin",
    "reasons": "why it is worth your time",
    "list": "practical points to go through one by one",
    "said": "what it is about",
}
#: These belong to a field; where none fits the topic, they would only fill space.
_NEEDS_A_FIELD = frozenset({"prepare", "criteria", "questions"})
_LIST_CRAFTS = {
    "mistakes": "mistakes",
    "pitfalls": "mistakes",
    "signs": "mistakes",
    "reasons": "reasons",
    "benefits": "reasons",
}
#: What a text that must be short gives up first.
_DISPENSABLE = ("questions", "mistakes", "criteria", "prepare", "reasons", "first_steps", "comparing")


@dataclass(frozen=True)
class Plan:
    """A post as it will be written; `promise` tells what it covers, `notes` what of the wishes it does not keep."""

    title: str
    topic: Topic
    promise: str
    opening: tuple[str, ...]
    sections: tuple[Section, ...]
    notes: tuple[str, ...] = ()

    @property
    def markdown(self) -> str:
        return "\n\n".join((f"# {self.title}", *self.opening, *(part.markdown for part in self.sections)))


def plan_of(brief: Brief) -> Plan:
    """The plan for a brief, always the same."""
    desk = Desk(brief)
    names = list(_names(desk))
    plan = _planned(desk, names)
    for dispensable in _DISPENSABLE:
        if not desk.wishes.most_words or _words(plan) <= desk.wishes.most_words:
            break
        names = [name for name in names if name != dispensable]
        plan = _planned(desk, names)
    plan = _without(plan, desk.wishes.avoid)
    return replace(plan, notes=(*desk.wishes.notes(), *_unkept(plan, desk)))


def _planned(desk: Desk, names: Sequence[str]) -> Plan:
    parts = {name: list(_parts(name, desk)) for name in names}
    promise = enumeration([_PROMISES[name] for name in names if name in _PROMISES and parts[name]][:4])
    sections = [part for name in names for part in parts[name]]
    return Plan(desk.brief.title, desk.topic, promise, tuple(opening(desk, promise)), tuple(sections))


def _names(desk: Desk) -> Iterator[str]:
    form, wishes = desk.topic.form, desk.wishes
    names = [*_FIRST, *_FORMS[form], *(["questions"] if wishes.faq and "questions" not in _FORMS[form] else []), *_LAST]
    for name in names:
        is_main = (form, name) == ("choose", "criteria") or (wishes.faq and name == "questions")
        if (desk.has_field or is_main or name not in _NEEDS_A_FIELD) and name not in _left_out(desk):
            yield name


def _left_out(desk: Desk) -> Iterator[str]:
    """What the other sections of this post say better, or what does not fit its topic."""
    topic = desk.topic
    yield from _LEFT_OUT.get((topic.form, desk.has_field), ())
    if _LIST_CRAFTS.get(topic.noun) == "mistakes":
        yield "mistakes"
    if topic.is_quoted and (desk.has_field or len(desk.said) > 1):
        yield from ("steps", "mistakes")
    if topic.form == "guide" and not (topic.is_quoted and desk.has_field):
        yield "comparing"


def _parts(name: str, desk: Desk) -> Iterator[Section]:
    if name == "list":
        yield from _list_sections(desk)
    elif part := section(name, desk):
        yield part


def _list_sections(desk: Desk) -> Iterator[Section]:
    """One section an item, as many as the title promises and there are."""
    for number, (label, text) in enumerate(_list_items(desk), start=1):
        yield Section(f"{number}. {desk.say(label)}", (desk.say(text),), (desk.say(label),))


def _list_items(desk: Desk) -> Sequence[Advice]:
    """Warnings for a list of mistakes, reasons for one of reasons, else steps; then what is left, the field's own last."""
    first = _LIST_CRAFTS.get(desk.topic.noun, "steps")
    parts = [first] if first != "steps" else dict.fromkeys([desk.topic.craft, "steps", "comparing"])
    return [item for part in parts for item in advice(part)][: desk.topic.count]


def _without(plan: Plan, terms: Sequence[str]) -> Plan:
    """Without the sentences of the writer's own that hold one of the terms."""
    if not terms:
        return plan
    cleaned = [replace(part, blocks=tuple(_cleaned(part.blocks, terms))) for part in plan.sections]
    return replace(
        plan,
        opening=tuple(_cleaned(plan.opening, terms)),
        sections=tuple(part for part in cleaned if part.blocks and not _holds(part.heading, terms)),
    )


def _cleaned(blocks: Sequence[str], terms: Sequence[str]) -> Iterator[str]:
    for block in blocks:
        if not _holds(block, terms):
            yield block
        elif block.startswith("- "):
            lines = [line for line in block.split("\n") if not _holds(line, terms)]
            if lines:
                yield "\n".join(lines)
        elif not block.startswith("#"):
            kept = "".join(each for each in split_keeping_spaces(block) if not _holds(each, terms)).strip()
            if kept:
                yield kept


def _holds(text: str, terms: Sequence[str]) -> bool:
    """Whether the words of one of the terms stand in the text, one after the other."""
    said = f" {' '.join(folded_words(text))} "
    return any(f" {' '.join(folded_words(term))} " in said for term in terms)


def _words(plan: Plan) -> int:
    return read_markdown(plan.markdown).words


def _unkept(plan: Plan, desk: Desk) -> Iterator[str]:
    """What turned out not to be possible."""
    if not is_readable(plan.title):
        yield "The title is not in English; the embedded writer only writes English."
    words = _words(plan)
    wishes, topic = desk.wishes, desk.topic
    if wishes.most_words and words > wishes.most_words:
        yield f"The text has {words} words, more than the {wishes.most_words} that were asked for."
    if wishes.least_words and words < wishes.least_words:
        yield f"The text has {words} words, fewer than the {wishes.least_words} that were asked for."
    items = sum(part.heading[:1].isdigit() for part in plan.sections)
    if topic.form == "list" and items < topic.count:
        yield f"The title promises {topic.count} items, the text has {items}: add your own, or change the title."
    for term in wishes.avoid:
        if _holds(plan.markdown, [term]):
            yield f"“{term}” could not be avoided: the title has it."
