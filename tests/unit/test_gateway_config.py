"""The gateway's settings: what stops the start, and what the message names."""

from pathlib import Path

import pytest

from jobline.runtime import DEVELOPMENT_JWT_SECRET, SettingsError
from jobline_gateway.config import SETTINGS, read_config

BASE = {"JOBLINE_QUEUE_ADDRESS": "127.0.0.1:1", "JOBLINE_TOKEN": "token"}
PRODUCTION = {**BASE, "JOBLINE_ENV": "production"}


def test_development_starts_on_defaults() -> None:
    config = read_config(BASE)
    assert (config.host, config.port, config.jwt_secret) == ("127.0.0.1", 8080, DEVELOPMENT_JWT_SECRET)


def test_what_is_not_set_comes_from_the_running_stack(tmp_path: Path) -> None:
    stack = '{"queue": "127.0.0.1:7", "worker": "127.0.0.1:8", "gateway_token": "of-the-stack"}'
    (tmp_path / "endpoints.json").write_text(stack)
    config = read_config({"JOBLINE_DATA_DIR": str(tmp_path)})
    assert (config.queue_addresses, config.worker_addresses) == (("127.0.0.1:7",), ("127.0.0.1:8",))
    assert config.service_token == "of-the-stack"


def test_a_gateway_needs_no_worker_service_and_may_have_several(tmp_path: Path) -> None:
    assert read_config({**BASE, "JOBLINE_DATA_DIR": str(tmp_path)}).worker_addresses == ()
    several = {**BASE, "JOBLINE_WORKER_ADDRESS": "a:1, b:2"}
    assert read_config(several).worker_addresses == ("a:1", "b:2")


def test_production_starts_with_a_secret_of_32_characters_or_with_published_keys() -> None:
    assert read_config({**PRODUCTION, "JOBLINE_JWT_SECRET": "s" * 32}).jwt_secret == "s" * 32
    assert read_config({**PRODUCTION, "JOBLINE_JWKS_URL": "https://id.example/jwks"}).jwt_secret == ""


def test_production_starts_without_a_secret_for_the_cron() -> None:
    given = {**PRODUCTION, "JOBLINE_JWT_SECRET": "s" * 32}
    config = read_config(given)
    assert (config.production, config.cron_secret) == (True, "")
    config = read_config({**given, "CRON_SECRET": " hush "})
    assert config.cron_secret == "hush"
    assert read_config(BASE).production is False


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (PRODUCTION, "JOBLINE_JWT_SECRET"),
        ({**PRODUCTION, "JOBLINE_JWT_SECRET": "s" * 31}, "JOBLINE_JWT_SECRET"),
        ({**PRODUCTION, "JOBLINE_JWT_SECRET": DEVELOPMENT_JWT_SECRET}, "JOBLINE_JWT_SECRET"),
        ({**BASE, "JOBLINE_JWKS_URL": "file:///etc/passwd"}, "JOBLINE_JWKS_URL"),
        ({**BASE, "JOBLINE_JWKS_URL": "https://"}, "JOBLINE_JWKS_URL"),
        ({**BASE, "JOBLINE_PUBLIC_URL": "jobline.example"}, "JOBLINE_PUBLIC_URL"),
        ({**BASE, "JOBLINE_GATEWAY_PORT": "eighty"}, "JOBLINE_GATEWAY_PORT"),
        ({**BASE, "JOBLINE_ENV": "prod"}, "JOBLINE_ENV"),
        ({**BASE, "JOBLINE_TOKEN": ""}, "JOBLINE_TOKEN"),
        ({**BASE, "JOBLINE_QUEUE_ADDRESS": ""}, "JOBLINE_QUEUE_ADDRESS"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_is_named(settings: dict[str, str], named: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=named):
        read_config({"JOBLINE_DATA_DIR": str(tmp_path), **settings})


def test_no_secret_shows_when_the_configuration_is_printed() -> None:
    secrets = {"JOBLINE_TOKEN": "hush-token", "JOBLINE_JWT_SECRET": "hush-secret", "CRON_SECRET": "hush-cron"}
    shown = repr(read_config({**BASE, **secrets}))
    assert "hush" not in shown


def test_every_setting_has_a_help_text() -> None:
    assert all(name.startswith(("JOBLINE_", "CRON_SECRET")) and text for name, text in SETTINGS)
