"""What the HTTP APIs for messages share: one POST, whose every way to go wrong becomes a sentence for people."""

from __future__ import annotations

import json
from typing import Any

import httpx

from jobline_worker.providers.errors import BadAnswer, NoAnswer, ProviderTimeout, excerpt
from jobline_worker.providers.http import Answer, HttpProvider
from jobline_worker.providers.messages.failures import DeliveryFailed, DeliveryTimeout

__all__ = ["MessageApi", "fields"]


class MessageApi:
    """One provider's API: the name in its failures (`{name} API error: …`), what must never be repeated, its limit."""

    def __init__(self, client: httpx.AsyncClient, name: str, secrets: tuple[str, ...], timeout: float) -> None:
        self._http = HttpProvider(client, "the service", timeout)
        self._name = name
        self._secrets = secrets

    async def ask(self, request: httpx.Request) -> Answer:
        """The complete answer, whatever its status. Raises DeliveryError when there is none."""
        try:
            return await self._http.exchange(request)
        except ProviderTimeout as error:
            raise DeliveryTimeout from error
        except (NoAnswer, BadAnswer) as error:
            raise self.failed(str(error)) from error

    def failed(self, said: str) -> DeliveryFailed:
        return DeliveryFailed(f"{self._name} API", said, *self._secrets)

    def refused(self, answer: Answer, said: str) -> DeliveryFailed:
        """The failure for an answer that says no, in the provider's words where it has some.

        A page for people is not repeated: it says nothing about the message.
        """
        if said:
            return self.failed(said)
        text = answer.body.decode("utf-8", "replace")
        page = "html" in answer.headers.get("content-type", "") or text.lstrip().startswith("<")
        rest = "" if page else excerpt(text, *self._secrets)
        return self.failed(f"HTTP {answer.status}" + (f": {rest}" if rest else ""))


def fields(answer: Answer) -> dict[str, Any]:
    """The fields of a JSON object; none where the answer is anything else."""
    try:
        value = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
