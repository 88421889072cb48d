"""One subject of a page for which somebody may come, and when two of them are the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from jobline_worker.pipelines.content.analysis.embedded.quotes import shortened
from jobline_worker.pipelines.content.analysis.embedded.roles import is_continuation
from jobline_worker.providers.passages import stems

__all__ = ["MAX_SHOWN", "Offer", "are_alike", "bare_people"]

#: Characters of a heading or of the words for people that are shown.
MAX_SHOWN = 90

_ABOUT_THE_WAY = re.compile(r"(?:how|why|what|where|when|our|so|this|these|wie|warum|was|unsere?)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Offer:
    """One subject: its heading, the whole sentences and the short items below it, and the people it names."""

    heading: str
    said: tuple[str, ...]
    items: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    #: Its heading is nothing but people.
    is_about_people: bool = False
    #: The sentence that tells what is wrong without it, empty if none does.
    trouble: str = ""
    #: For a page that says hardly anything: who may come to it all the same.
    angle: str = ""
    #: What puts it before others.
    worth: float = 0.0

    @property
    def is_continued(self) -> bool:
        """Whether the heading goes on from another: "From the fire", "To end"."""
        return is_continuation(self.heading)

    @property
    def is_about_the_way(self) -> bool:
        """Whether the heading says how or why something is done rather than what there is."""
        return _ABOUT_THE_WAY.match(self.heading) is not None

    @cached_property
    def stems(self) -> frozenset[str]:
        return stems(" ".join((self.heading, *self.said[:3], *self.items[:3])))

    @property
    def shown(self) -> str:
        """What it is called where it is shown, whatever its case."""
        return shortened(bare_people(self.heading) if self.is_about_people else self.heading, MAX_SHOWN).casefold()


def bare_people(heading: str) -> str:
    """`For families: swim together` as "families"."""
    return re.sub(r"^(?:for|für) ", "", heading.partition(":")[0].strip(), flags=re.IGNORECASE) or heading


def are_alike(one: Offer, other: Offer) -> bool:
    """Whether two say mostly the same: the same name, or more than half of the shorter one's words."""
    if one.shown == other.shown:
        return True
    fewer = min(len(one.stems), len(other.stems))
    return fewer > 0 and len(one.stems & other.stems) > fewer / 2
