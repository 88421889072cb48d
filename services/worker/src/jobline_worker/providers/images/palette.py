"""A handful of colours that go together and can be read, made from whatever colours a brand has.

Lightness is set in OKLCH, where equal steps look equal (B. Ottosson, "A perceptual color space for image processing",
2020); whether text can be read is decided by the contrast ratio of WCAG 2.1, which is 4.5 for text and 3 for graphics.
"""

from __future__ import annotations

from dataclasses import dataclass

from coloraide import Color

from jobline_worker.providers.images import BrandPalette

__all__ = ["GRAPHICS_CONTRAST", "TEXT_CONTRAST", "Scheme", "contrast", "dark_scheme", "ink_on", "light_scheme"]

TEXT_CONTRAST = 4.5
GRAPHICS_CONTRAST = 3.0

#: What stands in for a colour that cannot be read.
_QUIET = BrandPalette("#31465a", "#dfe6ec", "#d98a3d")
#: Longer texts name no colour.
_MAX_COLOR_LENGTH = 64
_LIGHTNESS_STEP = 0.02
#: From here on, a colour of a brand is taken for its paper.
_PAPER_LIGHTNESS = 0.93


@dataclass(frozen=True)
class Scheme:
    """The colours of one picture, as `#rrggbb`. Text is readable on `ground`; `strong` and `pop` stand out from it."""

    ground: str
    #: Close to the ground, for large shapes behind others.
    soft: str
    title: str
    #: The business's name.
    label: str
    #: The brand's first colour, for the largest shape.
    strong: str
    #: Between `soft` and `strong`.
    middle: str
    #: The brand's accent.
    pop: str


def light_scheme(colors: BrandPalette) -> Scheme:
    """Dark text on paper: the brand's own pale second colour, or else a pale tint of its first."""
    primary, secondary, accent = _readable_colors(colors)
    ground = secondary if _lightness(secondary) >= _PAPER_LIGHTNESS else _toned(primary, 0.97, 0.018)
    strong = _set_off(_toned(primary, min(_lightness(primary), 0.55), 0.2), ground, GRAPHICS_CONTRAST)
    return Scheme(
        ground=ground,
        soft=_mixed(ground, strong, 0.1),
        title=_set_off(_toned(primary, 0.27, 0.09), ground, 7.0),
        label=_set_off(_toned(primary, 0.42, 0.12), ground, TEXT_CONTRAST),
        strong=strong,
        middle=_mixed(ground, strong, 0.36),
        pop=_set_off(_toned(accent, min(_lightness(accent), 0.76), 0.2), ground, 1.8),
    )


def dark_scheme(colors: BrandPalette) -> Scheme:
    """Pale text on a deep ground of the brand's hue."""
    primary, secondary, accent = _readable_colors(colors)
    ground = _toned(primary, min(max(_lightness(primary), 0.24), 0.36), 0.13)
    strong = _toned(secondary, 0.96, 0.03)
    return Scheme(
        ground=ground,
        soft=_mixed(ground, strong, 0.1),
        title=_set_off(_toned(primary, 0.98, 0.012), ground, 7.0),
        label=_set_off(_toned(secondary, 0.89, 0.05), ground, TEXT_CONTRAST),
        strong=strong,
        middle=_mixed(ground, strong, 0.32),
        pop=_set_off(_toned(accent, max(_lightness(accent), 0.7), 0.18), ground, GRAPHICS_CONTRAST),
    )


def ink_on(surface: str, scheme: Scheme) -> str:
    """What is drawn on a surface of the scheme: the first of its colours that stands out enough, else black or white."""
    wanted = ("#ffffff", scheme.strong, scheme.title, scheme.ground)
    fitting = (ink for ink in wanted if contrast(ink, surface) >= GRAPHICS_CONTRAST)
    return next(fitting, "#000000")


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2.1, from 1 to 21."""
    return float(Color(one).contrast(other, method="wcag21"))


def _readable_colors(colors: BrandPalette) -> BrandPalette:
    return BrandPalette(*(_hex(color) or quiet for color, quiet in zip(colors, _QUIET, strict=True)))


def _hex(text: str) -> str:
    """`#rrggbb`, or nothing for what is no colour. Transparency is ignored."""
    try:
        return str(Color(text[:_MAX_COLOR_LENGTH]).convert("srgb").to_string(hex=True, alpha=False, fit=True))
    except (ValueError, OverflowError):
        return ""


def _lightness(color: str) -> float:
    return float(Color(color).convert("oklch").get("lightness", nans=False))


def _toned(color: str, lightness: float, max_chroma: float) -> str:
    """The same hue at that lightness (0 to 1) and at most so colourful; greys stay grey."""
    toned = Color(color).convert("oklch")
    chroma = min(float(toned.get("chroma", nans=False)), max_chroma)
    toned.set("lightness", lightness).set("chroma", chroma)
    return str(toned.convert("srgb").to_string(hex=True, fit=True))


def _mixed(one: str, other: str, share: float) -> str:
    """The first colour with that share (0 to 1) of the other in it."""
    return str(Color(one).mix(other, share, space="oklab").convert("srgb").to_string(hex=True, fit=True))


def _set_off(color: str, ground: str, ratio: float) -> str:
    """The colour, moved away from the ground's lightness until the contrast reaches `ratio`.

    Black or white where no shade of the colour does.
    """
    step = -_LIGHTNESS_STEP if contrast("#000000", ground) >= contrast("#ffffff", ground) else _LIGHTNESS_STEP
    lightness = _lightness(color)
    while 0.0 <= lightness <= 1.0:
        shade = _toned(color, lightness, 0.4)
        if contrast(shade, ground) >= ratio:
            return shade
        lightness += step
    return "#000000" if step < 0 else "#ffffff"
