"""What a browser is shown at the monitor's address: to whom the page opens, how it is refused, and what it may load."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from support.gateway import bearer, gateway_client, user_token
from support.monitor_rest import API, HOSTILE, PAGE, SESSION, cookie, role
from support.queue_peers import queue_peer

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Elements(HTMLParser):
    """The elements of a page, as a browser's parser finds them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


async def shown(path: str = PAGE, method: str = "GET", **headers: str) -> httpx.Response:
    async with queue_peer() as peer, gateway_client(peer.address) as gateway:
        return await gateway.request(method, path, headers=headers)


def is_page(got: httpx.Response, status: int) -> bool:
    return (got.status_code, got.headers["content-type"]) == (status, "text/html; charset=utf-8")


@pytest.mark.parametrize("name", ["manager", "admin"])
async def test_the_page_opens_to_staff_by_cookie_and_by_header(name: str) -> None:
    for headers in (cookie(name), bearer(**role(name))):
        for path in (PAGE, f"{PAGE}/", f"{PAGE}?view=jobs&state=failed"):
            got = await shown(path, **headers)
            assert is_page(got, 200)
            page = Elements(got.text)
            assert page.named("script")[-1] == {"type": "module", "src": f"{PAGE}/assets/app.js"}
            assert page.named("link")[-1]["href"] == f"{PAGE}/assets/app.css"
            assert page.named("html") == [{"lang": "en"}]


async def test_without_a_token_the_page_is_a_form_that_leads_back() -> None:
    got = await shown(f"{PAGE}?view=jobs&owner=user%3Aann")
    assert is_page(got, 401)
    assert got.headers["www-authenticate"] == "Bearer"
    page = Elements(got.text)
    assert page.named("form") == [{"method": "post", "action": SESSION}]
    back, token = page.named("input")
    assert (back["name"], back["value"]) == ("next", f"{PAGE}?view=jobs&owner=user%3Aann")
    assert (token["name"], token["type"], token["autocomplete"]) == ("token", "password", "off")
    assert 'role="alert"' not in got.text


@pytest.mark.parametrize(
    ("claims", "text"),
    [
        ({"exp": 1}, "Invalid token: expired"),
        ({"sub": ""}, "Invalid token: invalid sub"),
        ({"email": 7}, "Invalid token: invalid claims"),
        (None, "Invalid token: malformed"),
    ],
    ids=["expired", "no sub", "claims", "nonsense"],
)
async def test_a_token_that_is_no_good_is_told_why(claims: dict[str, Any] | None, text: str) -> None:
    token = "nonsense" if claims is None else user_token(**{"sub": "user-1", **claims})
    got = await shown(cookie=f"session={token}")
    assert is_page(got, 401)
    assert f'<p role="alert">{text}</p>' in got.text
    assert token not in got.text


@pytest.mark.parametrize("name", ["user", "support"])
async def test_other_roles_are_told_which_ones_may_and_offered_the_form(name: str) -> None:
    got = await shown(f"{PAGE}?view=queues", **cookie(name))
    assert is_page(got, 403)
    assert f"Your token has the role {name}." in got.text
    assert Elements(got.text).named("input")[0]["value"] == f"{PAGE}?view=queues"


async def test_a_role_that_nobody_knows_is_no_more_than_a_user() -> None:
    got = await shown(**cookie(HOSTILE))
    assert got.status_code == 403
    assert "the role user." in got.text


@pytest.mark.parametrize("path", [f"{PAGE}/unknown", f"{PAGE}/unknown/deeper"])
async def test_an_unknown_page_is_a_page_too_once_one_is_inside(path: str) -> None:
    assert is_page(await shown(path), 401)
    got = await shown(path, **cookie("admin"))
    assert is_page(got, 404)
    assert "<h1>Not found</h1>" in got.text


async def test_a_wrong_method_names_the_right_one() -> None:
    got = await shown(method="POST", **cookie("admin"))
    assert is_page(got, 405)
    assert got.headers["allow"] == "GET"


async def test_without_the_queue_service_the_page_says_so() -> None:
    async with gateway_client("127.0.0.1:1") as gateway:
        got = await gateway.get(PAGE, headers=cookie("admin"))
    assert is_page(got, 503)
    assert "<h1>Service unavailable</h1>" in got.text


@pytest.mark.parametrize(
    ("method", "path", "as_role"),
    [
        ("GET", PAGE, "admin"),
        ("GET", PAGE, ""),
        ("GET", PAGE, "user"),
        ("GET", f"{PAGE}/unknown", "admin"),
        ("GET", SESSION, ""),
        ("POST", SESSION, ""),
        ("POST", f"{SESSION}/end", ""),
        ("GET", f"{API}/me", ""),
        ("GET", f"{API}/me", "admin"),
        ("GET", f"{PAGE}/assets/app.css", ""),
        ("GET", f"{PAGE}/assets/none.css", ""),
    ],
)
async def test_every_answer_has_the_headers_that_keep_it_to_itself(method: str, path: str, as_role: str) -> None:
    got = await shown(path, method, **(cookie(as_role) if as_role else {}))
    assert got.headers["content-security-policy"] == POLICY
    assert got.headers["x-frame-options"] == "DENY"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["referrer-policy"] == "same-origin"
    assert got.headers["cache-control"] == ("no-cache" if "/assets/" in path else "no-store")


async def test_other_surfaces_have_no_such_headers() -> None:
    assert "content-security-policy" not in (await shown("/health")).headers


@pytest.mark.parametrize(
    ("path", "as_role"),
    [(PAGE, "admin"), (PAGE, ""), (PAGE, "user"), (f"{PAGE}/x", "admin"), (SESSION, "")],
)
async def test_no_page_has_a_script_or_a_style_of_its_own_or_loads_from_elsewhere(path: str, as_role: str) -> None:
    got = await shown(path, **(cookie(as_role) if as_role else {}))
    page = Elements(got.text)
    for tag, attributes in page.found:
        assert tag != "style"
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
    assert all(script["src"] for script in page.named("script"))
    assert not re.search(r"<script[^>]*>[^<]", got.text)
    loaded = [element.get("src") or element.get("href") for _, element in page.found]
    assert all(address.startswith("/admin/") for address in loaded if address)


@pytest.mark.parametrize(
    "query",
    [
        '"><script>alert(1)</script>',
        "next=%22%3E%3Cimg+src%3Dx%3E",
        "{{7*7}}",
        "'><svg/onload=alert(1)>",
        "\u202e%00",
    ],
)
async def test_nothing_in_an_address_becomes_part_of_the_page(query: str) -> None:
    async with queue_peer() as peer, gateway_client(peer.address) as gateway:
        for path in (f"{PAGE}?{query}", f"{PAGE}/{query}", f"{SESSION}?next={query}"):
            for headers in ({}, cookie("user"), cookie("admin")):
                got = await gateway.get(path, headers=headers)
                page = Elements(got.text)
                assert {tag for tag, _ in page.found} <= {
                    *("html", "head", "meta", "title", "link", "script", "body", "main", "p", "h1", "form", "input"),
                    *("label", "button", "div", "noscript", "code", "a"),
                }
                assert [script for script in page.named("script") if "src" not in script] == []


async def test_a_raw_query_is_escaped_where_it_is_kept_and_dropped_where_no_browser_sends_it() -> None:
    """Over a raw scope: clients encode what browsers may not."""
    async with queue_peer() as peer, gateway_client(peer.address) as gateway:
        app: Any = gateway._transport.app  # type: ignore[attr-defined]
        for raw, kept in ((b'a="><script>1</script>', True), (b"a=\xff", False), (b"a=1\r\nx: y", False)):
            text = await raw_body(app, raw)
            [back, _] = Elements(text).named("input")
            assert back["value"] == (f"{PAGE}?{raw.decode()}" if kept else PAGE)
            assert "<script>1" not in text
            assert unescape(text).count(raw.decode("latin-1")) == (1 if kept else 0)


async def raw_body(app: Any, query: bytes) -> str:
    sent = bytearray()

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.extend(message.get("body", b""))

    scope = {
        "type": "http",
        "method": "GET",
        "path": PAGE,
        "raw_path": PAGE.encode(),
        "query_string": query,
        "headers": [],
        "scheme": "http",
        "server": ("gateway.test", 80),
    }
    await app(scope, receive, send)
    return sent.decode()


# ---- the files ------------------------------------------------------------------------------------------------------


async def test_the_files_of_the_page_are_open_to_all_and_asked_for_again_only_when_changed() -> None:
    async with gateway_client("127.0.0.1:1") as gateway:
        first = await gateway.get(f"{PAGE}/assets/app.css")
        assert (first.status_code, first.headers["content-type"]) == (200, "text/css; charset=utf-8")
        again = await gateway.get(f"{PAGE}/assets/app.css", headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        script = await gateway.get(f"{PAGE}/assets/app.js")
        assert script.headers["content-type"].startswith(("text/javascript", "application/javascript"))


@pytest.mark.parametrize("path", ["", "/", "/%2e%2e/paths.py", "/..%2fpages.py", "/none.js", "/%00", "/vendor"])
async def test_nothing_else_of_the_package_is_served(path: str) -> None:
    async with gateway_client("127.0.0.1:1") as gateway:
        got = await gateway.get(f"{PAGE}/assets{path}")
        assert got.status_code == 404
        assert "import" not in got.text


async def test_every_file_that_the_pages_name_is_there() -> None:
    async with queue_peer() as peer, gateway_client(peer.address) as gateway:
        for path, headers in ((PAGE, cookie("admin")), (PAGE, {}), (SESSION, {})):
            page = Elements((await gateway.get(path, headers=headers)).text)
            named = [each.get("src") or each.get("href") for each in (*page.named("script"), *page.named("link"))]
            assert len(named) >= 3
            assert {(await gateway.get(str(address))).status_code for address in named} == {200}


async def test_files_are_only_read() -> None:
    async with gateway_client("127.0.0.1:1") as gateway:
        got = await gateway.post(f"{PAGE}/assets/app.css")
        assert (got.status_code, got.headers["allow"]) == (405, "GET, HEAD")
