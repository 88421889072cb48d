"""What a reader of a page does not see: scripts, hidden elements, screen-reader texts, cookie banners.

Hidden text is where instructions for machines are put, so it must never pass for what the page says. Styles are read
as far as the page itself holds them: `style` attributes, and `<style>` rules for one class or one id. Transparent text
counts as seen: pages fade their sections in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lxml.html import HtmlElement

from jobline_worker.pipelines.content.page.notices import is_cookie_notice
from jobline_worker.pipelines.content.page.styles import Declarations, Rule

__all__ = ["Visibility"]

_UNREAD = frozenset({
    "script", "style", "noscript", "template", "head", "title", "link", "meta", "base", "svg", "math", "canvas",
    "iframe", "frame", "frameset", "object", "embed", "applet", "audio", "video", "map", "datalist", "dialog",
    "rp",
})  # fmt: skip
_NAMED = re.compile(r"(?:^|\s)(?:sr-only|visually-?hidden|screen-reader-text|u-hidden|is-hidden)(?:\s|$)", re.I)
_SIMPLE_SELECTOR = re.compile(r"[a-z0-9]*([.#][\w-]+)", re.I)
_ZERO = re.compile(r"[-+]?0*\.?0*(?:px|em|rem|pt|%|vw|vh|ex|ch)?")
_FAR_AWAY = re.compile(r"-(?:999|\d{4,})(?:\.\d+)?(?:px|pt)|-\d{3,}(?:\.\d+)?(?:em|rem|vw|%)")
#: Only style attributes with one of these are worth parsing.
_TELLING = re.compile(r"display|visibility|font|left|right|top|indent|overflow|clip|\\", re.I)


class Visibility:
    """Asks of a page's elements whether they are seen. `rules` are those of its style sheets, in their order."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._hidden: set[str] = set()
        for rule in rules:
            for selector in rule.selectors:
                if match := _SIMPLE_SELECTOR.fullmatch(selector):
                    self._note(match[1], rule.declarations)

    def hides(self, element: HtmlElement) -> bool:
        """Whether the element, with all that is in it, is not for readers."""
        if element.tag in _UNREAD:
            return not (element.tag == "dialog" and "open" in element.attrib)
        if not element.attrib:
            return False
        if "hidden" in element.attrib or element.get("aria-hidden", "").strip().lower() == "true":
            return True
        style = element.get("style")
        if style and _TELLING.search(style) and _hiding(Declarations.parse(style)):
            return True
        return self._hidden_by_name(element) or is_cookie_notice(element)

    def _hidden_by_name(self, element: HtmlElement) -> bool:
        names, identifier = element.get("class", "")[:1000], element.get("id", "")[:200]
        if not names and not identifier:
            return False
        if _NAMED.search(names):
            return True
        if not self._hidden:
            return False
        return f"#{identifier}" in self._hidden or any(f".{name}" in self._hidden for name in names.split())

    def _note(self, selector: str, declarations: Declarations) -> None:
        """A later rule for the same name may show again what an earlier one has hidden."""
        if _hiding(declarations):
            self._hidden.add(selector)
        elif declarations.get("display") or declarations.get("visibility") == "visible":
            self._hidden.discard(selector)


def _hiding(style: Declarations) -> bool:
    return (
        style.get("display") == "none"
        or style.get("visibility") in ("hidden", "collapse")
        or bool(style.get("font-size") and _ZERO.fullmatch(style.get("font-size")))
        or any(_FAR_AWAY.fullmatch(style.get(name)) for name in ("left", "top", "right", "text-indent"))
        or (style.get("overflow") == "hidden" and any(style.get(n) in ("0", "0px") for n in ("height", "width")))
        or style.get("clip").startswith("rect(0")
    )
