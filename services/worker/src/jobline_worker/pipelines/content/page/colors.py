"""A brand's colours, from what the page itself says about its looks.

Every colour that is set somewhere telling gets points: variables named like `--brand`, the theme colour, then the
backgrounds of buttons, the header and links. The best coloured one is the primary colour; greys can only be secondary.
"""

from __future__ import annotations

import colorsys
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from lxml.html import HtmlElement
from tinycss2.color4 import Color, parse_color

from jobline_worker.pipelines.content.page.facts import BrandColors
from jobline_worker.pipelines.content.page.styles import Declarations, Rule

__all__ = ["NEUTRAL", "brand_colors"]

#: A quiet slate, for pages that name no colour.
NEUTRAL = BrandColors(primary="#475569", secondary="#e2e8f0", accent="#64748b")

#: Elements whose style attribute is looked at.
MAX_STYLED = 2_000
#: A variable that stands for others is followed through so many of them.
MAX_STEPS = 5
PRIMARY, SECONDARY, ACCENT = "primary", "secondary", "accent"
#: Points by the name of a custom property: role, pattern, points. The first that matches counts.
_VARIABLES = (
    (ACCENT, re.compile(r"accent|highlight|cta", re.I), 60),
    (SECONDARY, re.compile(r"secondary|surface|muted|tint|light", re.I), 60),
    (PRIMARY, re.compile(r"primary|brand|theme|main", re.I), 100),
)
_NOT_A_FILL = re.compile(r"text|font|border|shadow|contrast|foreground|\bink|on-|hover|dark|[-_](?:fg|content)", re.I)
#: Points by what a selector is about: for its background as the primary colour and as the accent, and for its text.
_SELECTORS = (
    (re.compile(r"btn|button|\bcta", re.I), (12, 40, 0)),
    (re.compile(r"logo|brand|site-?(?:title|name)", re.I), (10, 0, 30)),
    (re.compile(r"hero|banner|header|navbar|\bnav\b|topbar|masthead", re.I), (25, 0, 5)),
    (re.compile(r"(?:^|\s)h[12]\b", re.I), (5, 0, 15)),
    (re.compile(r"(?:^|\s)a(?:$|[:.\s])|\blink", re.I), (5, 0, 15)),
    (re.compile(r"footer", re.I), (8, 0, 0)),
    (re.compile(r"^(?:body|html|main)$", re.I), (4, 0, 0)),
)
_ANY_SELECTOR = (1, 0, 1)
_STYLED = frozenset(
    {"body", "header", "nav", "a", "button", "section", "div", "footer", "h1", "h2", "span", "td", "table"}
)
_COLOR = re.compile(
    r"#[0-9a-f]{3,8}\b|(?:rgb|hsl)a?\([^()]{1,60}\)|var\(\s*(--[\w-]{1,60})[^()]{0,60}\)|\b[a-z]{3,20}\b", re.I
)


@dataclass(frozen=True)
class _Vote:
    """`worth` points for a colour in a role. `fills` tells backgrounds from text and lines."""

    role: str
    color: str
    worth: int
    fills: bool = True


def brand_colors(root: HtmlElement, rules: Sequence[Rule]) -> BrandColors:
    """The page's colours. What it does not name is made from what it does: a tint, or the primary colour again."""
    variables = _colors_of(_variables(rules))
    votes = [*_named(variables), *_theme(root), *_used(rules, variables), *_inline(root, variables)]
    vivid = [vote for vote in votes if _is_vivid(vote.color)]
    ranked = _ranked(vote for vote in vivid if vote.role == PRIMARY) or _ranked(vivid)
    if not ranked:
        return NEUTRAL
    primary = ranked[0]
    accents = _ranked(vote for vote in vivid if vote.role == ACCENT) + ranked
    accent = next((color for color in accents if _differ(color, primary)), primary)
    pale = [vote for vote in votes if vote.fills and _is_pale(vote.color)]
    named = _ranked(vote for vote in votes if vote.role == SECONDARY and vote.color not in (primary, accent))
    secondary = next(iter(named + _ranked(pale)), _tint(primary))
    return BrandColors(primary, secondary, accent)


def _ranked(votes: Iterable[_Vote]) -> list[str]:
    """Colours by their points, most first."""
    points: Counter[str] = Counter()
    for vote in votes:
        points[vote.color] += vote.worth
    return [color for color, _ in points.most_common()]


def _variables(rules: Iterable[Rule]) -> dict[str, str]:
    """Custom properties and their values; the first value counts, later ones are for dark mode and parts."""
    found: dict[str, str] = {}
    for rule in rules:
        for name, value in rule.declarations.values.items():
            if name.startswith("--"):
                found.setdefault(name, value)
    return found


def _colors_of(variables: Mapping[str, str]) -> Mapping[str, str]:
    """The colours of the variables that have one. In rounds, because each name may lead to many others, and in circles."""
    colors: dict[str, str] = {}
    for _ in range(MAX_STEPS):
        colors = {name: color for name, value in variables.items() if (color := _first_color(value, colors))}
    return colors


def _named(variables: Mapping[str, str]) -> Iterator[_Vote]:
    for name, color in variables.items():
        found = next(((role, worth) for role, pattern, worth in _VARIABLES if pattern.search(name)), None)
        if found and not _NOT_A_FILL.search(name):
            yield _Vote(found[0], color, found[1])


def _theme(root: HtmlElement) -> Iterator[_Vote]:
    for meta in root.iter("meta"):
        if meta.get("name", "").strip().lower() in ("theme-color", "msapplication-tilecolor"):
            if color := _hex(meta.get("content", "").strip()):
                yield _Vote(PRIMARY, color, 80)
            return


def _used(rules: Iterable[Rule], variables: Mapping[str, str]) -> Iterator[_Vote]:
    for rule in rules:
        for selector in rule.selectors:
            yield from _votes(selector, rule.declarations, variables)


def _inline(root: HtmlElement, variables: Mapping[str, str]) -> Iterator[_Vote]:
    """`style` attributes (and the `bgcolor` of old pages), as if they were rules for the element's tag and classes."""
    styled = (element for element in root.iter(*_STYLED) if "style" in element.attrib or "bgcolor" in element.attrib)
    for element in islice(styled, MAX_STYLED):
        selector = " ".join((element.tag, element.get("class", "")[:200], element.get("id", "")[:50]))
        yield from _votes(selector, Declarations.parse(element.get("style", "")), variables)
        if color := _hex(element.get("bgcolor", "")):
            yield _Vote(PRIMARY, color, 10)


def _votes(selector: str, style: Declarations, variables: Mapping[str, str]) -> Iterator[_Vote]:
    if ":hover" in selector or ":focus" in selector:
        return
    worths = [worth for pattern, worth in _SELECTORS if pattern.search(selector)] or [_ANY_SELECTOR]
    fill, accent, ink = map(max, zip(*worths, strict=True))
    for name in ("background-color", "background"):
        if color := _first_color(style.get(name), variables):
            yield _Vote(PRIMARY, color, fill)
            if accent:
                yield _Vote(ACCENT, color, accent)
    if ink and (color := _first_color(style.get("color"), variables)):
        yield _Vote(PRIMARY, color, ink, fills=False)
    for name in ("border-color", "border", "border-left"):
        if color := _first_color(style.get(name), variables):
            yield _Vote(PRIMARY, color, 1, fills=False)


def _first_color(value: str, variables: Mapping[str, str]) -> str | None:
    """The first colour that the value names; `variables` are those with a colour."""
    colors = (variables.get(found[1]) if found[1] else _hex(found[0]) for found in _COLOR.finditer(value))
    return next(filter(None, colors), None)


@lru_cache(maxsize=1024)
def _hex(text: str) -> str | None:
    """`#rrggbb` of an opaque sRGB colour as CSS writes it, else None."""
    color = parse_color(text[:100])
    if not isinstance(color, Color) or color.alpha < 0.5:
        return None
    try:
        channels = color.to("srgb").coordinates
    except NotImplementedError:  # a colour space of wide-gamut screens
        return None
    return "#" + "".join(f"{round(min(max(channel or 0.0, 0.0), 1.0) * 255):02x}" for channel in channels)


def _rgb(color: str) -> tuple[float, float, float]:
    red, green, blue = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def _is_vivid(color: str) -> bool:
    """A colour rather than a grey, a near-black or a near-white."""
    _, lightness, saturation = colorsys.rgb_to_hls(*_rgb(color))
    return saturation >= 0.2 and 0.1 <= lightness <= 0.85


def _is_pale(color: str) -> bool:
    """Nearly white, but not white."""
    return 0.85 < colorsys.rgb_to_hls(*_rgb(color))[1] < 0.995


def _differ(one: str, other: str) -> bool:
    """Whether they can be told apart at a glance."""
    return sum(abs(a - b) for a, b in zip(_rgb(one), _rgb(other), strict=True)) > 0.4


def _tint(color: str) -> str:
    """The colour, nearly white."""
    return "#" + "".join(f"{round((channel * 0.12 + 0.88) * 255):02x}" for channel in _rgb(color))
