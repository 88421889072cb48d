"""What a markdown text consists of, and what it may not: the parser's view, not that of a pattern."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from typing import Any
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

from jobline_worker.pipelines.content.generation.brief import host_of

__all__ = ["MarkdownText", "TextLink", "faults_of", "has_image_placeholders", "is_own_address", "read_markdown"]

#: Followed by a word at most: what has an address is an image.
_PLACEHOLDER = re.compile(r"!\[IMAGE:[^\]\n]*\](?:\(\w*\)|(?![(\[]))")
_BARE_ADDRESS = re.compile(r"(?:\b[a-z][a-z0-9+.-]*://|\bwww\.)[^\s<>)\]]+", re.IGNORECASE)
#: Some browsers read it as a slash, and `/\\host` as another host.
_BACKSLASH = re.compile(r"\\|%5c", re.IGNORECASE)
#: Of a path the first part has no colon (RFC 3986, section 4.2), unless it hides a scheme: browsers drop `%09` and the like.
_SCHEME = re.compile(r"[^/?#]*:")
_WORD = re.compile(r"\w[\w'’\-]*")


@dataclass(frozen=True)
class TextLink:
    """A link, and the heading that it stands below."""

    text: str
    url: str
    section: str


@dataclass(frozen=True)
class MarkdownText:
    """The parts of a text: `headings` as (level, words), `paragraphs` without markup, `sections` as their word counts,
    `definitions` the addresses that are given a name, which an image placeholder may be."""

    headings: tuple[tuple[int, str], ...]
    paragraphs: tuple[str, ...]
    links: tuple[TextLink, ...]
    sections: tuple[int, ...]
    definitions: tuple[str, ...]
    has_html: bool
    has_images: bool

    @property
    def words(self) -> int:
        """Words outside of headings."""
        return sum(self.sections)


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    # By default `[x](javascript:…)` is read as words; whoever shows the text may read it as the link that it is.
    parser.validateLink = lambda url: True  # type: ignore[method-assign]
    return parser


@lru_cache(maxsize=64)
def read_markdown(text: str) -> MarkdownText:
    """Reads any text; image placeholders are left out."""
    names: dict[str, Any] = {}
    tokens = _parser().parse(_PLACEHOLDER.sub("", text), names)
    headings: list[tuple[int, str]] = []
    paragraphs: list[str] = []
    sections = [0]
    links: list[TextLink] = []
    for opening, token in zip([None, *tokens], tokens, strict=False):
        if token.type != "inline":
            continue
        words = _words(token)
        if opening is not None and opening.type == "heading_open":
            headings.append((int(opening.tag[1]), words))
            sections.append(0)
        else:
            paragraphs.append(words)
            sections[-1] += len(_WORD.findall(words))
        links.extend(_links(token, words, headings[-1][1] if headings else ""))
    inner = [child for token in tokens for child in (token.children or [])]
    return MarkdownText(
        tuple(headings),
        tuple(filter(None, paragraphs)),
        tuple(links),
        tuple(sections),
        tuple(str(definition["href"]) for definition in names.get("references", {}).values()),
        any(token.type in ("html_block", "html_inline") for token in (*tokens, *inner)),
        any(token.type == "image" for token in inner),
    )


def faults_of(text: str, host: str, *, placeholders: bool) -> list[str]:
    """What such a text may not have, in sentences that its writer can act on; [] for a good one.

    Links lead to `host` or are paths on it; markup is markdown's alone. Image placeholders only where they are wanted.
    """
    read = read_markdown(text)
    top = [level for level, _ in read.headings if level == 1]
    addresses = [*(link.url for link in read.links), *read.definitions]
    checks = {
        "it contains HTML; use markdown only": read.has_html,
        "it must begin with one heading '# …', and have no other of that level": len(top) != 1
        or not text.startswith("# "),
        "it must have at least two sections with a heading '## …'": sum(level == 2 for level, _ in read.headings) < 2,
        "it contains a link to somewhere else than the business's own site; leave such links out": not all(
            is_own_address(address, host) for address in addresses
        ),
        "it contains an image; leave images out": read.has_images,
        "it contains image placeholders, which are not wanted": has_image_placeholders(text) and not placeholders,
    }
    return [complaint for complaint, broken in checks.items() if broken]


def has_image_placeholders(text: str) -> bool:
    """Whether it holds `![IMAGE:…]`."""
    return "![IMAGE:" in text


def _words(token: Token) -> str:
    parts = (" " if child.type in ("softbreak", "hardbreak") else child.content for child in token.children or [])
    return " ".join("".join(parts).split())


def _links(token: Token, words: str, section: str) -> Iterator[TextLink]:
    """Links, and the bare addresses that many renderers make links of."""
    children = token.children or []
    for place, child in enumerate(children):
        if child.type == "link_open":
            text = "".join(inner.content for inner in _until_close(children[place + 1 :]))
            yield TextLink(text, str(child.attrGet("href") or ""), section)
    for found in _BARE_ADDRESS.findall(words):
        yield TextLink(found, found.rstrip(".,;:!?"), section)


def _until_close(children: Sequence[Token]) -> Iterator[Token]:
    return takewhile(lambda child: child.type != "link_close", children)


def is_own_address(link: str, host: str) -> bool:
    """Whether it is a path, or an http(s) address on `host`."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return False
    if not parts.scheme and not parts.netloc:
        return not link.lower().startswith("www.") and not _BACKSLASH.search(link) and not _SCHEME.match(link)
    return bool(host) and parts.scheme in ("http", "https") and host_of(link) == host
