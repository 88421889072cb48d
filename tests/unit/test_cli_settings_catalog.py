"""Every setting that a process reads is explained, and no listing gives a secret away."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jobline.cli.settings_catalog import SETTINGS, present_value
from jobline.runtime import Settings

ROOT = Path(__file__).parents[2]
SOURCES = [
    *ROOT.glob("sdk/python/src/**/*.py"),
    *ROOT.glob("services/*/src/**/*.py"),
    *ROOT.glob("deploy/*/src/**/*.py"),
]
READ = re.compile(r"""["'](JOBLINE_[A-Z][A-Z_]*[A-Z]|CRON_SECRET)["']""")


def shown(name: str, value: str) -> str:
    setting = next(setting for setting in SETTINGS if setting.name == name)
    return present_value(setting, Settings({name: value}))


def test_every_setting_that_the_programs_name_is_explained() -> None:
    named = {name for source in SOURCES for name in READ.findall(source.read_text("utf-8"))}
    assert named <= {setting.name for setting in SETTINGS}


def test_every_setting_is_explained_once_and_in_words() -> None:
    names = [setting.name for setting in SETTINGS]
    assert len(names) == len(set(names))
    assert all(setting.meaning and setting.default for setting in SETTINGS)


@pytest.mark.parametrize("name", [setting.name for setting in SETTINGS if re.search("SECRET|TOKEN|KEY", setting.name)])
def test_secrets_are_masked(name: str) -> None:
    assert shown(name, "hunter2") == "********"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("postgresql://jobline:hunter2@db:5432/jobline", "postgresql://jobline:********@db:5432/jobline"),
        ("postgresql://db/jobline", "postgresql://db/jobline"),
        ("postgresql://db/jobline?password=hunter2", "********"),
        ("host=db password=hunter2", "********"),
        ("postgresql://jobline:hunter2@[db/jobline", "********"),
    ],
)
def test_passwords_inside_of_addresses_are_masked(value: str, expected: str) -> None:
    assert shown("JOBLINE_DATABASE_URL", value) == expected


def test_what_is_not_set_is_shown_as_nothing() -> None:
    assert present_value(SETTINGS[0], Settings({})) == ""
