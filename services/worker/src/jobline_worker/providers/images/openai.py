"""Any server that speaks OpenAI's image generation: OpenAI, LocalAI, or a gateway before a diffusion model.

The picture is asked for inside of the answer (`b64_json`). Newer models refuse the parameter that says so, because they
know no other way: it is then left out for the life of the process. Servers that answer with an address instead are
taken at their word no more than any other page: it is fetched without the key, from public addresses only unless the
operator allows others.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import re
from typing import Any

import httpx

from jobline_worker.providers.errors import BadAnswer, Refused
from jobline_worker.providers.http import HttpProvider
from jobline_worker.providers.images import Image, ImageRequest
from jobline_worker.providers.images.lettering import clean
from jobline_worker.providers.images.reencoding import UnusableImage, reencoded
from jobline_worker.providers.pages.transport import AddressRefused

__all__ = ["OpenAiImageMaker"]

logger = logging.getLogger(__name__)

#: A picture of a million pixels is up to 4 MB as PNG, and a third more in base64.
_MAX_ANSWER_BYTES = 12 * 1024 * 1024
#: The one size that all of OpenAI's models take.
_SIZE = "1024x1024"
_ABOUT_THE_FORMAT = re.compile(r"response_format|b64_json", re.IGNORECASE)
_MAX_PART = 400


class OpenAiImageMaker:
    """`POST {url}/images/generations` with a bearer key; one call a picture, `timeout` seconds each.

    `pictures` is the client for addresses in answers: it must refuse those that are not public.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        pictures: httpx.AsyncClient,
        url: str,
        model: str = "",
        api_key: str = "",
        timeout: float = 90.0,
    ) -> None:
        self._http = HttpProvider(client, "image provider", timeout, api_key, _MAX_ANSWER_BYTES)
        self._pictures = HttpProvider(pictures, "picture host", timeout, max_bytes=_MAX_ANSWER_BYTES)
        self._url = f"{url.rstrip('/')}/images/generations"
        self._model = {"model": model} if model else {}
        self._format = {"response_format": "b64_json"}

    async def draw(self, request: ImageRequest) -> Image:
        """The picture, encoded anew. Raises TransientError or PermanentError as providers/errors.py says."""
        answer = self._http.decode(await self._ask(_prompt(request)))
        content = await self._content(answer)
        try:
            return await asyncio.to_thread(reencoded, content)
        except UnusableImage as error:
            raise BadAnswer(f"image provider sent {error}") from error

    async def _ask(self, prompt: str) -> bytes:
        body = {**self._model, "prompt": prompt, "n": 1, "size": _SIZE}
        asked = self._format
        try:
            return await self._http.post_json(self._url, {**body, **asked})
        except Refused as refusal:
            if not asked or refusal.status not in (400, 422) or not _ABOUT_THE_FORMAT.search(refusal.body):
                raise
        logger.info("the image provider does not take response_format")
        self._format = {}
        return await self._http.post_json(self._url, body)

    async def _content(self, answer: Any) -> bytes:
        match answer:
            case {"data": [{"b64_json": str(encoded)}, *_]} if encoded:
                return _unwrapped(encoded)
            case {"data": [{"url": str(address)}, *_]} if address:
                return await self._fetched(address)
        raise BadAnswer("image provider sent an answer without data[0].b64_json or data[0].url")

    async def _fetched(self, address: str) -> bytes:
        try:
            return await self._pictures.get(address)
        except AddressRefused as error:
            raise BadAnswer(f"image provider's picture was not fetched: {error}") from error
        except (httpx.InvalidURL, UnicodeError) as error:
            raise BadAnswer("image provider sent an address that cannot be read") from error


def _unwrapped(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadAnswer("image provider sent a picture that is not base64") from error


def _prompt(request: ImageRequest) -> str:
    """What to paint. Letters are left out: image models cannot spell, and the title stands beside the picture anyway."""
    title, business, hint = (clean(part)[:_MAX_PART] for part in (request.title, request.business, request.hint))
    colors = ", ".join(clean(color)[:20] for color in request.colors)
    about = f" Context: {hint}." if hint else ""
    return (
        f"A friendly, professional flat illustration for an article titled “{title}” on the website of {business}.{about} "
        f"Use the brand colours {colors} on a calm background, one clear motif, generous empty space. "
        "No text, no letters, no logos, no watermark."
    )
