"""Signing in and out of the monitor: what the cookie is like, where one is led, and who may not send the form."""

from __future__ import annotations

import time
from http.cookies import Morsel, SimpleCookie
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from jobline.runtime import DEVELOPMENT_JWT_SECRET
from support.gateway import gateway_client, user_token
from support.monitor_rest import HOSTILE, PAGE, SESSION, role
from support.provider_servers import refused_url
from support.queue_peers import queue_peer


async def sent(
    content: dict[str, str], path: str = SESSION, *, headers: dict[str, str] | None = None, **settings: Any
) -> httpx.Response:
    async with gateway_client("127.0.0.1:1", **settings) as gateway:
        return await gateway.post(path, data=content, headers=headers)


def cookie_of(got: httpx.Response) -> Morsel[str]:
    [header] = got.headers.get_list("set-cookie")
    return SimpleCookie(header)["session"]


async def test_a_valid_token_becomes_a_cookie_that_ends_with_it_and_leads_back() -> None:
    token = user_token(**role("admin"))
    got = await sent({"token": f"  {token}\n", "next": f"{PAGE}?view=jobs&state=failed"})
    assert (got.status_code, got.headers["location"]) == (303, f"{PAGE}?view=jobs&state=failed")
    cookie = cookie_of(got)
    assert cookie.value == token
    assert (cookie["httponly"], cookie["samesite"].lower(), cookie["path"], cookie["domain"]) == (
        True,
        "strict",
        "/",
        "",
    )
    assert 3590 < int(cookie["max-age"]) <= 3600
    assert not cookie["secure"]


async def test_the_cookie_opens_the_page_and_after_signing_out_there_is_none() -> None:
    async with queue_peer() as peer, gateway_client(peer.address) as gateway:
        got = await gateway.post(SESSION, data={"token": user_token(**role("manager"))}, follow_redirects=True)
        assert (got.status_code, got.url.path) == (200, PAGE)
        got = await gateway.post(f"{SESSION}/end", headers={"origin": "http://gateway.test"})
        assert (got.status_code, got.headers["location"]) == (303, SESSION)
        ended = cookie_of(got)
        assert (ended.value, ended["max-age"], ended["path"], ended["httponly"]) == ("", "0", "/", True)
        assert not gateway.cookies
        assert (await gateway.get(PAGE)).status_code == 401


async def test_the_cookie_of_an_https_site_is_never_sent_without_it() -> None:
    content = {"token": user_token()}
    for got in (
        await sent(content, public_url="https://jobline.example"),
        await sent(content, "https://gateway.test" + SESSION),
        await sent({}, f"{SESSION}/end", public_url="https://jobline.example"),
    ):
        assert cookie_of(got)["secure"]
    assert not cookie_of(await sent(content, public_url="http://jobline.example"))["secure"]


async def test_a_token_that_never_seems_to_end_is_kept_as_long_as_browsers_keep_cookies() -> None:
    got = await sent({"token": user_token(exp=10**12)})
    assert cookie_of(got)["max-age"] == str(400 * 24 * 3600)


@pytest.mark.parametrize(
    ("token", "text"),
    [
        ("", "Enter a token"),
        ("nonsense", "Invalid token: malformed"),
        (user_token(exp=1), "Invalid token: expired"),
        (
            jwt.encode({"sub": "u", "exp": 9**12}, "another secret, of 32 characters or more", "HS256"),
            "wrong signature",
        ),
        ("x" * 9000, "Invalid token: too long"),
        (HOSTILE, "Invalid token: malformed"),
    ],
    ids=["none", "nonsense", "expired", "foreign", "too long", "hostile"],
)
async def test_a_token_that_is_no_good_is_answered_with_the_form(token: str, text: str) -> None:
    got = await sent({"token": token, "next": f"{PAGE}?view=jobs"})
    assert got.status_code == 401
    assert text in got.text
    assert f'value="{PAGE}?view=jobs"' in got.text
    assert "set-cookie" not in got.headers
    assert not token or token not in got.text


async def test_a_token_that_no_browser_would_keep_is_refused_rather_than_lost() -> None:
    token = user_token(note="x" * 3500)
    assert 4088 < len(token) < 8192
    got = await sent({"token": token})
    assert got.status_code == 401
    assert "longer than the 4088 characters" in got.text
    assert "set-cookie" not in got.headers


@pytest.mark.parametrize(
    "next_address",
    [
        "",
        "https://evil.example/",
        "//evil.example/admin/queue-monitor",
        "/\\evil.example",
        "/admin/queue-monitor.evil.example",
        "/admin/queue-monitor/../../x",
        "/admin/queue-monitor@evil.example",
        "/admin/queue-monitor?a=1\r\nset-cookie: x=1",
        "/admin/queue-monitor?\u2028",
        "/admin/queue-monitor?" + "x" * 3000,
        "javascript:alert(1)",
        "/docs",
    ],
)
async def test_nobody_is_led_elsewhere(next_address: str) -> None:
    got = await sent({"token": user_token(), "next": next_address})
    assert (got.status_code, got.headers["location"]) == (303, PAGE)
    async with gateway_client("127.0.0.1:1") as gateway:
        form = await gateway.get(SESSION, params={"next": next_address})
        assert (form.status_code, f'name="next" value="{PAGE}"' in form.text) == (200, True)


@pytest.mark.parametrize("path", [SESSION, f"{SESSION}/end"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "cross-site", "origin": "http://gateway.test"},
    ],
    ids=str,
)
async def test_another_site_can_neither_sign_anybody_in_nor_out(path: str, headers: dict[str, str]) -> None:
    got = await sent({"token": user_token()}, path, headers=headers)
    assert (got.status_code, "set-cookie" in got.headers) == (403, False)
    assert "<h1>Forbidden</h1>" in got.text


@pytest.mark.parametrize(
    "headers",
    [{"origin": "http://gateway.test"}, {"origin": "https://jobline.example"}, {"sec-fetch-site": "same-origin"}],
)
async def test_our_own_pages_can(headers: dict[str, str]) -> None:
    got = await sent({"token": user_token()}, headers=headers, public_url="https://jobline.example")
    assert got.status_code == 303


async def test_who_signs_in_with_too_small_a_role_is_told_so_by_the_page() -> None:
    async with queue_peer() as peer, gateway_client(peer.address) as gateway:
        got = await gateway.post(SESSION, data={"token": user_token(**role("support"))}, follow_redirects=True)
        assert (got.status_code, "the role support." in got.text) == (403, True)


async def test_a_form_of_another_kind_is_read_as_far_as_it_goes() -> None:
    async with gateway_client("127.0.0.1:1") as gateway:
        token = user_token()
        assert (await gateway.post(SESSION, files={"token": (None, token)})).status_code == 303
        for content, kind, status in (
            (b'{"token": "x"}', "application/json", 401),
            (b"--x\r\nnonsense", "multipart/form-data; boundary=x", 401),
            (b"--x", "multipart/form-data", 400),
            (b"\xff\xfe=%ff&token=%ff", "application/x-www-form-urlencoded", 401),
            (b"token=" + b"x" * 70_000, "application/x-www-form-urlencoded", 413),
        ):
            got = await gateway.post(SESSION, content=content, headers={"content-type": kind})
            assert got.status_code == status
            assert got.headers["content-type"] == "text/html; charset=utf-8"
        got = await gateway.post(SESSION, files={"token": ("token.txt", token)})
        assert got.status_code == 400


async def test_a_cookie_holds_nothing_but_the_token() -> None:
    """What a lenient decoder skips in a signature must not become an attribute of the cookie."""
    got = await sent({"token": user_token() + "; Domain=evil.example"})
    assert got.status_code in (303, 401)
    for header in got.headers.get_list("set-cookie"):
        assert SimpleCookie(header)["session"]["domain"] == ""


async def test_while_no_key_can_be_had_nobody_can_be_judged() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    token = jwt.encode({"sub": "u", "exp": 9**12}, key, "ES256", headers={"kid": "k"})
    got = await sent({"token": token}, jwks_url=refused_url())
    assert (got.status_code, "set-cookie" in got.headers) == (503, False)
    assert "<h1>Service unavailable</h1>" in got.text


async def test_a_wrong_method_names_the_right_ones() -> None:
    async with gateway_client("127.0.0.1:1") as gateway:
        assert (await gateway.delete(SESSION)).headers["allow"] == "GET, POST"
        assert (await gateway.get(f"{SESSION}/end")).headers["allow"] == "POST"


async def test_a_token_about_to_end_is_a_cookie_about_to_end() -> None:
    token = jwt.encode({"sub": "u", "exp": int(time.time()) + 90}, DEVELOPMENT_JWT_SECRET, "HS256")
    assert 80 < int(cookie_of(await sent({"token": token}))["max-age"]) <= 90
