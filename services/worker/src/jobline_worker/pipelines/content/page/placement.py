"""Where on a page something stands: hero, navigation, header, main_content, sidebar or footer.

Known from elements and roles first, then from the usual words in class names and ids. A header or footer inside the
content (of an article, a card) is content.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lxml.html import HtmlElement

__all__ = ["CENTRAL", "FOOTER", "HEADER", "HERO", "MAIN", "NAVIGATION", "SIDEBAR", "Hero", "Place"]

HERO, NAVIGATION, HEADER = "hero", "navigation", "header"
MAIN, SIDEBAR, FOOTER = "main_content", "sidebar", "footer"
#: Where a hero may be.
CENTRAL = (MAIN, HEADER, HERO)

#: A hero ends at the next heading after some content, or after so many characters of text.
MAX_HERO = 500
MAX_HEADINGS_IN_HERO = 3

_ROLES = {"navigation": NAVIGATION, "menubar": NAVIGATION, "complementary": SIDEBAR}
_OUTER_ROLES = {"banner": HEADER, "contentinfo": FOOTER}
_CONTENT_TAGS = frozenset({"main", "article", "section", "blockquote", "figure"})
_NAVIGATION = frozenset(
    {
        "nav",
        "navbar",
        "navigation",
        "topnav",
        "navlinks",
        "breadcrumb",
        "breadcrumbs",
        "pagination",
        "pager",
        "menubar",
        "navi",
    }
)
_MENU = re.compile(r"(?:main|mobile|primary|secondary|top|site|header|nav|footer|off-?canvas|hamburger)[-_]?menu", re.I)
_HERO = frozenset({"hero", "jumbotron", "masthead", "splash", "showcase"})
_SIDEBAR = frozenset({"sidebar", "sidenav"})
_FOOTER = frozenset({"footer", "colophon", "fuss", "fusszeile"})
_HEADER = frozenset({"header", "topbar", "kopf", "kopfzeile"})
#: Beside "sidebar" they name what has one.
_LAYOUT = frozenset({"has", "with", "no", "without", "layout", "page", "wrap"})
_CONTAINERS = frozenset(
    {"div", "section", "header", "footer", "aside", "nav", "ul", "ol", "table", "td", "center", "form"}
)
_WORDS = re.compile(r"[^a-zA-Z0-9]+|(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True)
class Place:
    """Where an element stands. `is_content` is true inside of what is content of its own (an article, a section)."""

    name: str = MAIN
    is_content: bool = False

    def inside(self, element: HtmlElement) -> Place:
        """The place of what stands in the element, which itself stands here."""
        if self.name in (NAVIGATION, FOOTER):
            return self
        name = self._named(element) or self.name
        if (element.tag, name) in (("main", HEADER), ("main", SIDEBAR), ("article", HEADER)):
            name = MAIN
        is_content = self.is_content or element.tag in _CONTENT_TAGS or element.get("role") == "main"
        return self if (name, is_content) == (self.name, self.is_content) else Place(name, is_content)

    def _named(self, element: HtmlElement) -> str | None:
        tag, role = element.tag, element.get("role", "").strip().lower()
        if tag == "nav" or tag == "aside":
            return NAVIGATION if tag == "nav" else SIDEBAR
        if role in _ROLES:
            return _ROLES[role]
        if not self.is_content and (tag in ("header", "footer") or role in _OUTER_ROLES):
            return self._by_words(element) or _OUTER_ROLES.get(role) or tag
        return self._by_words(element) if tag in _CONTAINERS else None

    def _by_words(self, element: HtmlElement) -> str | None:
        text = f"{element.get('class', '')[:300]} {element.get('id', '')[:100]}"
        words = {word.lower() for word in _WORDS.split(text)} if text != " " else None
        if not words:
            return None
        if words & _HERO:
            return HERO
        if words & _NAVIGATION or _MENU.search(text):
            return NAVIGATION
        if words & _SIDEBAR and not words & _LAYOUT:
            return SIDEBAR
        if self.is_content:
            return None
        return FOOTER if words & _FOOTER else HEADER if words & _HEADER and self.name != HERO else None


class Hero:
    """Where the hero is: from the first large heading to the next one after some content, or a screenful of text."""

    def __init__(self) -> None:
        self._room: int | None = None
        self._has_content = False
        self._headings_after = 0

    def heading(self, level: int, place: str) -> None:
        if self._room is None and level <= 2 and place in CENTRAL:
            self._room = MAX_HERO
        elif self._has_content:
            self._room = 0
            self._headings_after += 1

    def content(self, length: int, place: str) -> None:
        if self._room and place in CENTRAL:
            self._has_content = True
            self._room = max(self._room - length, 0)

    def place(self, place: str) -> str:
        """Where something that stands here stands. Far down the page, a class name makes no hero any more."""
        if self._room and place in CENTRAL:
            return HERO
        return MAIN if place == HERO and self._headings_after > MAX_HEADINGS_IN_HERO else place
