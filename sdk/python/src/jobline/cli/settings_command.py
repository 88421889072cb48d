"""`jobline settings`: every setting with its meaning, default and present value."""

from __future__ import annotations

from rich.table import Table

from jobline.cli.output import JsonOption, print_document, print_page
from jobline.cli.settings_catalog import SETTINGS, present_value
from jobline.cli.terminal_text import plain
from jobline.runtime import Settings

__all__ = ["settings"]


def settings(as_json: JsonOption = False) -> None:
    """List every setting (environment variable): meaning, default, present value. Secrets are masked."""
    now = Settings()
    values = [(setting, present_value(setting, now)) for setting in SETTINGS]
    if as_json:
        print_document(
            {
                "settings": [
                    {"name": entry.name, "meaning": entry.meaning, "default": entry.default, "value": value}
                    for entry, value in values
                ]
            }
        )
        return
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("setting", no_wrap=True)
    table.add_column("present value", overflow="fold", max_width=32)
    table.add_column("default", overflow="fold", max_width=28)
    table.add_column("meaning", overflow="fold")
    for entry, value in values:
        table.add_row(entry.name, plain(value, "green"), entry.default, entry.meaning)
    print_page(table)
