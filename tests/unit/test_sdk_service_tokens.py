"""Who may call: the list of service tokens, and what stands in for it in development."""

import json
from pathlib import Path

import pytest

from jobline.runtime import Settings, SettingsError
from jobline.service_tokens import Role, ServiceToken, ServiceTokens, read_service_tokens

TOKEN = "a-token-of-a-test"


def settings(folder: Path, **values: str) -> Settings:
    return Settings({"JOBLINE_DATA_DIR": str(folder), **values})


def test_each_entry_is_a_name_a_role_and_a_token(tmp_path: Path):
    tokens = read_service_tokens(
        settings(tmp_path, JOBLINE_SERVICE_TOKENS=f"web:gateway:{TOKEN}, ops:operator:{TOKEN}:with:colons")
    )
    assert tokens == (
        ServiceToken("web", Role.GATEWAY, TOKEN),
        ServiceToken("ops", Role.OPERATOR, f"{TOKEN}:with:colons"),
    )
    assert TOKEN not in repr(tokens)


@pytest.mark.parametrize(
    "entry", ["web", "web:gateway", f"web:admin:{TOKEN}", f":gateway:{TOKEN}", "web:gateway:short"]
)
def test_an_entry_that_is_none_is_named_without_its_token(tmp_path: Path, entry: str):
    with pytest.raises(SettingsError, match=r"JOBLINE_SERVICE_TOKENS: entry .*expected name:role:token") as raised:
        read_service_tokens(settings(tmp_path, JOBLINE_SERVICE_TOKENS=entry))
    assert TOKEN not in str(raised.value)


def test_in_development_the_tokens_of_the_embedded_stack_stand_in(tmp_path: Path):
    (tmp_path / "endpoints.json").write_text(json.dumps({"operator_token": TOKEN}))
    assert read_service_tokens(settings(tmp_path)) == (ServiceToken("operator", Role.OPERATOR, TOKEN),)


def test_production_does_not_start_without_tokens_of_its_own(tmp_path: Path):
    (tmp_path / "endpoints.json").write_text(json.dumps({"operator_token": TOKEN}))
    with pytest.raises(SettingsError, match="JOBLINE_SERVICE_TOKENS is not set: production needs name:role:token"):
        read_service_tokens(settings(tmp_path, JOBLINE_ENV="production"))


def test_a_caller_is_known_by_the_bearer_token_of_its_call():
    token = ServiceToken("web", Role.GATEWAY, TOKEN)
    known = ServiceTokens([token])
    assert known.of_call([("x", "y"), ("authorization", f"bearer {TOKEN}")]) is token
    for metadata in (
        [],
        [("authorization", TOKEN)],
        [("authorization", f"Bearer {TOKEN}x")],
        [("authorization", b"x")],
    ):
        assert known.of_call(metadata) is None
