"""The image provider over HTTP: what is sent, what is understood, and that only harmless small pictures come back."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from random import Random

import httpx
import pytest
from PIL import Image as Pixels
from PIL.PngImagePlugin import PngInfo

from jobline.worker import PermanentError, TransientError
from jobline_worker.providers.errors import BadAnswer, NoAnswer, ProviderTimeout
from jobline_worker.providers.http import provider_client
from jobline_worker.providers.images import MAX_IMAGE_BYTES, BrandPalette, Image, ImageRequest
from jobline_worker.providers.images.openai import OpenAiImageMaker
from jobline_worker.providers.images.reencoding import MAX_PIXELS, UnusableImage, reencoded
from jobline_worker.providers.pages.addresses import AllowList
from jobline_worker.providers.pages.transport import PinnedTransport, resolve_with_system
from support.provider_servers import (
    Handler,
    Reply,
    Request,
    TestServer,
    always,
    cut,
    dribble,
    hang,
    json_reply,
    refused_url,
    serve,
    status,
)

KEY = "sk-proj-abcdefgh12345678"
REQUEST = ImageRequest("Back pain\nat the desk", "Pellbrook", BrandPalette("#0b6e75", "#e6f4f3", "#ff8a5b"), "clinic")


def picture(size: tuple[int, int] = (640, 400), kind: str = "PNG", mode: str = "RGB", **more: object) -> bytes:
    buffer = BytesIO()
    Pixels.new(mode, size, "white" if mode != "RGBA" else (0, 0, 0, 0)).save(buffer, kind, **more)
    return buffer.getvalue()


def noise(width: int, height: int) -> bytes:
    buffer = BytesIO()
    Pixels.frombytes("RGB", (width, height), Random(7).randbytes(3 * width * height)).save(buffer, "PNG")
    return buffer.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    """A few hundred bytes that say they hold a picture of that size: a decompression bomb."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def sent(content: bytes) -> Reply:
    return json_reply({"created": 1, "data": [{"b64_json": base64.b64encode(content).decode()}]})


def opened(image: Image) -> Pixels.Image:
    assert (image.content_type, image.ending) == ("image/webp", "webp")
    assert len(image.content) <= MAX_IMAGE_BYTES
    return Pixels.open(BytesIO(image.content), formats=["WEBP"])


@asynccontextmanager
async def maker_before(
    handler: Handler, *, allow: str = "", seconds: float = 20.0, model: str = "painter"
) -> AsyncIterator[tuple[OpenAiImageMaker, TestServer]]:
    """A maker that asks a server with that handler, and fetches pictures by address from where `allow` says."""
    tls = httpx.create_ssl_context(trust_env=False)
    transport = PinnedTransport(AllowList.parse(allow), resolve_with_system, tls)
    async with serve(handler) as server, provider_client() as client, provider_client(transport) as pictures:
        yield OpenAiImageMaker(client, pictures, f"{server.url}/v1/", model, KEY, seconds), server


async def test_one_picture_is_asked_for_and_comes_back_encoded_anew() -> None:
    async with maker_before(always(sent(picture()))) as (maker, server):
        image = opened(await maker.draw(REQUEST))
        [request] = server.requests
    assert image.size == (640, 400)
    assert (request.method, request.path) == ("POST", "/v1/images/generations")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    body = request.json()
    assert (body["model"], body["n"], body["size"]) == ("painter", 1, "1024x1024")
    assert body["response_format"] == "b64_json"
    for word in ("Back pain at the desk", "Pellbrook", "clinic", "#0b6e75"):
        assert word in body["prompt"]


async def test_without_a_model_the_server_chooses() -> None:
    async with maker_before(always(sent(picture())), model="") as (maker, server):
        await maker.draw(REQUEST)
        assert "model" not in server.requests[0].json()


async def test_a_server_that_refuses_the_format_is_asked_without_it_from_then_on() -> None:
    def modern(request: Request) -> Reply:
        if "response_format" in request.json():
            return status(400, "Unknown parameter: 'response_format'.")
        return sent(picture())

    async with maker_before(modern) as (maker, server):
        for _ in range(3):
            opened(await maker.draw(REQUEST))
        assert ["response_format" in request.json() for request in server.requests] == [True, False, False, False]


async def test_any_other_refusal_is_final_and_made_once() -> None:
    async with maker_before(always(status(400, "the model does not exist"))) as (maker, server):
        with pytest.raises(PermanentError, match="image provider answered HTTP 400: the model does not exist"):
            await maker.draw(REQUEST)
        assert len(server.requests) == 1


@pytest.mark.parametrize("code", [429, 500, 503])
async def test_a_busy_server_is_not_asked_twice_by_the_provider_itself(code: int) -> None:
    async with maker_before(always(status(code, f"key {KEY}"))) as (maker, server):
        with pytest.raises(TransientError, match=f"HTTP {code}") as caught:
            await maker.draw(REQUEST)
        assert len(server.requests) == 1
    assert KEY not in str(caught.value)


async def test_a_server_that_answers_with_an_address_has_the_picture_fetched_there_without_the_key() -> None:
    def answer(request: Request) -> Reply:
        if request.path == "/made/1.png":
            return Reply(body=picture(), headers={"content-type": "application/octet-stream"})
        return json_reply({"data": [{"url": f"http://{request.headers['host']}/made/1.png?signature=abc"}]})

    async with maker_before(answer, allow="127.0.0.1") as (maker, server):
        opened(await maker.draw(REQUEST))
        fetched = server.requests[1]
    assert (fetched.method, fetched.query) == ("GET", {"signature": "abc"})
    assert "authorization" not in fetched.headers


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:{port}/a.png",
        "http://localhost:{port}/a.png",
        "http://[::ffff:127.0.0.1]:{port}/a.png",
        "http://2130706433:{port}/a.png",
        "http://169.254.169.254/latest/meta-data",
        "http://user:pass@127.0.0.1:{port}/a.png",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "/a.png",
        "http://a:b:c/",
        pytest.param("http://" + "a" * 70_000, id="longer than any address"),
    ],
)
async def test_an_address_that_is_not_public_is_not_fetched(address: str) -> None:
    def answer(request: Request) -> Reply:
        return json_reply({"data": [{"url": address.format(port=request.headers["host"].partition(":")[2])}]})

    async with maker_before(answer) as (maker, server):
        with pytest.raises(BadAnswer):
            await maker.draw(REQUEST)
        assert len(server.requests) == 1


async def test_a_redirect_is_not_followed() -> None:
    def answer(request: Request) -> Reply:
        if request.method == "GET":
            return Reply(status=302, headers={"location": "http://169.254.169.254/"})
        return json_reply({"data": [{"url": f"http://{request.headers['host']}/1.png"}]})

    async with maker_before(answer, allow="127.0.0.1") as (maker, server):
        with pytest.raises(PermanentError, match="picture host answered HTTP 302"):
            await maker.draw(REQUEST)
        assert len(server.requests) == 2


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.mark.parametrize(
    "reply",
    [
        sent(SVG),
        sent(b"GIF89a" + bytes(100)),
        sent(b"not a picture"),
        sent(b""),
        sent(picture()[:200]),
        sent(png_that_claims(50_000, 50_000)),
        sent(picture((8, 8))),
        json_reply({"data": [{"b64_json": "%%%"}]}),
        json_reply({"data": [{"b64_json": ""}]}),
        json_reply({"data": [{"b64_json": 7}]}),
        json_reply({"data": []}),
        json_reply({"data": [None]}),
        json_reply({"error": {"message": "content policy"}}),
        json_reply([]),
        Reply(body=b"<html>"),
        Reply(body=b"[" * 100_000),
        Reply(body=b"\xff" * 100),
    ],
)
async def test_an_answer_that_is_no_picture_is_a_bad_answer(reply: Reply) -> None:
    async with maker_before(always(reply)) as (maker, _):
        with pytest.raises(BadAnswer, match=r"^image provider sent "):
            await maker.draw(REQUEST)


async def test_an_answer_without_end_is_cut_off() -> None:
    endless = Reply(body=b'{"data": "' + b"x" * (12 * 1024 * 1024 + 1))
    async with maker_before(always(endless)) as (maker, _):
        with pytest.raises(BadAnswer, match="larger than"):
            await maker.draw(REQUEST)


@pytest.mark.parametrize("handler", [always(hang()), always(dribble())], ids=["never", "slowly"])
async def test_a_server_that_does_not_come_to_an_end_is_a_timeout(handler: Handler) -> None:
    async with maker_before(handler, seconds=0.3) as (maker, _):
        with pytest.raises(ProviderTimeout, match="image provider timeout"):
            await maker.draw(REQUEST)


async def test_a_picture_host_that_hangs_is_a_timeout() -> None:
    def answer(request: Request) -> Reply:
        return (
            hang()
            if request.method == "GET"
            else json_reply({"data": [{"url": f"http://{request.headers['host']}/1"}]})
        )

    async with maker_before(answer, allow="127.0.0.1", seconds=0.5) as (maker, _):
        with pytest.raises(ProviderTimeout, match="picture host timeout"):
            await maker.draw(REQUEST)


async def test_a_server_that_is_not_there_or_hangs_up_gave_no_answer() -> None:
    async with maker_before(always(cut())) as (maker, _):
        with pytest.raises(NoAnswer):
            await maker.draw(REQUEST)
    async with provider_client() as client:
        maker = OpenAiImageMaker(client, client, refused_url())
        with pytest.raises(NoAnswer, match="image provider could not be reached"):
            await maker.draw(REQUEST)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("size", [(1024, 1024), (1792, 1024), (40, 1000)])
def test_pictures_of_the_three_kinds_are_taken(kind: str, size: tuple[int, int]) -> None:
    image = opened(reencoded(picture(size, kind)))
    assert max(image.size) <= 1200
    assert image.width / image.height == pytest.approx(size[0] / size[1], rel=0.05)


def test_the_worst_picture_is_scaled_down_until_it_fits() -> None:
    image = opened(reencoded(noise(1400, 1000)))
    assert image.width > 100
    assert image.width / image.height == pytest.approx(1.4, rel=0.05)


def test_nothing_but_pixels_survives() -> None:
    hidden = PngInfo()
    hidden.add_text("Comment", "made at 52.5N 13.4E")
    exif = Pixels.Exif()
    exif[0x010E] = "made at 52.5N 13.4E"
    for content in (picture(pnginfo=hidden, icc_profile=b"x" * 500), picture(kind="JPEG", exif=exif, comment=b"52.5N")):
        assert b"52.5N" in content
        image = reencoded(content)
        assert not {"exif", "icc_profile", "xmp", "Comment"} & opened(image).info.keys()
        assert b"52.5N" not in image.content


def test_a_lying_picture_is_put_upright_and_a_transparent_one_on_white() -> None:
    exif = Pixels.Exif()
    exif[0x0112] = 6
    assert opened(reencoded(picture((600, 300), "JPEG", exif=exif))).size == (300, 600)
    clear = opened(reencoded(picture(mode="RGBA"))).convert("RGB").getpixel((5, 5))
    assert clear == (255, 255, 255)


@pytest.mark.parametrize("mode", ["L", "P", "1", "I;16", "LA", "CMYK"])
def test_pictures_of_every_mode_are_taken(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    buffer = BytesIO()
    Pixels.new(mode, (300, 200)).save(buffer, kind)
    assert opened(reencoded(buffer.getvalue())).size == (300, 200)


def test_size_is_checked_before_a_pixel_is_decoded() -> None:
    side = int(MAX_PIXELS**0.5) + 1
    for content in (
        png_that_claims(side, side),
        png_that_claims(60_000, 60_000),
        png_that_claims(2**31 - 1, 2**31 - 1),
    ):
        with pytest.raises(UnusableImage):
            reencoded(content)
