"""What a reader sees of a page, in page order: blocks of text, links and buttons, forms, and where they stand.

One walk over the tree, without recursion and with bounds, so that no page can make it slow or large.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from lxml import etree
from lxml.html import HtmlElement

from jobline_worker.pipelines.content.page.addresses import web_address, web_or_contact_address
from jobline_worker.pipelines.content.page.controls import asked_for, is_interactive, looks_like_button, submits
from jobline_worker.pipelines.content.page.facts import Form, Link
from jobline_worker.pipelines.content.page.placement import HEADER, MAIN, NAVIGATION, Hero, Place
from jobline_worker.pipelines.content.page.text import clean

__all__ = ["Block", "Structure", "read_structure"]

MAX_ELEMENTS, MAX_BLOCKS, MAX_LINKS, MAX_FORMS, MAX_FIELDS = 20_000, 1_000, 500, 30, 30
#: Characters of a block, and of a link.
MAX_BLOCK, MAX_LABEL = 1_000, 160
#: A block of at least so many links, which make up this share of it, is a menu.
_MENU_LINKS, _MENU_LINKED = 4, 0.9
#: Characters that are collected of one block or link before they are cleaned.
_ROOM = 4_000

_BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "div", "dl",
    "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header",
    "hr", "li", "main", "nav", "ol", "p", "pre", "section", "summary", "table", "tbody", "tfoot", "thead", "tr",
    "ul",
})  # fmt: skip
#: They may say where they stand without an attribute.
_PLACING = frozenset({"main", "article", "section", "blockquote", "figure", "nav", "aside", "header", "footer"})
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_LEVELS = tuple("123456")
#: Their text is not the page's: it names a field, or is a choice or an entry in it.
_LABELS = frozenset({"label", "legend"})
_FIELDS = frozenset({"select", "textarea", "option", "optgroup", "output", "progress", "meter"})


@dataclass(frozen=True)
class Block:
    """A run of text between two block-level tags.

    `tag` is the innermost one around it (thead for a row of column titles), `level` the heading's or 0. `linked` is the
    share of its letters that belong to links in it (a link around the whole block does not count).
    """

    text: str
    tag: str
    level: int
    placement: str
    linked: float
    in_form: bool


@dataclass(frozen=True)
class Structure:
    blocks: tuple[Block, ...]
    links: tuple[Link, ...]
    forms: tuple[Form, ...]


def read_structure(root: HtmlElement, hides: Callable[[HtmlElement], bool], base: str) -> Structure:
    """`hides` says what readers do not see; `base` is what relative addresses are relative to."""
    body = root.find("body")
    walk = _Walk(base)
    walk.over(body if body is not None else root, hides)
    return Structure(tuple(walk.blocks), tuple(dict.fromkeys(walk.links)), tuple(walk.forms))


@dataclass(frozen=True)
class _Frame:
    """What an open element means for the text in it: where it stands, in which block, under which heading level."""

    place: Place = field(default_factory=Place)
    tag: str = "body"
    level: int = 0

    def inside(self, element: HtmlElement) -> _Frame:
        tag = element.tag
        place = self.place.inside(element) if element.attrib or tag in _PLACING else self.place
        if tag in _BLOCKS:
            return _Frame(place, tag, _HEADINGS.get(tag) or _spoken_level(element) or self.level)
        return self if place is self.place else _Frame(place, self.tag, self.level)


@dataclass
class _Text:
    """Text on the way: its pieces, how many letters they have, how many of those are a link's; cells of a table."""

    pieces: list[str] = field(default_factory=list)
    length: int = 0
    letters: int = 0
    linked: int = 0
    cells: list[str] = field(default_factory=list)

    def add(self, piece: str, in_link: bool = False) -> None:
        if self.length < _ROOM:
            self.pieces.append(piece[:_ROOM])
            letters = sum(map(str.isalnum, piece[:_ROOM]))
            self.length += len(piece)
            self.letters += letters
            self.linked += letters if in_link else 0

    def cleaned(self, limit: int) -> str:
        return clean("".join(self.pieces), limit)


@dataclass
class _OpenLink:
    element: HtmlElement
    place: str
    is_button: bool
    text: _Text = field(default_factory=_Text)
    #: The words of a picture, which stand for a text that there is not.
    pictured: str = ""
    #: Whether a block has ended inside of it.
    wraps_blocks: bool = False


@dataclass
class _OpenForm:
    element: HtmlElement
    place: str
    fields: list[str]
    submit: str = ""
    heading: str = ""


class _Walk:
    def __init__(self, base: str) -> None:
        self.blocks: list[Block] = []
        self.links: list[Link] = []
        self.forms: list[Form] = []
        self._base = base
        self._text = _Text()
        self._frame = _Frame()
        self._link: _OpenLink | None = None
        self._form: _OpenForm | None = None
        self._hero = Hero()
        self._heading = ""
        self._row = 0
        self._label: HtmlElement | None = None

    def over(self, body: HtmlElement, hides: Callable[[HtmlElement], bool]) -> None:
        events = etree.iterwalk(body, events=("start", "end"))
        frames, hidden, count = [_Frame()], False, 0
        for event, element in events:
            if event == "start":
                frames.append(frames[-1].inside(element) if element is not body else frames[-1])
                count += 1
                hidden = element is not body and hides(element)  # scripts show a body that is hidden at first
                if not hidden:
                    self._enter(element, frames[-1])
                if hidden or element.tag in _FIELDS:
                    events.skip_subtree()  # its end is the next event
            else:
                frames.pop()
                if not hidden:
                    self._leave(element)
                hidden = False
                self._say(element.tail, frames[-1])
            if count >= MAX_ELEMENTS:
                break
        self._flush()

    def _enter(self, element: HtmlElement, frame: _Frame) -> None:
        tag = element.tag
        if tag in _BLOCKS:
            self._flush()
            if tag in _HEADINGS:
                self._hero.heading(frame.level, frame.place.name)
        elif tag in ("br", "td", "th"):
            self._say(" ", frame)
            self._text.cells.append(tag)
        elif tag == "img" and self._link and not self._link.pictured:
            self._link.pictured = clean(element.get("alt", "")[:_ROOM], MAX_LABEL)
        place = self._hero.place(frame.place.name)
        self._notice_form(element, place)
        if is_interactive(element):
            self._open_link(element, place)
        if tag in _LABELS and self._label is None:
            self._label = element
        if tag not in _FIELDS:
            self._say(element.text, frame)

    def _leave(self, element: HtmlElement) -> None:
        if self._link and element is self._link.element:
            self._close_link(self._link)
            self._link = None
        if element is self._label:
            self._label = None
        if element.tag in _BLOCKS:
            self._flush()
        if self._form and element is self._form.element:
            self._close_form(self._form)
            self._form = None

    def _say(self, text: str | None, frame: _Frame) -> None:
        if text and self._label is None:
            if not self._text.letters:
                self._frame = frame
            self._text.add(text, in_link=self._link is not None and not self._link.wraps_blocks)
            if self._link:
                self._link.text.add(text)

    def _flush(self) -> None:
        """Ends a block. Inside a link that goes on, the end of a block separates words."""
        collected, self._text = self._text, _Text()
        if self._link:
            self._link.text.add(" ")
            self._link.wraps_blocks = True
        text = collected.cleaned(MAX_BLOCK)
        if not text or len(self.blocks) >= MAX_BLOCKS:
            return
        frame = self._frame
        if frame.level:
            self._heading = text
        place = self._hero.place(frame.place.name)
        linked = collected.linked / max(collected.letters, 1)
        tag = "thead" if collected.cells.count("th") == len(collected.cells) > 1 else frame.tag
        self.blocks.append(Block(text, tag, frame.level, place, linked, self._form is not None))
        if not frame.level:
            self._hero.content(len(text), frame.place.name)
        self._notice_menu(linked)

    def _notice_menu(self, linked: float) -> None:
        """A row of short links above the first heading is the navigation, though no element says so."""
        row, self._row = self.links[self._row :], len(self.links)
        if self._heading or linked < _MENU_LINKED or len(row) < _MENU_LINKS:
            return
        if all(link.placement in (MAIN, HEADER) and link.kind == "link" for link in row):
            self.links[-len(row) :] = [replace(link, placement=NAVIGATION) for link in row]

    def _notice_form(self, element: HtmlElement, place: str) -> None:
        if element.tag == "form" and self._form is None:
            searches = ["search"] if element.get("role") == "search" else []
            self._form = _OpenForm(element, place, searches, heading=self._heading)
        elif element.tag in ("input", "select", "textarea") and self._form and len(self._form.fields) < MAX_FIELDS:
            self._form.fields.extend(asked_for(element))

    def _open_link(self, element: HtmlElement, place: str) -> None:
        is_button = looks_like_button(element)
        if self._link is None:
            self._link = _OpenLink(element, place, is_button)
        elif is_button:
            self._link.is_button = True

    def _close_link(self, link: _OpenLink) -> None:
        element = link.element
        said = (link.text.cleaned(MAX_LABEL), link.pictured, *map(element.get, ("value", "aria-label", "title", "alt")))
        text = next((cleaned for cleaned in (clean((each or "")[:_ROOM], MAX_LABEL) for each in said) if cleaned), "")
        if self._form and not self._form.submit and submits(element):
            self._form.submit = text
        elif text and len(self.links) < MAX_LINKS:
            href = element.get("href", "") if element.tag == "a" else ""
            address = "" if href.strip() in ("", "#") else web_or_contact_address(self._base, href)
            self.links.append(Link(text, address, link.place, "button" if link.is_button else "link"))

    def _close_form(self, form: _OpenForm) -> None:
        if (form.fields or form.submit) and len(self.forms) < MAX_FORMS:
            action = web_address(self._base, form.element.get("action", ""))
            fields = tuple(dict.fromkeys(form.fields))[:MAX_FIELDS]
            self.forms.append(Form(form.place, action, fields, form.submit or form.heading))


def _spoken_level(element: HtmlElement) -> int:
    """The level of what is made a heading for screen readers, or 0."""
    level = element.get("aria-level", "2")
    return int(level) if element.get("role") == "heading" and level in _LEVELS else 0
