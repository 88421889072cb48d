"""What a page says about itself: the words that every later step of the website analysis builds on.

Everything here is data from a stranger's page. It is plain text with its whitespace normalised, without control
characters, bounded in number and length, and it was visible to a reader of the page (links, headings, paragraphs) or
written by the page's owner for machines (description, keywords, OpenGraph, JSON-LD). It may still say anything at all,
instructions to a language model included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["BrandColors", "Form", "Heading", "Link", "PageFacts", "Section"]


@dataclass(frozen=True)
class Heading:
    """`level` is 1 to 6."""

    level: int
    text: str


@dataclass(frozen=True)
class Section:
    """A heading and the paragraphs up to the next one. What comes before the first heading has none, and level 0."""

    heading: str
    level: int
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Link:
    """A link or a button.

    `href` is an absolute http(s) address, a `tel:` or `mailto:` one, or empty (a button, or an address of another
    kind). `placement` is hero, navigation, header, main_content, sidebar or footer; `kind` is link or button, by what
    the element is or is dressed as.
    """

    text: str
    href: str
    placement: str
    kind: str


@dataclass(frozen=True)
class Form:
    """A form: where it sends (absolute http(s) or empty), its visible fields and the words on its button.

    `fields` holds what each field is about, lower case: its type where that says more than "text", else its name.
    """

    placement: str
    action: str
    fields: tuple[str, ...]
    submit: str


@dataclass(frozen=True)
class BrandColors:
    """Always filled, as `#rrggbb`: a quiet neutral palette where the page names no colours of its own."""

    primary: str
    secondary: str
    accent: str


@dataclass(frozen=True)
class PageFacts:
    """The facts of one page. Texts are empty where the page has none.

    `url` is the address it was read from in the end. `language` is a two-letter code ("en") or empty. `site_name` is
    never empty: what JSON-LD or OpenGraph say, else the part of the title that names the site, else the host.
    `paragraphs` are the main text and its list items in page order, `sections` the same below their headings.
    `open_graph` has the `og:` properties without that prefix, `structured` the page's JSON-LD objects, those of an
    `@graph` one by one.
    """

    url: str
    title: str
    description: str
    language: str
    site_name: str
    headings: tuple[Heading, ...]
    paragraphs: tuple[str, ...]
    sections: tuple[Section, ...]
    links: tuple[Link, ...]
    forms: tuple[Form, ...]
    colors: BrandColors
    keywords: tuple[str, ...]
    open_graph: Mapping[str, str]
    structured: tuple[Mapping[str, Any], ...]
