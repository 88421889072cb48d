"""Reads a response body under a cap that also holds after decompression.

httpx decodes a whole network chunk at once, so a few kilobytes of a gzip bomb become tens of megabytes before any
length can be checked. Here the raw bytes are inflated with zlib's own output limit instead: no more than the cap and
one byte is ever produced.
"""

from __future__ import annotations

import zlib
from typing import Protocol

import httpx

__all__ = ["ACCEPT_ENCODING", "BodyTooLarge", "UnreadableBody", "read_body"]

#: What requests must ask for: these are the encodings that can be inflated under a limit.
ACCEPT_ENCODING = "gzip, deflate"


class BodyTooLarge(Exception):
    """The body is longer than the cap."""


class UnreadableBody(Exception):
    """The body is not what its Content-Encoding says, or uses one that was not asked for."""


class _Decoder(Protocol):
    def feed(self, data: bytes, room: int) -> bytes: ...


class _Identity:
    def feed(self, data: bytes, room: int) -> bytes:
        return data[:room]


class _Inflater:
    """gzip or zlib data; raw deflate (sent by some servers as `deflate`) is tried when the zlib header is missing."""

    def __init__(self, wbits: int) -> None:
        self._inflate = zlib.decompressobj(wbits)
        self._may_be_raw = wbits == zlib.MAX_WBITS

    def feed(self, data: bytes, room: int) -> bytes:
        try:
            produced = self._inflate.decompress(data, room)
        except zlib.error as error:
            if not self._may_be_raw:
                raise UnreadableBody("the compressed body is damaged") from error
            self._may_be_raw = False
            self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
            return self.feed(data, room)
        self._may_be_raw = False
        return produced


def _decoder(encoding: str) -> _Decoder:
    match encoding.strip().lower():
        case "" | "identity":
            return _Identity()
        case "gzip" | "x-gzip":
            return _Inflater(16 + zlib.MAX_WBITS)
        case "deflate":
            return _Inflater(zlib.MAX_WBITS)
        case other:
            raise UnreadableBody(f"the body has the content encoding {other[:40]!r}, which was not asked for")


async def read_body(response: httpx.Response, limit: int) -> bytes:
    """The decoded body of a streamed response, at most `limit` bytes.

    Raises BodyTooLarge as soon as byte `limit + 1` appears, UnreadableBody for a damaged or unknown encoding, and
    httpx.HTTPError when the connection breaks.
    """
    decoder = _decoder(response.headers.get("content-encoding", ""))
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += decoder.feed(chunk, limit + 1 - len(body))
        if len(body) > limit:
            raise BodyTooLarge(f"the body is larger than {limit} bytes")
    return bytes(body)
