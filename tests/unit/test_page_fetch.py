"""The page fetcher of the website analysis: what it refuses and in which words (F28), with a spy on every connect()."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import threading
from collections.abc import Sequence

import pytest
import trustme

from jobline_worker.providers.pages import PageUnreadable
from jobline_worker.providers.pages.addresses import AllowList
from jobline_worker.providers.pages.fetcher import WEBSITE_LIMITS, FetchLimits, SafePageFetcher
from jobline_worker.providers.pages.transport import resolve_with_system
from support.connect_spy import connects
from support.name_server import PUBLIC_HOST, Resolver, names
from support.provider_servers import Reply, always, dribble, hang, html, in_turn, serve, status

ALLOW = AllowList.parse(PUBLIC_HOST)
PAGE = html("<title>Hello</title><p>Grüße")
MIB = 1024 * 1024


def fetcher(resolve: Resolver | None = None, limits: FetchLimits = WEBSITE_LIMITS) -> SafePageFetcher:
    return SafePageFetcher(ALLOW, limits, resolve or names())


async def reason(url: str, resolve: Resolver | None = None, limits: FetchLimits = WEBSITE_LIMITS) -> str:
    with pytest.raises(PageUnreadable) as refusal:
        await fetcher(resolve, limits).fetch(url)
    return str(refusal.value)


def test_the_limits_are_those_of_the_jobs_api() -> None:
    assert FetchLimits(seconds=15.0, max_bytes=2 * MIB, plain_text=False) == WEBSITE_LIMITS
    assert WEBSITE_LIMITS.media_types == ("text/html", "application/xhtml+xml")


async def test_a_page_comes_as_it_was_served_with_the_address_that_answered_in_the_end() -> None:
    moved = Reply(302, headers={"location": "/new?x=1"})
    async with serve(in_turn(moved, PAGE)) as server:
        page = await fetcher().fetch(f"http://{PUBLIC_HOST}:{server.port}/old")
    assert page.url == f"http://{PUBLIC_HOST}:{server.port}/old"
    assert page.final_url == f"http://{PUBLIC_HOST}:{server.port}/new?x=1"
    assert page.content_type == PAGE.headers["content-type"]
    assert page.body == PAGE.body


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://2130706433:{port}/",
        "http://017700000001:{port}/",
        "http://0x7f000001:{port}/",
        "http://127.1:{port}/",
        "http://0.0.0.0:{port}/",
        "http://[::1]:{port}/",
        "http://[::]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://[64:ff9b::7f00:1]:{port}/",
        "http://[2002:7f00:1::1]:{port}/",
        "http://localhost:{port}/",
        "http://localhost.:{port}/",
        "http://LOCALHOST:{port}/",
        "http://１２７.0.0.1:{port}/",
        "http://127。0。0。1:{port}/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/",
        "http://10.0.0.1/",
        "http://100.64.0.1/",
    ],
)
async def test_no_spelling_of_a_private_address_is_connected_to(url: str) -> None:
    async with serve(always(PAGE)) as server:
        with connects() as seen:
            words = await reason(url.format(port=server.port), resolve_with_system)
    # Not every system's resolver knows every disguise.
    assert words in ("the address is not public", "the host name cannot be resolved", "not a valid web address")
    # Resolving may open a datagram socket to compare routes (port 0 or 53); nothing is ever connected to the server.
    assert server.connections == 0
    assert [port for _, port in seen if port not in (0, 53)] == []


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("file:///etc/passwd", "only http and https are fetched"),
        ("ftp://public.test/", "only http and https are fetched"),
        ("javascript:alert(1)", "only http and https are fetched"),
        ("data:text/html,hello", "only http and https are fetched"),
        ("//public.test/", "only http and https are fetched"),
        ("http://user@public.test:8080/", "an address with a user name is not fetched"),
        ("http://public.test:8080@127.0.0.1:8080/", "an address with a user name is not fetched"),
        ("http://public.test:22/", "only the ports 80, 443 and those above 1023 are fetched"),
        ("http://public.test:99999/", "only the ports 80, 443 and those above 1023 are fetched"),
        ("http://public.test:8080:8080/", "not a valid web address"),
        ("http://\x00/", "not a valid web address"),
        ("http://xn--a/", "not a valid web address"),
        ("http://metadata.google.internal/", "the host name cannot be resolved"),
        ("http://empty.test/", "the host name cannot be resolved"),
        ("http://mixed.test/", "the address is not public"),
        ("http://odd.test/", "the address is not public"),
    ],
)
async def test_an_address_that_is_not_a_plain_public_web_address_is_refused_without_connecting(
    url: str, words: str
) -> None:
    resolve = names(mixed=["93.184.216.34", "10.0.0.1"], odd=["not-an-address"], empty=[])
    with connects() as seen:
        assert await reason(url, resolve) == words
    assert seen == []


async def test_a_name_server_that_changes_its_mind_reaches_no_address_that_was_not_checked() -> None:
    asked: list[str] = []

    async def flipping(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    only_first = SafePageFetcher(AllowList.parse("127.0.0.1/32"), WEBSITE_LIMITS, flipping)
    async with serve(in_turn(Reply(302, headers={"location": "/again"}))) as server:
        with connects() as seen, pytest.raises(PageUnreadable, match="not public"):
            await only_first.fetch(f"http://rebind.test:{server.port}/")
    assert asked == ["rebind.test", "rebind.test"]
    assert set(seen) == {("127.0.0.1", server.port)}


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("http://private.test:{port}/", "the address is not public (after a redirect)"),
        ("http://127.0.0.1:{port}/", "the address is not public (after a redirect)"),
        ("http://169.254.169.254/latest/meta-data/", "the address is not public (after a redirect)"),
        ("//private.test:{port}/", "the address is not public (after a redirect)"),
        ("ftp://public.test/", "only http and https are fetched (after a redirect)"),
        ("http://public.test:22/", "only the ports 80, 443 and those above 1023 are fetched (after a redirect)"),
        ("http://user:word@public.test/", "an address with a user name is not fetched (after a redirect)"),
        ("http://unknown.test/", "the host name cannot be resolved"),
        ("http://[broken", "the host name cannot be resolved"),
        ("/" + "a" * 2048, "a redirect leads to an address of more than 2048 characters"),
    ],
)
async def test_a_redirect_is_checked_like_the_first_address(target: str, words: str) -> None:
    resolve = names(private=["127.0.0.1"], **{"127": ["127.0.0.1"], "169": ["169.254.169.254"]})
    async with serve(always(PAGE)) as inner:
        moved = Reply(302, headers={"location": target.format(port=inner.port)})
        async with serve(always(moved)) as outer:
            with connects() as seen:
                assert await reason(f"http://{PUBLIC_HOST}:{outer.port}/", resolve) == words
        assert {port for _, port in seen} == {outer.port}
        assert inner.connections == 0


async def test_five_redirects_are_followed_and_a_sixth_is_not() -> None:
    moved = Reply(301, headers={"location": "/next"})
    async with serve(in_turn(*[moved] * 5, PAGE)) as server:
        assert (await fetcher().fetch(f"http://{PUBLIC_HOST}:{server.port}/")).body == PAGE.body
    async with serve(always(moved)) as server:
        assert await reason(f"http://{PUBLIC_HOST}:{server.port}/") == "more than 5 redirects"
        assert len(server.requests) == 6


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (status(503), "HTTP 503"),
        (status(404), "HTTP 404"),
        (Reply(204), "HTTP 204"),
        (Reply(body=b"%PDF-1.7", headers={"content-type": "application/pdf"}), "not an HTML page"),
        (Reply(body=b"hello", headers={"content-type": "text/plain"}), "not an HTML page"),
        (Reply(body=b"hello", headers={"content-type": ""}), "not an HTML page"),
        (html("x" * (2 * MIB + 1)), "larger than 2 MiB"),
        (
            Reply(
                body=gzip.compress(b"\0" * 10_000_000),
                headers={"content-type": "text/html", "content-encoding": "gzip"},
            ),
            "larger than 2 MiB",
        ),
        (
            Reply(body=b"<p>hi", headers={"content-type": "text/html", "content-encoding": "br"}),
            "the page's compression cannot be read",
        ),
        (
            Reply(body=b"<p>hi", headers={"content-type": "text/html", "content-encoding": "gzip"}),
            "the page's compression cannot be read",
        ),
        (
            Reply(body=b"<p>", headers=PAGE.headers, then="cut"),
            "the server broke off its answer, or it does not speak HTTP",
        ),
    ],
)
async def test_what_is_wrong_with_an_answer_is_said_in_plain_words(reply: Reply, words: str) -> None:
    async with serve(always(reply)) as server:
        assert await reason(f"http://{PUBLIC_HOST}:{server.port}/") == words


async def test_exactly_two_mebibytes_are_read() -> None:
    async with serve(always(html("x" * (2 * MIB)))) as server:
        assert len((await fetcher().fetch(f"http://{PUBLIC_HOST}:{server.port}/")).body) == 2 * MIB


@pytest.mark.parametrize("content_type", ["text/html", "TEXT/HTML; charset=x", "application/xhtml+xml"])
async def test_html_is_known_by_its_content_type(content_type: str) -> None:
    async with serve(always(Reply(body=b"<p>hi", headers={"content-type": content_type}))) as server:
        page = await fetcher().fetch(f"http://{PUBLIC_HOST}:{server.port}/")
    assert page.content_type == content_type


@pytest.mark.parametrize("reply", [hang(), dribble(), Reply(body=b"<html>", headers=PAGE.headers, then="hang")])
async def test_the_time_counts_everything_however_a_server_dawdles(reply: Reply) -> None:
    quick = FetchLimits(seconds=0.2, plain_text=False)
    async with serve(always(reply)) as server:
        assert await reason(f"http://{PUBLIC_HOST}:{server.port}/", limits=quick) == "not read within 0.2 seconds"


async def test_a_server_that_is_not_there_is_not_reached_and_nothing_of_the_network_is_told() -> None:
    async with serve(always(PAGE)) as server:
        gone = server.port
    assert await reason(f"http://{PUBLIC_HOST}:{gone}/") == "the server cannot be reached"


async def test_a_server_without_a_trusted_certificate_is_not_read() -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert(PUBLIC_HOST).configure_cert(tls)
    async with serve(always(PAGE), tls=tls) as server:
        words = await reason(f"https://{PUBLIC_HOST}:{server.port}/")
    assert words == "no secure connection: the server's certificate is not valid, or it does not speak TLS"


async def test_names_that_take_for_ever_to_resolve_keep_no_other_work_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **more: answered.wait(60) and [])
    waiting = [asyncio.create_task(resolve_with_system("slow.test", 80)) for _ in range(64)]
    try:
        async with asyncio.timeout(20):
            assert await asyncio.to_thread(lambda: "done") == "done"
    finally:
        answered.set()
        await asyncio.gather(*waiting)
