"""From the text of up to six pages to one text of at most 3000 characters in three parts.

    BACKGROUND
    - a sentence about the person
    RECENT PUBLICATIONS & WORKS
    - a sentence about what they wrote
    SOURCES
    - https://…

Which sentences count, and where they belong, `digest` decides. More raw text than 30 000 characters is first cut into
chunks that are digested one by one, so that one long page cannot push the others out. A page that never names the
person is not about them and is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from jobline_worker.pipelines.email.digest import digest
from jobline_worker.providers.person_names import folded_words, last_word

__all__ = ["MAX_CONTENT", "NO_INFORMATION", "Source", "publications_first", "scraped_content"]

MAX_CONTENT = 3000
MAX_RAW_TEXT = 30_000
CHUNK = 10_000
NO_INFORMATION = "No information found for this professor."

_BACKGROUND, _WORKS, _SOURCES = "BACKGROUND", "RECENT PUBLICATIONS & WORKS", "SOURCES"
_MAX_SOURCES_PART = 900
_MAX_LINE, _MAX_LINES = 300, 3
_PUBLICATION = re.compile(
    r"arxiv|doi\.org|scholar|dblp|pubmed|ncbi|acm\.org|ieee|springer|nature\.com|science|jstor|publication|proceedings"
    r"|journal|paper|book|thesis|preprint|bibliograph|\.pdf",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Source:
    """One page, or the search snippet that stands in for it."""

    url: str
    title: str
    text: str


def scraped_content(sources: Sequence[Source], name: str, interest: str) -> tuple[str, list[str]]:
    """The content and the addresses it comes from; NO_INFORMATION and no address when no source names the person."""
    about = [source for source in sources if source.text.strip() and _mentions(f"{source.title}\n{source.text}", name)]
    if not about:
        return NO_INFORMATION, []
    background, works = _digest(_condensed(about, name, interest), name, interest)
    if not background and not works:
        background = list(_lines_with(about, name))
    urls = list(dict.fromkeys(source.url for source in publications_first(about)))
    sources_part = _part(_SOURCES, urls, _MAX_SOURCES_PART)
    room = MAX_CONTENT - len(sources_part) - 2
    # Each part may take what the other one leaves.
    works_part = _part(_WORKS, works, room // 2)
    background_part = _part(_BACKGROUND, background, room - len(works_part))
    works_part = _part(_WORKS, works, room - len(background_part))
    return "\n".join((background_part, works_part, sources_part)), urls


def publications_first(sources: Sequence[Source]) -> list[Source]:
    """The same sources, those that look like publications or lists of them before the others."""
    return sorted(sources, key=lambda source: not _PUBLICATION.search(f"{source.url} {source.title}"))


def _mentions(text: str, name: str) -> bool:
    wanted = folded_words(last_word(name))
    return bool(wanted) and set(wanted) <= set(folded_words(text))


def _lines_with(sources: Sequence[Source], name: str) -> Iterator[str]:
    """The lines that name the person: all there is where the digest finds no sentence, as in most search snippets."""
    for source in sources:
        lines = [line for line in source.text.splitlines() if _mentions(line, name)] or [source.text]
        yield from (line[:_MAX_LINE] for line in lines[:_MAX_LINES])


def _digest(sources: Sequence[Source], name: str, interest: str) -> tuple[list[str], list[str]]:
    background, works = digest([(source.url, source.title, source.text) for source in sources], name, interest)
    return list(background), list(works)


def _condensed(sources: Sequence[Source], name: str, interest: str) -> list[Source]:
    """The sources as they are while they are short together, else each replaced by the digest of its chunks."""
    if sum(len(source.text) for source in sources) <= MAX_RAW_TEXT:
        return list(sources)
    condensed = []
    for source in sources:
        kept: list[str] = []
        for chunk in _chunks(source.text):
            # The name in the title: a page that names the person once is about them in every chunk.
            part = replace(source, text=chunk, title=f"{source.title} {name}")
            background, works = _digest([part], name, interest)
            kept += background + works
        condensed.append(replace(source, text="\n".join(dict.fromkeys(kept))[: MAX_RAW_TEXT // len(sources)]))
    return condensed


def _chunks(text: str) -> Iterator[str]:
    """Pieces of at most CHUNK characters, cut after a line or a sentence where there is one."""
    while len(text) > CHUNK:
        cut = max(text.rfind("\n", CHUNK // 2, CHUNK), text.rfind(". ", CHUNK // 2, CHUNK)) + 1 or CHUNK
        yield text[:cut]
        text = text[cut:]
    yield text


def _part(title: str, items: Sequence[str], room: int) -> str:
    """A titled list of as many whole items as fit into `room` characters; a first item that is too long is cut."""
    part = title
    for item in items:
        line = f"\n- {' '.join(item.split())}"
        if len(part) + len(line) > room:
            if part == title and room > len(title) + 40:
                part += line[: room - len(part) - 1] + "…"
            break
        part += line
    return part
