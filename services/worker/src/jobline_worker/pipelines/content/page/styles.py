"""The style sheets that a page holds itself, as rules of selectors and declarations.

External ones are not fetched. Only so much as visibility and colours need: no cascade, no media queries (what they
hold is for other screens or for paper).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import tinycss2
from lxml.html import HtmlElement
from tinycss2.ast import Declaration, Node, QualifiedRule

__all__ = ["Declarations", "Rule", "rules_of"]

#: Characters of CSS that are read of a page, and of one `style` attribute.
MAX_SHEET, MAX_ATTRIBUTE = 100_000, 2_000
MAX_RULES = 1_500
MAX_SELECTORS = 20
MAX_VALUE = 500
#: A `style` attribute with more brackets is not parsed: they take time in the square of their depth, in each element.
MAX_BRACKETS = 64


@dataclass(frozen=True)
class Declarations:
    """Property names (lower case; custom properties as written) and their values as text."""

    values: Mapping[str, str]

    @classmethod
    def parse(cls, style: str) -> Declarations:
        read = style[:MAX_ATTRIBUTE]
        if sum(map(read.count, "([{")) > MAX_BRACKETS:
            return cls({})
        return cls.read(tinycss2.parse_blocks_contents(read, skip_comments=True, skip_whitespace=True))

    @classmethod
    def read(cls, nodes: Sequence[object]) -> Declarations:
        found = {}
        for node in nodes:
            if isinstance(node, Declaration):
                name = node.name if node.name.startswith("--") else node.lower_name
                found[name] = _text(node.value)
        return cls(found)

    def get(self, name: str) -> str:
        """The value in lower case; empty where there is none."""
        return self.values.get(name, "").lower()


@dataclass(frozen=True)
class Rule:
    selectors: tuple[str, ...]
    declarations: Declarations


def rules_of(root: HtmlElement) -> tuple[Rule, ...]:
    """The rules of the page's `<style>` elements, in their order, within the bounds above."""
    sheets = [style.text or "" for style in root.iter("style") if _for_screens(style.get("media", ""))]
    nodes = tinycss2.parse_stylesheet("\n".join(sheets)[:MAX_SHEET], skip_comments=True, skip_whitespace=True)
    rules = [node for node in nodes if isinstance(node, QualifiedRule)][:MAX_RULES]
    return tuple(Rule(_selectors(rule), _declarations(rule)) for rule in rules)


def _for_screens(media: str) -> bool:
    return media.strip().lower() in ("", "all", "screen")


def _selectors(rule: QualifiedRule) -> tuple[str, ...]:
    return tuple(" ".join(selector.split()) for selector in _text(rule.prelude).split(",")[:MAX_SELECTORS])


def _declarations(rule: QualifiedRule) -> Declarations:
    return Declarations.read(tinycss2.parse_blocks_contents(rule.content, skip_comments=True, skip_whitespace=True))


def _text(nodes: Sequence[Node]) -> str:
    """The nodes as written; empty for what is nested so deeply that it serves nobody."""
    try:
        return str(tinycss2.serialize(nodes)).strip()[:MAX_VALUE]
    except RecursionError:
        return ""
