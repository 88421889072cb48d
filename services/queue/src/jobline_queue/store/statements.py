"""The SQL of the service, one file a statement, read once."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def statement(name: str, package: str = "jobline_queue.store") -> str:
    """The text of `sql/{name}.sql` in `package`."""
    return resources.files(package).joinpath("sql", f"{name}.sql").read_text("utf-8")
