"""Compositions: how the right half of a picture arranges a motif's icons.

Each draws on the whole canvas but leaves the left, where the text stands, to its ground. Neighbouring pictures of one
business get different compositions, and a composition never looks twice the same: its details follow `random`, which
is seeded with what the picture is about.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from jobline_worker.providers.images import BrandPalette
from jobline_worker.providers.images.palette import Scheme, dark_scheme, ink_on, light_scheme
from jobline_worker.providers.images.svg import Canvas

__all__ = ["HEIGHT", "SCENES", "WIDTH", "Scene"]

#: What social networks show in full.
WIDTH, HEIGHT = 1200, 630


@dataclass(frozen=True)
class Scene:
    """A composition and the scheme that it is made for. `icons` begin with the one that is shown largest."""

    scheme: Callable[[BrandPalette], Scheme]
    compose: Callable[[Canvas, Scheme, Sequence[str], Random], None]


def _disc(canvas: Canvas, scheme: Scheme, icons: Sequence[str], random: Random) -> None:
    """One large disc with the motif, companions on its rim."""
    x, y, radius = 950, 315, 225
    canvas.circle(x + random.choice((10, 60)), y + random.choice((-50, 50)), radius + 50, scheme.soft)
    canvas.circle(x, y, radius, scheme.strong)
    canvas.circle(
        x, y, radius - 22, "none", stroke=ink_on(scheme.strong, scheme), stroke_width=2, stroke_opacity="0.35"
    )
    canvas.icon(icons[0], x, y, 230, ink_on(scheme.strong, scheme), line=1.4)
    turn = random.choice((100, 170)) + random.uniform(0, 15)
    for place, icon in enumerate(icons[1:]):
        angle = math.radians(turn + place * 50)
        badge = scheme.pop if place == 1 else "#ffffff"
        _badge(canvas, scheme, icon, x + radius * math.cos(angle), y + radius * math.sin(angle), 50, badge)


def _cards(canvas: Canvas, scheme: Scheme, icons: Sequence[str], random: Random) -> None:
    """A stack of tilted cards, the motif on the topmost."""
    x, y = 955, 310
    lean = random.choice((-1, 1))
    _companions(canvas, scheme.middle, icons[1:], random)
    for angle, fill in ((lean * 14, scheme.middle), (lean * 5, scheme.pop), (-lean * 4, scheme.strong)):
        canvas.rect(x - 160, y - 190, 320, 380, fill, rx=28, transform=f"rotate({angle} {x} {y})")
    ink = ink_on(scheme.strong, scheme)
    tilt = f"rotate({-lean * 4} {x} {y})"
    canvas.icon(icons[0], x, y - 30, 210, ink, line=1.4, turn=tilt)
    for width, below in ((200, 112), (130, 142)):
        canvas.rect(
            x - 100, y + below, width, 12, scheme.pop if width < 200 else ink, rx=6, transform=tilt, opacity="0.85"
        )


def _arcs(canvas: Canvas, scheme: Scheme, icons: Sequence[str], random: Random) -> None:
    """Rings around a corner, companions along one of them."""
    top = random.random() < 0.5
    x, y = WIDTH, 0 if top else HEIGHT
    for radius, fill in ((560, scheme.soft), (470, scheme.middle), (380, scheme.strong)):
        canvas.circle(x, y, radius, fill)
    sign = 1 if top else -1
    canvas.icon(icons[0], x - 165, y + sign * 165, 215, ink_on(scheme.strong, scheme), line=1.4)
    for place, icon in enumerate(icons[1:]):
        angle = math.radians(18 + place * 27 + random.uniform(-4, 4))
        badge = scheme.pop if place == 0 else "#ffffff"
        _badge(canvas, scheme, icon, x - 470 * math.cos(angle), y + sign * 470 * math.sin(angle), 42, badge)


def _hills(canvas: Canvas, scheme: Scheme, icons: Sequence[str], random: Random) -> None:
    """The motif as a sun above hills."""
    x, y, radius = random.randint(920, 980), random.randint(225, 255), 165
    canvas.circle(x, y, radius + 60, scheme.soft)
    canvas.circle(x, y, radius, scheme.pop)
    canvas.icon(icons[0], x, y, 195, ink_on(scheme.pop, scheme), line=1.5)
    rise = random.randint(-25, 25)
    for start, low, high, fill in ((640, 470, 430, scheme.middle), (560, 525, 505, scheme.strong)):
        crest = f"C {start + 120} {low + rise}, {start + 220} {low - 50 - rise}, {start + 360} {low + 10}"
        slope = f"S 1110 {high + rise}, {WIDTH} {high - rise}"
        canvas.path(f"M{start} {HEIGHT} {crest} {slope} V {HEIGHT} Z", fill)
    for place, icon in enumerate(icons[1:]):
        canvas.icon(icon, 880 + place * 120, 592, 42, ink_on(scheme.strong, scheme))


def _mosaic(canvas: Canvas, scheme: Scheme, icons: Sequence[str], random: Random) -> None:
    """Tiles with quarter circles, four of them one large tile for the motif."""
    tile = math.ceil(HEIGHT / 4)
    left = WIDTH - 3 * tile
    column, row = random.randint(0, 1), random.randint(0, 2)
    taken = {(column + dx, row + dy) for dx in (0, 1) for dy in (0, 1)}
    free = [(c, r) for c in range(3) for r in range(4) if (c, r) not in taken]
    random.shuffle(free)
    companions = dict(zip(free, icons[1:], strict=False))
    fills = (scheme.soft, scheme.middle, scheme.pop, scheme.strong)
    for place, (c, r) in enumerate(sorted(free)):
        ground = fills[(place + c) % len(fills)]
        x, y = left + c * tile, r * tile
        canvas.rect(x, y, tile, tile, ground, shape_rendering="crispEdges")
        if (c, r) in companions:
            canvas.icon(companions[c, r], x + tile / 2, y + tile / 2, 76, ink_on(ground, scheme))
        else:
            _quarter(canvas, x, y, tile, fills[(place + c + 1 + random.randint(0, 1)) % len(fills)], random)
    x, y = left + column * tile, row * tile
    canvas.rect(x, y, 2 * tile, 2 * tile, scheme.strong, shape_rendering="crispEdges")
    canvas.icon(icons[0], x + tile, y + tile, 200, ink_on(scheme.strong, scheme), line=1.4)


def _quarter(canvas: Canvas, x: float, y: float, tile: float, fill: str, random: Random) -> None:
    """A quarter circle that fills the tile from one of its corners."""
    right, low = random.randint(0, 1), random.randint(0, 1)
    corner_x, corner_y = x + right * tile, y + low * tile
    along = tile * (1 - 2 * right)
    down = tile * (1 - 2 * low)
    sweep = int(right == low)
    canvas.path(f"M{corner_x} {corner_y} h{along} a{tile} {tile} 0 0 {sweep} {-along} {down} Z", fill)


def _companions(canvas: Canvas, ink: str, icons: Sequence[str], random: Random) -> None:
    """The other icons, faint, around the middle of the right half."""
    places = [(735, 120), (1145, 95), (1140, 545), (745, 520)]
    random.shuffle(places)
    for icon, (x, y) in zip(icons, places, strict=False):
        canvas.icon(icon, x, y, random.randint(62, 84), ink, line=1.6)


def _badge(canvas: Canvas, scheme: Scheme, icon: str, x: float, y: float, radius: float, fill: str) -> None:
    canvas.circle(x, y, radius + 6, scheme.ground)
    canvas.circle(x, y, radius, fill)
    canvas.icon(icon, x, y, radius * 1.05, ink_on(fill, scheme))


#: In the order in which the pictures of one business go through them.
SCENES = (
    Scene(light_scheme, _disc),
    Scene(dark_scheme, _cards),
    Scene(light_scheme, _mosaic),
    Scene(dark_scheme, _hills),
    Scene(light_scheme, _arcs),
)
