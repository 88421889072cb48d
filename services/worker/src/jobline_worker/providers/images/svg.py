"""A canvas for drawn pictures: elements of SVG, and nothing in them but shapes, text and plain attributes.

No style sheet, no script, no link and no font is ever written, so that a picture looks the same under the strictest
content policy. Escaping is ElementTree's.
"""

from __future__ import annotations

from functools import lru_cache
from xml.etree import ElementTree

from lucide import lucide_icon

__all__ = ["ICON_GRID", "Canvas"]

_SVG = "http://www.w3.org/2000/svg"
#: Lucide's icons are drawn on a grid of so many units, with lines two units wide.
ICON_GRID = 24

ElementTree.register_namespace("", _SVG)


class Canvas:
    """A picture of `width` by `height` units; shapes lie in the order in which they are drawn."""

    def __init__(self, width: int, height: int) -> None:
        size = {"width": str(width), "height": str(height), "viewBox": f"0 0 {width} {height}"}
        self._root = ElementTree.Element(f"{{{_SVG}}}svg", {**size, "role": "img"})

    def bytes(self) -> bytes:
        content: bytes = ElementTree.tostring(self._root, encoding="utf-8", xml_declaration=True)
        return content

    def title(self, text: str) -> None:
        """What a screen reader says in place of the picture."""
        self._add("title").text = text

    def rect(self, x: float, y: float, width: float, height: float, fill: str, **more: float | str) -> None:
        self._add("rect", x=x, y=y, width=width, height=height, fill=fill, **more)

    def circle(self, x: float, y: float, radius: float, fill: str, **more: float | str) -> None:
        self._add("circle", cx=x, cy=y, r=radius, fill=fill, **more)

    def path(self, d: str, fill: str, **more: float | str) -> None:
        self._add("path", d=d, fill=fill, **more)

    def text(self, x: float, y: float, text: str, fill: str, size: float, *, right_to_left: bool = False) -> None:
        """One bold line whose first letter begins at `x`: leftmost, or rightmost in a right-to-left script."""
        direction = {"direction": "rtl"} if right_to_left else {}
        face = {"font_family": "sans-serif", "font_weight": "700"}
        self._add("text", x=x, y=y, fill=fill, font_size=size, **face, **direction).text = text

    def icon(self, name: str, x: float, y: float, size: float, ink: str, *, line: float = 1.7, turn: str = "") -> None:
        """An icon of Lucide, `size` units wide around its centre, then moved as the transform `turn` says.

        `line` is its line width on the grid of 24.
        """
        place = f"translate({_spelled(x - size / 2)} {_spelled(y - size / 2)}) scale({size / ICON_GRID:.3f})"
        group = self._add(
            "g",
            transform=f"{turn} {place}".strip(),
            fill="none",
            stroke=ink,
            stroke_width=line,
            stroke_linecap="round",
            stroke_linejoin="round",
        )
        group.extend(_icon_shapes(name))

    def _add(self, tag: str, **attributes: float | str) -> ElementTree.Element:
        spelled = {name.replace("_", "-"): _spelled(value) for name, value in attributes.items()}
        return ElementTree.SubElement(self._root, f"{{{_SVG}}}{tag}", spelled)


def _spelled(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")


@lru_cache(maxsize=256)
def _icon_shapes(name: str) -> tuple[ElementTree.Element, ...]:
    return tuple(ElementTree.fromstring(lucide_icon(name)))
