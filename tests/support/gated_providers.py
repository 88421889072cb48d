"""The world outside of the e-mail pipeline as one real HTTP server, whose answers the test lets through one by one.

    with gated_providers() as providers:
        providers.hold("web_scraper", "Ada Lovelace")
        ...
        providers.wait_for("web_scraper", "Ada Lovelace")  # now the item is in that step, and stays there
        providers.release("web_scraper", "Ada Lovelace")

It is the language model, the search, the arXiv API and the web page that the search finds. A call belongs to the step
that makes it, so holding a call of a step holds the item in it: no test has to guess how long a step takes. Written on
threads, because tests that start and kill processes have no event loop to share.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from support.eventually import eventually_blocking

__all__ = ["CUT", "STEPS", "Call", "GatedHandler", "GatedProviders", "gated_providers", "said", "served"]

STEPS = ("template_parser", "web_scraper", "arxiv_helper", "email_composer")

#: What `answer` takes for "the connection ends without an answer"; every other number is an HTTP status.
CUT = 0

_NO_PAPERS = '<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"></feed>'
_NAME_IN_PROMPT = re.compile(r'^name:\n<<<DATA\n(".*")\nDATA>>>$', re.MULTILINE)
_LETTER = "I have followed what you do for years, and I would be glad to hear what you work on now. " * 4


@dataclass(frozen=True)
class Call:
    """One call of a provider: the step that makes it, and the text that says for whom."""

    step: str
    text: str

    def is_for(self, wanted: Call) -> bool:
        """Whether it is of the wanted step, and its text contains the wanted one."""
        return self.step == wanted.step and wanted.text in self.text


class GatedProviders:
    """What the calls were, which of them wait, and what they will be answered. Safe to use from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._calls: list[Call] = []
        self._held: set[Call] = set()
        self._statuses: dict[Call, int] = {}
        self._closed = False
        self._pace: Callable[[], object] = bool
        self.url = ""

    @property
    def settings(self) -> dict[str, str]:
        """The settings that send a worker here."""
        return {
            "JOBLINE_LLM_URL": f"{self.url}/llm",
            "JOBLINE_SEARCH_URL": self.url,
            "JOBLINE_ARXIV_URL": f"{self.url}/arxiv",
            "JOBLINE_ALLOW_PRIVATE_URLS": "127.0.0.1",
        }

    def hold(self, step: str, recipient: str = "") -> None:
        """Calls of the step wait from now on: those for this recipient, or all of them."""
        with self._changed:
            self._held.add(Call(step, recipient))

    def release(self, step: str, recipient: str = "") -> None:
        """Takes a `hold` with the same arguments back."""
        with self._changed:
            self._held.discard(Call(step, recipient))
            self._changed.notify_all()

    def keep_pace_with(self, pace: Callable[[], object]) -> None:
        """From now on every answer comes only after `pace` has returned."""
        self._pace = pace

    def answer(self, step: str, status: int, recipient: str = "") -> None:
        """What calls of the step get, for this recipient or for all: 200 for a good answer, an error status, or CUT."""
        with self._changed:
            self._statuses[Call(step, recipient)] = status

    def calls(self, step: str, recipient: str = "") -> int:
        """How many calls the step has made, for one recipient or for all."""
        with self._changed:
            return sum(call.is_for(Call(step, recipient)) for call in self._calls)

    def wait_for(self, step: str, recipient: str, within: float = 60.0, more_than: int = 0) -> None:
        """Returns once the step has called for this recipient, more often than so."""
        what = f"{step} calls for {recipient}"
        eventually_blocking(lambda: self.calls(step, recipient) > more_than, within=within, what=what)

    def close(self) -> None:
        """Whatever waits is let go, so that the server can end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def handle(self, call: Call) -> int:
        """Takes a call in, waits for its turn, and says with which status to answer."""
        self._pace()
        with self._changed:
            self._calls.append(call)
            self._changed.wait_for(lambda: self._closed or not any(call.is_for(gate) for gate in self._held))
            statuses = (status for wanted, status in self._statuses.items() if call.is_for(wanted))
            return CUT if self._closed else next(statuses, 200)


class GatedHandler(BaseHTTPRequestHandler):
    """Takes calls through the gates, and answers those that the test lets through."""

    server: _Server

    def provider(self, step: str, text: str, answer: str) -> None:
        """Answers a call of the step well, or with the error the test wants, when it is let through."""
        status = self.server.providers.handle(Call(step, text))
        if status != CUT:
            self.send(status, "application/json", (answer if status == 200 else "out of order").encode())

    def send(self, status: int, media_type: str, body: bytes) -> None:
        # Whoever asked may have been killed in the meantime.
        with contextlib.suppress(ConnectionError):
            self.send_response(status)
            self.send_header("content-type", media_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Calls are kept, not printed."""


class _EmailWorld(GatedHandler):
    """Tells the provider and the step from the request."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        prompt = asked["messages"][-1]["content"]
        found = _NAME_IN_PROMPT.search(prompt)
        name = json.loads(found[1]) if found else ""
        if asked["response_format"]["json_schema"]["name"] == "email_search_terms":
            self.provider("template_parser", name, said({"search_terms": [name]}))
        else:
            letter = {"email": f"Dear {name},\n\n{_LETTER}", "is_confident": True}
            self.provider("email_composer", name, said(letter))

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if parts.path == "/search":
            hit = {"url": f"{self.server.providers.url}/page", "title": query["q"], "content": "A snippet."}
            self.provider("web_scraper", query["q"], json.dumps({"results": [hit]}))
        elif parts.path == "/arxiv":
            self.provider("arxiv_helper", query["search_query"], _NO_PAPERS)
        else:
            self.send(200, "text/html", b"<article><p>They have designed engines since 1843.</p></article>")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, providers: GatedProviders, handler: type[GatedHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.providers = providers


def said(value: dict[str, Any]) -> str:
    """A chat completion whose text is this JSON."""
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": json.dumps(value)}}]})


@contextlib.contextmanager
def served(providers: GatedProviders, handler: type[GatedHandler]) -> Iterator[None]:
    """The providers at a free port of 127.0.0.1, which their `url` names."""
    server = _Server(providers, handler)
    providers.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, name="gated providers", daemon=True)
    thread.start()
    try:
        yield
    finally:
        providers.close()
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def gated_providers() -> Iterator[GatedProviders]:
    """Those of the e-mail pipeline; nothing is held, everything is answered well."""
    providers = GatedProviders()
    with served(providers, _EmailWorld):
        yield providers
