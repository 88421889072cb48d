"""The token verifier against tokens made by friends and by attackers, with real keys."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from jobline_gateway.auth import Claims, TokenRejectedError, TokenVerifier
from jobline_gateway.keys import PublishedKeys, SecretKey
from support.provider_servers import always, json_reply, serve

SECRET = "a-secret-of-more-than-thirty-two-characters"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
RSA_JWK = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(RSA_KEY.public_key())), "kid": "one"}


def claims(**changes: Any) -> dict[str, Any]:
    """Good claims with changes; None removes a claim."""
    merged = {"sub": "user-1", "exp": int(time.time()) + 3600, **changes}
    return {name: value for name, value in merged.items() if value is not None}


def signed(payload: Any, **header: Any) -> str:
    """An HS256 token made by hand, so that it may hold what a library would refuse to sign."""
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return by_hand({"alg": "HS256", "typ": "JWT", **header}, content, SECRET.encode())


def by_hand(header: dict[str, Any], content: bytes, key: bytes) -> str:
    text = f"{b64(json.dumps(header).encode())}.{b64(content)}"
    return f"{text}.{b64(hmac.new(key, text.encode(), hashlib.sha256).digest())}"


def b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


async def verify(token: str, audience: str = "") -> Claims:
    return await TokenVerifier(SecretKey(SECRET), audience).verify(token)


async def refusal(token: str, audience: str = "") -> str:
    with pytest.raises(TokenRejectedError) as caught:
        await verify(token, audience)
    return str(caught.value)


async def test_a_token_of_the_documented_shape_gives_its_claims() -> None:
    payload = claims(email="a@example.org", app_metadata={"role": "manager", "businesses": {"b1": "owner"}})
    found = await verify(signed(payload))
    assert (found.sub, found.email, found.role, found.businesses) == (
        "user-1",
        "a@example.org",
        "manager",
        {"b1": "owner"},
    )
    assert found.caller().businesses == {"b1": "owner"}


async def test_claims_that_are_left_out_have_their_defaults() -> None:
    found = await verify(signed(claims()))
    assert (found.email, found.role, found.businesses) == ("", "user", {})


async def test_null_is_the_same_as_left_out() -> None:
    payload = claims() | {"email": None, "app_metadata": {"role": None, "businesses": None}}
    found = await verify(signed(payload))
    assert (found.email, found.role, found.businesses) == ("", "user", {})


async def test_a_role_that_jobline_does_not_know_gives_no_rights() -> None:
    assert (await verify(signed(claims(app_metadata={"role": "superuser"})))).role == "user"


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (signed(claims(exp=int(time.time()) - 1)), "expired"),
        (signed(claims(nbf=int(time.time()) + 86_400)), "not valid yet"),
        (signed(claims(exp=None)), "no exp"),
        (signed(claims(sub=None)), "no sub"),
        (signed(claims(sub=7)), "invalid sub"),
        (signed(claims(sub="")), "invalid sub"),
        (signed(claims(sub="x" * 256)), "invalid sub"),
        (signed(claims(sub="a\0b")), "invalid sub"),
        (signed(claims(sub="\ud800")), "invalid sub"),
        (by_hand({"alg": "HS256"}, json.dumps(claims()).encode(), b"another secret"), "wrong signature"),
        (signed(claims(), alg="none"), "wrong algorithm"),
        (signed(claims(), alg="NONE"), "wrong algorithm"),
        (signed(claims(), alg="nOnE"), "wrong algorithm"),
        (signed(claims(), alg="hs256"), "wrong algorithm"),
        (signed(claims(), alg="HS512"), "wrong algorithm"),
        (signed(claims(), alg=None), "wrong algorithm"),
        (signed(claims(), alg=["HS256"]), "wrong algorithm"),
        (signed(claims(), kid=7), "malformed"),
        (signed(claims(), crit=["exp"]), "malformed"),
        (signed(claims(), b64=False, crit=["b64"]), "malformed"),
        ("", "malformed"),
        ("a", "malformed"),
        ("a.b.c", "malformed"),
        ("é.é.é", "malformed"),
        ("....", "malformed"),
        (signed(b"[]"), "malformed"),
        (signed(b"not json"), "malformed"),
        (signed(b'{"sub":"u","exp":Infinity}'), "malformed"),
        (signed(b'{"sub":"u","exp":NaN}'), "malformed"),
        (signed(b'{"sub":"u","exp":' + b"9" * 4000 + b"}"), "invalid claims"),
        (signed(b'{"sub":"u","exp":{}}'), "malformed"),
        (signed(claims(exp="9999999999")), "invalid claims"),
        (signed(b"[" * 3000), "malformed"),
        (signed(claims(pad="x" * 9000)), "too long"),
        ("x" * 100_000, "too long"),
        (signed(claims(email=7)), "invalid claims"),
        (signed(claims(email="\udfff")), "invalid claims"),
        (signed(claims(app_metadata=[])), "invalid claims"),
        (signed(claims(app_metadata={"role": ["admin"]})), "invalid claims"),
        (signed(claims(app_metadata={"businesses": ["b1"]})), "invalid claims"),
        (signed(claims(app_metadata={"businesses": {"b1": {"role": "owner"}}})), "invalid claims"),
        (signed(claims(app_metadata={"businesses": {"b\0": "owner"}})), "invalid claims"),
    ],
    ids=lambda value: value if len(value) < 20 else None,
)
async def test_a_bad_token_is_refused_with_a_short_constant_reason(token: str, reason: str) -> None:
    assert await refusal(token) == reason


@pytest.mark.parametrize("segment", ["", b64(b"sig"), b64(hmac.new(b"", b"", hashlib.sha256).digest())])
@pytest.mark.parametrize("alg", ["none", "None", "NONE"])
async def test_an_unsigned_token_is_refused(alg: str, segment: str) -> None:
    token = f"{b64(json.dumps({'alg': alg}).encode())}.{b64(json.dumps(claims()).encode())}.{segment}"
    assert await refusal(token) == "wrong algorithm"


async def test_the_audience_is_checked_only_where_one_is_configured() -> None:
    assert (await verify(signed(claims(aud="anyone")))).sub == "user-1"
    assert (await verify(signed(claims(aud=["jobline", "x"])), "jobline")).sub == "user-1"
    assert await refusal(signed(claims(aud="anyone")), "jobline") == "wrong audience"
    assert await refusal(signed(claims()), "jobline") == "wrong audience"


async def test_a_numeric_jti_or_an_early_iat_locks_nobody_out() -> None:
    assert (await verify(signed(claims(jti=7, iat=int(time.time()) + 5)))).sub == "user-1"


def public_pem() -> bytes:
    return RSA_KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@pytest.mark.parametrize("key", [public_pem(), public_pem().strip(), json.dumps(RSA_JWK).encode()])
async def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(key: bytes) -> None:
    token = by_hand({"alg": "HS256", "kid": "one"}, json.dumps(claims()).encode(), key)
    async with serve(always(json_reply({"keys": [RSA_JWK]}))) as server:
        with pytest.raises(TokenRejectedError, match="wrong algorithm"):
            await TokenVerifier(PublishedKeys(server.url)).verify(token)
        assert server.requests == []


@pytest.mark.parametrize("place", ["jwk", "jku", "x5u", "x5c"])
async def test_a_key_that_the_token_brings_along_is_ignored(place: str) -> None:
    own = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    async with serve(always(json_reply({"keys": [RSA_JWK]}))) as server, serve(always(json_reply({}))) as evil:
        brought = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(own.public_key())) if place == "jwk" else evil.url
        token = jwt.encode(claims(), own, "RS256", headers={"kid": "one", place: brought})
        with pytest.raises(TokenRejectedError, match="wrong signature"):
            await TokenVerifier(PublishedKeys(server.url)).verify(token)
        assert evil.requests == []
