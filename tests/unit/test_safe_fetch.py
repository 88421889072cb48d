"""The safe page fetcher against hostile servers and name servers (F28), with a spy on every connect()."""

from __future__ import annotations

import datetime
import gzip
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from jobline_worker.providers.pages import PageUnreadable
from jobline_worker.providers.pages.addresses import AllowList
from jobline_worker.providers.pages.fetcher import FetchLimits
from jobline_worker.providers.pages.reader import SafePageReader
from jobline_worker.providers.pages.transport import resolve_with_system
from support.connect_spy import connects
from support.name_server import PUBLIC_HOST, Resolver, names
from support.provider_servers import Reply, always, cut, dribble, hang, html, in_turn, serve, status

HOST = PUBLIC_HOST
ALLOW = AllowList.parse(HOST)
PAGE = html(
    "<html><head><title>Ada Lovelace</title></head><body><article><p>Ada Lovelace wrote the first published program, "
    "for a machine that was never built. Her notes explain how it would compute Bernoulli numbers.</p></article></body>"
)


def reader(resolve: Resolver | None = None, seconds: float = 5.0, max_bytes: int = 1024 * 1024) -> SafePageReader:
    return SafePageReader(ALLOW, FetchLimits(seconds, max_bytes), resolve or names())


async def test_a_page_is_read_as_its_title_and_main_text() -> None:
    async with serve(always(PAGE)) as server:
        page = await reader().read(f"http://{HOST}:{server.port}/ada")
    assert page.title == "Ada Lovelace"
    assert "Bernoulli numbers" in page.text
    assert "<p>" not in page.text
    assert server.requests[0].headers["host"] == f"{HOST}:{server.port}"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://2130706433:{port}/",
        "http://017700000001:{port}/",
        "http://0x7f000001:{port}/",
        "http://0x7f.1:{port}/",
        "http://127.1:{port}/",
        "http://0.0.0.0:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://[::ffff:7f00:1]:{port}/",
        "http://[64:ff9b::7f00:1]:{port}/",
        "http://localhost:{port}/",
        "http://localhost.:{port}/",
        "http://LOCALHOST:{port}/",
        "http://localhost%2e:{port}/",
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
        with connects() as seen, pytest.raises(PageUnreadable):
            await reader(resolve_with_system).read(url.format(port=server.port))
    # Resolving may open a datagram socket to compare routes (port 0 or 53); nothing is ever connected to the server.
    assert server.connections == 0
    assert [port for _, port in seen if port not in (0, 53)] == []


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://public.test/",
        "gopher://public.test:8080/",
        "javascript:alert(1)",
        "data:text/html,hello",
        "//public.test/",
        "",
        "http://",
        "http:///etc/passwd",
        "http://user@public.test:8080/",
        "http://public.test:8080@127.0.0.1:8080/",
        "http://public.test:22/",
        "http://public.test:0/",
        "http://public.test:99999/",
        "http://public.test:8080:8080/",
        "http://exa mple/",
        "http://\x00/",
        "http://" + "a" * 70 + "\N{SNOWMAN}.test/",
    ],
)
async def test_an_address_that_is_not_a_plain_web_address_is_refused_without_connecting(url: str) -> None:
    with connects() as seen, pytest.raises(PageUnreadable):
        await reader().read(url)
    assert seen == []


async def test_one_private_address_among_the_hosts_addresses_refuses_all_of_them() -> None:
    resolve = names(mixed=["93.184.216.34", "10.0.0.1"])
    with connects() as seen, pytest.raises(PageUnreadable, match="not public"):
        await reader(resolve).read("http://mixed.test/")
    assert seen == []


async def test_an_answer_of_the_name_server_that_is_no_address_refuses_the_host() -> None:
    with pytest.raises(PageUnreadable, match="not public"):
        await reader(names(odd=["not-an-address"])).read("http://odd.test/")


async def test_the_checked_address_is_the_one_connected_to_though_the_name_server_changes_its_mind() -> None:
    asked: list[str] = []

    async def flipping(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    only_first = SafePageReader(AllowList.parse("127.0.0.1/32"), resolve=flipping)
    async with serve(always(PAGE)) as server:
        with connects() as seen:
            await only_first.read(f"http://rebind.test:{server.port}/")
        assert asked == ["rebind.test"]
        assert set(seen) == {("127.0.0.1", server.port)}
        with connects() as seen, pytest.raises(PageUnreadable, match="not public"):
            await only_first.read(f"http://rebind.test:{server.port}/")
        assert seen == []


@pytest.mark.parametrize(
    "target",
    [
        "http://private.test:{port}/",
        "http://127.0.0.1:{port}/",
        "//private.test:{port}/",
        "ftp://public.test/",
        "http://public.test:22/",
    ],
)
async def test_a_redirect_is_checked_like_the_first_address(target: str) -> None:
    resolve = names(private=["127.0.0.1"], **{"127": ["127.0.0.1"]})
    async with serve(always(PAGE)) as inner:
        moved = Reply(302, headers={"location": target.format(port=inner.port)})
        async with serve(always(moved)) as outer:
            with connects() as seen, pytest.raises(PageUnreadable):
                await reader(resolve).read(f"http://{HOST}:{outer.port}/")
        assert {port for _, port in seen} == {outer.port}
        assert inner.connections == 0


async def test_five_redirects_are_followed_and_a_sixth_is_not() -> None:
    moved = Reply(301, headers={"location": "/next"})
    async with serve(in_turn(*[moved] * 5, PAGE)) as server:
        assert "Bernoulli" in (await reader().read(f"http://{HOST}:{server.port}/")).text
    async with serve(always(moved)) as server:
        with pytest.raises(PageUnreadable, match="more than 5 redirects"):
            await reader().read(f"http://{HOST}:{server.port}/")
        assert len(server.requests) == 6


async def test_a_page_larger_than_the_cap_is_unreadable() -> None:
    async with serve(always(html("<p>" + "x" * 3000))) as server:
        with pytest.raises(PageUnreadable, match="larger than 2000 bytes"):
            await reader(max_bytes=2000).read(f"http://{HOST}:{server.port}/")


async def test_the_cap_counts_after_decompression_so_a_gzip_bomb_stops_at_it() -> None:
    bomb = gzip.compress(b"\0" * 300_000_000)
    headers = {"content-type": "text/html", "content-encoding": "gzip"}
    async with serve(always(Reply(body=bomb, headers=headers))) as server:
        with pytest.raises(PageUnreadable, match="larger than 1 MiB"):
            await reader().read(f"http://{HOST}:{server.port}/")


async def test_a_compressed_page_is_read() -> None:
    headers = {"content-type": "text/html", "content-encoding": "gzip"}
    async with serve(always(Reply(body=gzip.compress(PAGE.body), headers=headers))) as server:
        assert "Bernoulli" in (await reader().read(f"http://{HOST}:{server.port}/")).text


@pytest.mark.parametrize("reply", [hang(), dribble(), Reply(body=b"<html>", headers=PAGE.headers, then="hang")])
async def test_a_page_that_takes_too_long_is_unreadable_however_it_dawdles(reply: Reply) -> None:
    async with serve(always(reply)) as server:
        with pytest.raises(PageUnreadable, match=r"not read within 0\.2 seconds"):
            await reader(seconds=0.2).read(f"http://{HOST}:{server.port}/")


async def test_a_name_server_that_hangs_counts_in_the_time_of_the_page() -> None:
    async with serve(always(hang())) as server:

        async def hanging(host: str, port: int) -> Sequence[str]:
            await server.closing.wait()
            return []

        with pytest.raises(PageUnreadable, match="not read within"):
            await reader(hanging, seconds=0.1).read(f"http://{HOST}:{server.port}/")


@pytest.mark.parametrize(
    "reply",
    [
        status(404),
        status(500),
        cut(),
        Reply(204),
        Reply(body=b"%PDF-1.7", headers={"content-type": "application/pdf"}),
        Reply(body=b"{}"),
        Reply(body=b"hello", headers={"content-type": ""}),
        html(""),
        html("<html><body><script>alert(1)</script></body></html>"),
        Reply(body=b"<p>hi", headers={"content-type": "text/html", "content-encoding": "br"}),
        Reply(body=b"<p>hi", headers={"content-type": "text/html", "content-encoding": "gzip, gzip"}),
        Reply(302, headers={"location": "http://[broken"}),
    ],
)
async def test_whatever_else_is_wrong_with_a_page_it_is_unreadable(reply: Reply) -> None:
    async with serve(always(reply)) as server:
        with pytest.raises(PageUnreadable):
            await reader().read(f"http://{HOST}:{server.port}/")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("Karikó über Größe".encode(), "text/plain"),
        ("Karikó über Größe".encode("latin-1"), "text/plain; charset=ISO-8859-1"),
        ("<meta charset=iso-8859-1><p>Karikó über Größe".encode("latin-1"), "text/html"),
        ("\ufeffKarikó über Größe".encode("utf-16-le"), "text/plain"),
        ("Karikó über Größe".encode(), "text/plain; charset=no-such-thing"),
        ("Karikó über Größe".encode(), "text/plain; charset=punycode"),
    ],
)
async def test_the_character_set_is_found_where_it_is_declared_or_guessed(body: bytes, content_type: str) -> None:
    async with serve(always(Reply(body=body, headers={"content-type": content_type}))) as server:
        page = await reader().read(f"http://{HOST}:{server.port}/")
    assert page.text == "Karikó über Größe"


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(always(status(500))) as proxy, serve(always(PAGE)) as server:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        await reader().read(f"http://{HOST}:{server.port}/")
        assert proxy.connections == 0


async def test_the_certificate_must_be_the_names_though_the_connection_goes_to_an_address(tmp_path: Path) -> None:
    server_tls, trust = _certificate_for(HOST, tmp_path)
    resolve = names(other=["127.0.0.1"])
    tls_reader = SafePageReader(AllowList.parse(f"{HOST},other.test"), resolve=resolve, tls=trust)
    async with serve(always(PAGE), tls=server_tls) as server:
        assert "Bernoulli" in (await tls_reader.read(f"https://{HOST}:{server.port}/")).text
        with pytest.raises(PageUnreadable):
            await tls_reader.read(f"https://other.test:{server.port}/")


def _certificate_for(host: str, folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's TLS context with a certificate for the host, and a client's that trusts only that certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cadata=certificate.public_bytes(serialization.Encoding.PEM).decode())
