"""Pictures drawn without a model: fit to be shown, safe to be served, and readable whatever the page said."""

from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree

import lucide
import pytest
from wcwidth import iter_graphemes

from jobline_worker.providers.images import MAX_IMAGE_BYTES, BrandPalette, ImageRequest
from jobline_worker.providers.images.embedded import EmbeddedImageMaker
from jobline_worker.providers.images.lettering import LEADING, clean, fit_line, fit_lines, reads_right_to_left
from jobline_worker.providers.images.motifs import ABSTRACT, MOTIFS, choose_motif
from jobline_worker.providers.images.palette import (
    GRAPHICS_CONTRAST,
    TEXT_CONTRAST,
    contrast,
    dark_scheme,
    ink_on,
    light_scheme,
)

BRAND = BrandPalette("#0b6e75", "#e6f4f3", "#ff8a5b")
REQUEST = ImageRequest(
    "Back pain that keeps coming back", "Pellbrook Clinic", BRAND, "physiotherapy for office workers"
)

HOSTILE = {
    "markup": "<script>alert(1)</script> & ]]> <!-- \"quoted\" 'too'",
    "control characters": "one\x00two\x07three\x1b[31m\ufffe\ud800 four",
    "turned direction": "invoice\u202egnp.exe \u2066x\u2069",
    "one long word": "x" * 5000,
    "many words": "word " * 2000,
    "stacked marks": "Z" + "\u0336" * 300 + "algo",
    "joined emoji": "\U0001f469\u200d\u2695\ufe0f\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 " * 20,
    "Japanese": "日本語のタイトルはスペースなしでも改行されなければならない" * 5,
    "Hebrew": "שלום עולם: איך מתכננים משמרות",
    "nothing": "",
    "blanks": " \t\n\u2003 ",
}
EXTREME = {
    "white": BrandPalette("#ffffff", "#ffffff", "#ffffff"),
    "black": BrandPalette("#000000", "#000000", "#000000"),
    "one gray": BrandPalette("#888888", "#888888", "#888888"),
    "loud": BrandPalette("#ffff00", "#ff00ff", "#00ff00"),
    "written oddly": BrandPalette("red", "rgb(12 200 30 / 50%)", "#fff"),
    "no colours": BrandPalette("url(http://evil.example)", "", "#12345"),
    "hostile": BrandPalette('"/><script/>', "x" * 10_000, "oklch(none none none)"),
}

_TAGS = {"svg", "title", "rect", "circle", "ellipse", "line", "polyline", "polygon", "path", "text", "g"}


def parsed(content: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(content)


def texts(content: bytes) -> list[str]:
    return [element.text or "" for element in parsed(content).iter("{http://www.w3.org/2000/svg}text")]


async def drawn(request: ImageRequest) -> bytes:
    image = await EmbeddedImageMaker().draw(request)
    assert (image.content_type, image.ending) == ("image/svg+xml", "svg")
    assert len(image.content) <= MAX_IMAGE_BYTES
    return image.content


def assert_harmless(content: bytes) -> None:
    """Only shapes and text, with plain attributes: nothing that runs, styles or fetches."""
    for element in parsed(content).iter():
        assert element.tag.removeprefix("{http://www.w3.org/2000/svg}") in _TAGS
        for name, value in element.attrib.items():
            assert not re.match(r"on|style|href|\{", name), name
            assert "url(" not in value
    assert set(re.findall(rb'font-family="([^"]*)"', content)) <= {b"sans-serif"}


async def test_the_picture_shows_the_title_and_the_business() -> None:
    content = await drawn(REQUEST)
    assert_harmless(content)
    *title, business = texts(content)
    assert " ".join(title) == REQUEST.title
    assert business == REQUEST.business
    assert parsed(content).attrib["viewBox"] == "0 0 1200 630"


async def test_the_same_request_gives_the_same_bytes() -> None:
    assert await drawn(REQUEST) == await drawn(REQUEST)


async def test_title_business_and_index_each_change_the_picture_and_not_only_its_text() -> None:
    requests = [
        ImageRequest(title, business, BRAND, REQUEST.hint, index)
        for title, business, index in itertools.product(("Back pain", "Neck pain"), ("Pellbrook", "Harrow"), range(5))
    ]
    shapes = {re.sub(rb"<(text|title)\b.*?</\1>", b"", await drawn(request)) for request in requests}
    assert len(shapes) == len(requests)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
async def test_hostile_text_stays_text(text: str) -> None:
    for index in range(5):
        content = await drawn(ImageRequest(text, text, BRAND, text, index))
        assert_harmless(content)
        assert not re.search("[\x00-\x08\u202a-\u202e\u2066-\u2069]", content.decode())


async def test_right_to_left_titles_begin_at_the_right_of_their_box() -> None:
    content = await drawn(ImageRequest(HOSTILE["Hebrew"], "Larkmoor", BRAND))
    *title, business = parsed(content).iter("{http://www.w3.org/2000/svg}text")
    assert {element.get("direction") for element in title} == {"rtl"}
    assert business.get("direction") is None
    assert float(title[0].attrib["x"]) > float(business.attrib["x"])
    assert reads_right_to_left("12 – مرحبا world")
    assert not reads_right_to_left("12 – world مرحبا")


@pytest.mark.parametrize("colors", EXTREME.values(), ids=EXTREME.keys())
async def test_text_and_motif_stand_out_whatever_the_brand(colors: BrandPalette) -> None:
    for scheme in (light_scheme(colors), dark_scheme(colors)):
        assert contrast(scheme.title, scheme.ground) >= TEXT_CONTRAST
        assert contrast(scheme.label, scheme.ground) >= TEXT_CONTRAST
        for surface in (scheme.strong, scheme.pop, scheme.soft, scheme.middle, "#ffffff"):
            assert contrast(ink_on(surface, scheme), surface) >= GRAPHICS_CONTRAST
    for index in range(5):
        assert_harmless(await drawn(ImageRequest("A title", "A business", colors, index=index)))


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_a_pale_second_colour_is_the_paper() -> None:
    assert light_scheme(BRAND).ground == BRAND.secondary


@pytest.mark.parametrize(
    ("title", "hint", "icon"),
    [
        ("Care home managers lose a day a week to the rota", "software", "calendar-check"),
        ("Knitters who buy too many skeins", "online shop", "spool"),
        ("Runners with a knee that will not settle", "clinic", "stethoscope"),
        ("Gekündigt – und nur drei Wochen Zeit", "Kanzlei für Arbeitsrecht", "scale"),
        ("A birthday dinner for sixteen", "restaurant on the quay", "utensils"),
        ("Two hours a month", "volunteers for a charity", "hand-heart"),
        ("Engineers whose API falls over", "documentation", "code-xml"),
        ("Job seekers who never see the pay", "", "briefcase-business"),
        ("Tomatoes that split in August", "blog about an allotment", "sprout"),
        ("Potters who need pictures of their work", "photographer", "camera"),
        ("Qwzx", "", "sparkles"),
    ],
)
def test_the_motif_follows_the_words(title: str, hint: str, icon: str) -> None:
    assert choose_motif(title, hint).icons[0] == icon


def test_every_icon_is_in_the_library() -> None:
    known = set(lucide.get_icon_list())
    assert {icon for motif in (*MOTIFS, ABSTRACT) for icon in motif.icons} <= known


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_lines_never_fill_more_than_their_space(text: str) -> None:
    lettering = fit_lines(text, 570)
    assert len(lettering.lines) * lettering.size * LEADING <= 416
    assert len(list(iter_graphemes(fit_line(text, 570, 27)))) <= 60


def test_a_text_that_fits_is_shown_whole_and_in_even_lines() -> None:
    text = "Beginners who have never cast on"
    lettering = fit_lines(text, 570)
    assert " ".join(lettering.lines) == text
    lengths = [len(line) for line in lettering.lines]
    assert max(lengths) - min(lengths) <= 6


def test_the_longer_the_text_the_smaller_the_letters_until_it_is_cut() -> None:
    sizes = [fit_lines("word " * count, 570).size for count in (2, 10, 14, 20, 100)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[-1]
    assert fit_lines("word " * 100, 570).lines[-1].endswith("…")
    assert not fit_lines("word " * 14, 570).lines[-1].endswith("…")


def test_words_are_broken_only_where_nothing_else_helps_and_never_within_a_letter() -> None:
    assert fit_lines("Rehabilitation nach Operationen", 570).lines[0].split()[0] == "Rehabilitation"
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert all(line.replace(family, "") == "" for line in fit_lines(family * 40, 570).lines[:-1])


def test_cleaning_keeps_joined_emoji_and_accents_and_drops_what_is_invisible() -> None:
    assert clean(" a\tb\u202ec\u200b\ufeff  é ") == "a bc é"
    assert clean("\U0001f469\u200d\u2695\ufe0f") == "\U0001f469\u200d\u2695\ufe0f"
    assert len(clean(HOSTILE["stacked marks"])) < 12
