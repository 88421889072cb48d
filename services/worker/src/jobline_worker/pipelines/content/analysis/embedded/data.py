"""The tables beside this module: words, headings, signs and wording are data, and are edited as such."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["pattern", "table", "word_set"]


@cache
def table(name: str) -> dict[str, Any]:
    """The content of `{name}.toml`."""
    return tomllib.loads((files(__package__) / f"{name}.toml").read_text(encoding="utf-8"))


def word_set(group: str, name: str) -> frozenset[str]:
    """A list of words of words.toml."""
    return frozenset(table("words")[group][name].split())


def pattern(name: str, entry: str) -> re.Pattern[str]:
    """The regular expressions of a list, as alternatives of one."""
    return re.compile("|".join(table(name)[entry]), re.IGNORECASE)
