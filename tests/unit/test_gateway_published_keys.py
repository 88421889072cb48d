"""Verification keys from a key set that a real HTTP server publishes."""

import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from jobline_gateway.auth import KeysUnavailableError, TokenRejectedError, TokenVerifier
from jobline_gateway.keys import MAX_AGE, RETRY_PAUSE, UNKNOWN_KEY_FETCHES, UNKNOWN_KEY_WINDOW, PublishedKeys
from support.provider_servers import Reply, always, hang, in_turn, json_reply, refused_url, serve, status

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def rsa_jwk(kid: str, key: rsa.RSAPrivateKey = RSA_KEY, **changes: Any) -> dict[str, Any]:
    return {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())), "kid": kid, **changes}


def ec_jwk(kid: str, key: ec.EllipticCurvePrivateKey = EC_KEY, **changes: Any) -> dict[str, Any]:
    return {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())), "kid": kid, **changes}


def key_set(*keys: dict[str, Any]) -> Reply:
    return json_reply({"keys": list(keys)})


def token(key: Any, alg: str, kid: str | None = None) -> str:
    headers = {"kid": kid} if kid is not None else None
    return jwt.encode({"sub": "u", "exp": int(time.time()) + 60}, key, alg, headers=headers)


class Clock:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_rs256_and_es256_are_verified_with_the_key_that_the_kid_names() -> None:
    async with serve(always(key_set(rsa_jwk("r"), ec_jwk("e")))) as server:
        verifier = TokenVerifier(PublishedKeys(server.url))
        assert (await verifier.verify(token(RSA_KEY, "RS256", "r"))).sub == "u"
        assert (await verifier.verify(token(EC_KEY, "ES256", "e"))).sub == "u"
        assert len(server.requests) == 1


async def test_a_key_is_used_only_with_the_algorithm_of_its_type() -> None:
    async with serve(always(key_set(rsa_jwk("r"), ec_jwk("e")))) as server:
        verifier = TokenVerifier(PublishedKeys(server.url))
        for bad in (token(RSA_KEY, "RS256", "e"), token(EC_KEY, "ES256", "r"), token(RSA_KEY, "PS256", "r")):
            with pytest.raises(TokenRejectedError, match="wrong algorithm"):
                await verifier.verify(bad)


@pytest.mark.parametrize(
    "entry",
    [
        {"kty": "oct", "kid": "x", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"},
        rsa_jwk("x", use="enc"),
        rsa_jwk("x", alg="RS512"),
        rsa_jwk("x", rsa.generate_private_key(public_exponent=65537, key_size=1024)),
        ec_jwk("x", ec.generate_private_key(ec.SECP384R1())),
        {"kty": "RSA", "kid": "x"},
        {"kty": "RSA", "kid": "x", "n": "", "e": "AQAB"},
        {"kty": ["RSA"], "kid": "x"},
        rsa_jwk("x") | {"kid": {"a": 1}},
    ],
)
async def test_entries_that_are_no_signature_key_of_ours_are_passed_over(entry: dict[str, Any]) -> None:
    async with serve(always(key_set(entry, ec_jwk("e")))) as server:
        keys = PublishedKeys(server.url)
        assert (await TokenVerifier(keys).verify(token(EC_KEY, "ES256", "e"))).sub == "u"
        with pytest.raises(TokenRejectedError, match="unknown key"):
            await keys.find({"alg": "RS256", "kid": "x"})


@pytest.mark.parametrize("kid", ["../../etc/passwd", "' OR 1=1 --", "http://127.0.0.1/key", "\0", "x" * 4000, ""])
async def test_a_hostile_kid_is_only_a_name_that_is_not_there(kid: str) -> None:
    async with serve(always(key_set(rsa_jwk("r"), ec_jwk("e")))) as server:
        with pytest.raises(TokenRejectedError, match="unknown key"):
            await TokenVerifier(PublishedKeys(server.url)).verify(token(RSA_KEY, "RS256", kid))
        assert {request.path for request in server.requests} == {"/"}


async def test_a_token_without_kid_is_judged_by_the_only_key() -> None:
    async with serve(in_turn(key_set(rsa_jwk("r")), key_set(rsa_jwk("r"), ec_jwk("e")))) as server:
        assert (await TokenVerifier(PublishedKeys(server.url)).verify(token(RSA_KEY, "RS256"))).sub == "u"
        with pytest.raises(TokenRejectedError, match="unknown key"):
            await TokenVerifier(PublishedKeys(server.url)).verify(token(RSA_KEY, "RS256"))


async def test_a_rotated_key_is_found_at_once() -> None:
    new = ec.generate_private_key(ec.SECP256R1())
    async with serve(in_turn(key_set(ec_jwk("old")), key_set(ec_jwk("new", new)))) as server:
        verifier = TokenVerifier(PublishedKeys(server.url))
        await verifier.verify(token(EC_KEY, "ES256", "old"))
        await verifier.verify(token(new, "ES256", "new"))
        with pytest.raises(TokenRejectedError, match="unknown key"):
            await verifier.verify(token(EC_KEY, "ES256", "old"))


async def test_strangers_cannot_make_the_gateway_fetch_without_end() -> None:
    clock = Clock()
    async with serve(always(key_set(ec_jwk("e")))) as server:
        keys = PublishedKeys(server.url, clock=clock)
        for number in range(50):
            with pytest.raises(TokenRejectedError):
                await keys.find({"alg": "ES256", "kid": f"k{number}"})
        assert len(server.requests) == 1 + UNKNOWN_KEY_FETCHES
        clock.now += UNKNOWN_KEY_WINDOW
        with pytest.raises(TokenRejectedError):
            await keys.find({"alg": "ES256", "kid": "later"})
        assert len(server.requests) == 2 + UNKNOWN_KEY_FETCHES


async def test_an_old_key_set_is_fetched_again_so_that_a_withdrawn_key_stops_working() -> None:
    clock = Clock()
    async with serve(in_turn(key_set(ec_jwk("a")), key_set(rsa_jwk("b")))) as server:
        keys = PublishedKeys(server.url, clock=clock)
        await keys.find({"alg": "ES256", "kid": "a"})
        clock.now += MAX_AGE + 1
        with pytest.raises(TokenRejectedError, match="unknown key"):
            await keys.find({"alg": "ES256", "kid": "a"})


async def test_known_keys_outlive_an_outage_of_their_publisher() -> None:
    clock = Clock()
    async with serve(in_turn(key_set(ec_jwk("a")), status(500))) as server:
        keys = PublishedKeys(server.url, clock=clock)
        await keys.find({"alg": "ES256", "kid": "a"})
        clock.now += MAX_AGE + 1
        assert (await keys.find({"alg": "ES256", "kid": "a"})).algorithm == "ES256"


@pytest.mark.parametrize(
    "reply",
    [
        status(404),
        status(200, "not json"),
        json_reply([]),
        json_reply({"keys": {}}),
        json_reply({"keys": []}),
        json_reply({"keys": [7]}),
        status(200, "[" * 100_000),
        Reply(body=b" " * 300_000),
        Reply(status=302, headers={"location": "http://127.0.0.1:1/"}),
    ],
)
async def test_without_any_readable_key_no_token_can_be_judged(reply: Reply) -> None:
    async with serve(always(reply)) as server:
        with pytest.raises(KeysUnavailableError):
            await PublishedKeys(server.url).find({"alg": "ES256", "kid": "a"})


async def test_a_publisher_that_is_away_is_asked_again_only_after_a_pause() -> None:
    clock = Clock()
    async with serve(in_turn(status(503), key_set(ec_jwk("a")))) as server:
        keys = PublishedKeys(server.url, clock=clock)
        for _ in range(3):
            with pytest.raises(KeysUnavailableError):
                await keys.find({"alg": "ES256", "kid": "a"})
        assert len(server.requests) == 1
        clock.now += RETRY_PAUSE
        assert (await keys.find({"alg": "ES256", "kid": "a"})).algorithm == "ES256"


async def test_nobody_listening_is_no_answer_either() -> None:
    with pytest.raises(KeysUnavailableError):
        await PublishedKeys(refused_url()).find({"alg": "RS256", "kid": "a"})


async def test_a_publisher_that_hangs_is_given_up() -> None:
    async with serve(always(hang())) as server:
        with pytest.raises(KeysUnavailableError):
            await PublishedKeys(server.url, timeout=0.2).find({"alg": "RS256", "kid": "a"})
