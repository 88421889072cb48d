"""An embedding server in OpenAI's dialect whose vectors follow from the words of a text, and which can be made to fail.

    async with embedding_server(dimensions=64) as server:
        ... JOBLINE_EMBEDDINGS_URL=server.url ...
        server.failing = 0.5
        await server.die()
        await server.revive()

Texts with words in common get vectors that are near by cosine, so a search finds what it should without a model.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache

from support.provider_servers import Reply, Request, TestServer, json_reply, status

__all__ = ["EmbeddingServer", "embedding_server", "vector_of"]

_WORD = re.compile(r"\w+")


class EmbeddingServer:
    """Serves `POST {url}/embeddings` on a port that it keeps while it is dead. Every attribute may be changed at any time."""

    def __init__(self, dimensions: int) -> None:
        #: How many numbers its vectors have.
        self.dimensions = dimensions
        #: The share of requests that are answered with HTTP 500, spread evenly: 0.5 is every other one.
        self.failing = 0.0
        #: So many of the next requests are answered with HTTP 429 and this Retry-After (None: without the header).
        self.limited = 0
        self.retry_after: str | None = "1"
        #: Rewrites an answer before it is sent, for answers that are wrong on purpose.
        self.spoil: Callable[[Reply], Reply] | None = None
        #: The texts of every request that was answered with vectors, and how many requests came in all.
        self.embedded: list[list[str]] = []
        self.asked = 0
        #: The Authorization header of the last request.
        self.authorization = ""
        self._owed = 0.0
        self._http = TestServer(self._answer)
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """What JOBLINE_EMBEDDINGS_URL is to be."""
        return f"{self._http.url}/v1"

    async def die(self) -> None:
        """From now on connections are refused, until `revive`."""
        assert self._server is not None
        self._server.close()
        self._server = None

    async def revive(self) -> None:
        self._server = await asyncio.start_server(self._http.answer, "127.0.0.1", self._http.port)
        self._http.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self._http.closing.set()
        if self._server is not None:
            await self.die()

    def _answer(self, request: Request) -> Reply:
        # What was asked is kept in `embedded`: the raw requests of a large load would be kept twice.
        self._http.requests.clear()
        self.asked += 1
        self.authorization = request.headers.get("authorization", "")
        if request.path != "/v1/embeddings":
            return status(404, f"no such path: {request.path}")
        if self.limited:
            self.limited -= 1
            headers = {} if self.retry_after is None else {"retry-after": self.retry_after}
            return Reply(429, b'{"error":{"message":"Rate limit reached"}}', headers)
        self._owed += self.failing
        if self._owed >= 1:
            self._owed -= 1
            return Reply(500, b'{"error":{"message":"The model has failed"}}')
        return self._vectors(request)

    def _vectors(self, request: Request) -> Reply:
        body = request.json()
        data = [
            {"object": "embedding", "index": index, "embedding": vector_of(text, self.dimensions)}
            for index, text in enumerate(body["input"])
        ]
        self.embedded.append(body["input"])
        reply = json_reply({"object": "list", "model": body["model"], "data": data})
        return self.spoil(reply) if self.spoil else reply


@asynccontextmanager
async def embedding_server(dimensions: int = 1536) -> AsyncIterator[EmbeddingServer]:
    """The server on a free port of 127.0.0.1, until the block ends."""
    server = EmbeddingServer(dimensions)
    await server.revive()
    try:
        yield server
    finally:
        await server.close()


def vector_of(text: str, dimensions: int) -> list[float]:
    """A unit vector in which every word of the text adds to or takes from one number (feature hashing, Weinberger 2009)."""
    numbers = [0.0] * dimensions
    for word in _WORD.findall(text.lower()):
        place, sign = _place(word, dimensions)
        numbers[place] += sign
    length = math.hypot(*numbers)
    if not length:
        numbers[_place(text, dimensions)[0]] = length = 1.0
    return [round(number / length, 6) for number in numbers]


@cache
def _place(word: str, dimensions: int) -> tuple[int, float]:
    digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest[1:], "big") % dimensions, 1.0 if digest[0] & 1 else -1.0
