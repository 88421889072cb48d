"""`jobline token` mints what the gateway verifies, and refuses what production must not sign."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import jwt
import pytest
from typer.testing import CliRunner

from jobline.cli.main import build
from jobline.cli.tokens import mint_token
from jobline.runtime import DEVELOPMENT_JWT_SECRET, Settings, SettingsError

SECRET = "a secret of the test that is long enough"


def test_a_token_says_who_with_which_roles_and_until_when() -> None:
    settings = Settings({"JOBLINE_JWT_SECRET": SECRET})
    text = mint_token(settings, "u1", role="manager", businesses={"b1": "Admin"}, email="a@b.example", ttl=60)
    claims = jwt.decode(text, SECRET, algorithms=["HS256"])
    assert claims["sub"] == "u1"
    assert claims["email"] == "a@b.example"
    assert claims["app_metadata"] == {"role": "manager", "businesses": {"b1": "Admin"}}
    assert 55 < claims["exp"] - datetime.now(UTC).timestamp() <= 60


def test_without_a_secret_development_signs_with_the_development_secret() -> None:
    assert jwt.decode(mint_token(Settings({}), "u1"), DEVELOPMENT_JWT_SECRET, algorithms=["HS256"])["sub"] == "u1"


def test_the_audience_is_named_where_one_is_checked() -> None:
    settings = Settings({"JOBLINE_JWT_AUDIENCE": "authenticated"})
    claims = jwt.decode(
        mint_token(settings, "u1"), DEVELOPMENT_JWT_SECRET, algorithms=["HS256"], audience="authenticated"
    )
    assert claims["aud"] == "authenticated"


@pytest.mark.parametrize("secret", ["", "short", DEVELOPMENT_JWT_SECRET])
def test_production_signs_only_with_a_long_secret_of_its_own(secret: str) -> None:
    settings = Settings({"JOBLINE_ENV": "production", "JOBLINE_JWT_SECRET": secret})
    with pytest.raises(SettingsError, match="JOBLINE_JWT_SECRET"):
        mint_token(settings, "u1")


@pytest.mark.parametrize(
    ("change", "field"),
    [({"role": "root"}, "role"), ({"ttl": 0}, "ttl"), ({"ttl": float("nan")}, "ttl"), ({"ttl": 1e18}, "ttl")],
)
def test_a_bad_claim_is_refused_with_its_name(change: dict[str, object], field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}: expected"):
        mint_token(Settings({}), "u1", **change)  # type: ignore[arg-type]


def test_an_empty_subject_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^sub: expected"):
        mint_token(Settings({}), " ")


def test_a_script_gets_the_token_and_how_long_it_lasts_as_one_document() -> None:
    answer = CliRunner().invoke(build(["token"]), ["token", "--sub", "me", "--ttl", "5m", "--json"])
    document = json.loads(answer.stdout)
    assert document["ttl"] == 300
    assert jwt.decode(document["token"], options={"verify_signature": False})["sub"] == "me"
