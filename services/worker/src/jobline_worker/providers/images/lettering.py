"""Fits a text from outside into a box: cleaned, broken into lines, as large as it may be.

SVG breaks no lines, and which font shows the text is not known before it is shown. So widths are estimated for bold
sans-serif faces on the wide side: lines of ordinary text come out shorter than their box in most faces, and 3 % longer
at the worst in DejaVu Sans Bold, the widest in common use.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from wcwidth import iter_graphemes, width

__all__ = ["LEADING", "Lettering", "fit_line", "fit_lines", "reads_right_to_left"]

#: Distance of two baselines, in font sizes.
LEADING = 1.18

#: Font sizes in pixels, each with the number of lines that it may fill. What does not fit the last is cut.
_STEPS = ((76, 3), (66, 4), (56, 5), (48, 6), (42, 7))

#: Nothing longer is looked at, in characters and then in what readers see as characters.
_MAX_LENGTH = 4000
_MAX_GRAPHEMES = 400
_MAX_MARKS = 3

#: Widths in font sizes.
_WIDE_CELL = 0.56
_WIDTHS = {
    **dict.fromkeys("iIjl|.,:;'`!", 0.36),
    **dict.fromkeys(" ftr()[]{}-\u2010\u2011\u2018\u2019/\\", 0.45),
    **dict.fromkeys("mwMW@%\u2013\u2014\u2026", 1.0),
}
_CAPITAL = 0.77
_OTHER = 0.66

_JOINERS = frozenset("\u200c\u200d")
_RIGHT_TO_LEFT = frozenset({"R", "AL"})
_LEFT_TO_RIGHT = "L"


@dataclass(frozen=True)
class Lettering:
    """Lines of text and the font size, in pixels, at which they fit."""

    lines: tuple[str, ...]
    size: float


@dataclass(frozen=True)
class _Unit:
    """What is kept on one line: a word, or a single sign of a script that breaks anywhere."""

    text: str
    after_space: bool


def fit_lines(text: str, box: float) -> Lettering:
    """The text in lines at most `box` pixels wide, in the largest size that breaks no word.

    Only in the smallest size are words broken, and what is too much is cut and ends in "…". Empty text has no lines.
    """
    units = _units(clean(text))
    for size, most in _STEPS:
        lines, whole = _broken(units, box / size)
        if whole and len(lines) <= most:
            return Lettering(_balanced(units, len(lines), box / size), size)
    size, most = _STEPS[-1]
    lines, _ = _broken(units, box / size)
    return Lettering(
        tuple(lines) if len(lines) <= most else (*lines[: most - 1], _cut(lines[most - 1], box / size)), size
    )


def fit_line(text: str, box: float, size: float) -> str:
    """The text on one line of that font size, cut to at most `box` pixels."""
    line = clean(text)
    return line if _text_width(line) <= box / size else _cut(line, box / size)


def reads_right_to_left(text: str) -> bool:
    """Whether the first letter with a direction is of a right-to-left script (rule P2 of Unicode's UAX #9)."""
    directions = (unicodedata.bidirectional(character) for character in text)
    strong = (direction for direction in directions if direction == _LEFT_TO_RIGHT or direction in _RIGHT_TO_LEFT)
    return next(strong, _LEFT_TO_RIGHT) in _RIGHT_TO_LEFT


def clean(text: str) -> str:
    """The text on one line, without what XML forbids, what is invisible, what turns directions, and towers of marks."""
    visible = "".join(filter(_is_shown, " ".join(text[:_MAX_LENGTH].split())))
    graphemes = islice(iter_graphemes(visible), _MAX_GRAPHEMES)
    return " ".join("".join(map(_without_tower, graphemes)).split())


def _is_shown(character: str) -> bool:
    code = ord(character)
    if code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF:
        return False
    return character in _JOINERS or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co")


def _without_tower(grapheme: str) -> str:
    """The grapheme with at most a few of the marks that would be stacked above and below it."""
    marks = 0
    kept = []
    for character in grapheme:
        marks += unicodedata.category(character) in ("Mn", "Me")
        if marks <= _MAX_MARKS:
            kept.append(character)
    return "".join(kept)


def _units(text: str) -> list[_Unit]:
    return [unit for word in text.split() for unit in _units_of_word(word)]


def _units_of_word(word: str) -> Iterator[_Unit]:
    """The word, or its parts where wide signs (Chinese, Japanese, emoji) allow a break."""
    part, after_space = "", True
    for grapheme in iter_graphemes(word):
        if part and width(grapheme) > 1 and unicodedata.category(grapheme[0]).startswith(("L", "So")):
            yield _Unit(part, after_space)
            part, after_space = "", False
        part += grapheme
    yield _Unit(part, after_space)


def _broken(units: Sequence[_Unit], room: float) -> tuple[list[str], bool]:
    """The units in lines at most `room` font sizes wide, and whether every unit stayed whole."""
    lines: list[str] = []
    whole = True
    for unit in units:
        joined = f"{lines[-1]}{' ' if unit.after_space else ''}{unit.text}" if lines else ""
        if joined and _text_width(joined) <= room:
            lines[-1] = joined
            continue
        pieces = list(_pieces(unit.text, room))
        whole = whole and len(pieces) == 1
        lines.extend(pieces)
    return lines, whole


def _pieces(word: str, room: float) -> Iterator[str]:
    """The word in pieces that fit a line each; accents and joined emoji stay with their letter."""
    piece = ""
    for grapheme in iter_graphemes(word):
        if piece and _text_width(piece + grapheme) > room:
            yield piece
            piece = ""
        piece += grapheme
    yield piece


def _balanced(units: Sequence[_Unit], count: int, room: float) -> tuple[str, ...]:
    """The units in that many lines of lengths as equal as can be: a last line of one short word looks like a mistake.

    The least sum of squared remainders, as in D. E. Knuth and M. F. Plass, "Breaking paragraphs into lines" (1981).
    """
    best: dict[tuple[int, int], tuple[float, tuple[str, ...]]] = {(0, 0): (0.0, ())}
    for end in range(1, len(units) + 1):
        for start in reversed(range(end)):
            line = _joined(units[start:end])
            remainder = room - _text_width(line)
            if remainder < 0:
                break
            for number in range(1, count + 1):
                if before := best.get((start, number - 1)):
                    candidate = (before[0] + remainder**2, (*before[1], line))
                    best[end, number] = min(best.get((end, number), candidate), candidate)
    return best[len(units), count][1]


def _joined(units: Sequence[_Unit]) -> str:
    return "".join(f" {unit.text}" if unit.after_space else unit.text for unit in units).strip()


def _cut(line: str, room: float) -> str:
    kept = ""
    for grapheme in iter_graphemes(line):
        if _text_width(f"{kept}{grapheme}…") > room:
            break
        kept += grapheme
    return f"{kept.rstrip(' ,;:.-')}…"


def _text_width(text: str) -> float:
    """The width in font sizes."""
    return sum(map(_grapheme_width, iter_graphemes(text)))


def _grapheme_width(grapheme: str) -> float:
    known = _WIDTHS.get(grapheme[0])
    if known is not None:
        return known
    cells = max(width(grapheme), 1)
    if cells > 1:
        return cells * _WIDE_CELL
    return _CAPITAL if grapheme[0].isupper() else _OTHER
