"""The `jobline` command: its parts put together, and what becomes of an error.

Other packages add commands through entry points of the group `jobline.commands`: each names a function that typer can
call. `jobline up` comes that way from deploy/local, so that the SDK needs no servers to be installed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import entry_points

import typer

from jobline.cli.business_commands import businesses
from jobline.cli.connection import CallFailed
from jobline.cli.credit_commands import credits
from jobline.cli.event_command import events
from jobline.cli.job_commands import jobs
from jobline.cli.output import remark, tolerate_any_character
from jobline.cli.queue_commands import queues
from jobline.cli.settings_command import settings
from jobline.cli.token_command import token
from jobline.cli.top_command import top
from jobline.cli.worker_commands import workers
from jobline.runtime import SettingsError

__all__ = ["main"]

_INTERRUPTED = 130
_OWN_COMMANDS = ("token", "settings", "top", "events", "jobs", "queues", "workers", "businesses", "credits")


def main() -> None:
    """Runs the command line. Exit codes: 0, 1 for an error, 2 for wrong usage, 130 after Ctrl-C."""
    tolerate_any_character()
    try:
        build(sys.argv[1:])()
    except (SettingsError, CallFailed) as error:
        remark(f"error: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def build(arguments: Sequence[str]) -> typer.Typer:
    """The command that understands `arguments`."""
    app = typer.Typer(
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        help="Jobline: a durable job queue.",
        epilog="All settings are environment variables: `jobline settings` explains them.",
    )
    # Loading what others add imports whole servers, which costs more time than most commands take.
    if not arguments or arguments[0] not in _OWN_COMMANDS:
        _add_installed(app)
    app.command("token")(token)
    app.command("settings")(settings)
    app.command("top")(top)
    app.command("events")(events)
    app.add_typer(jobs, name="jobs")
    app.add_typer(queues, name="queues")
    app.add_typer(workers, name="workers")
    app.add_typer(businesses, name="businesses")
    app.add_typer(credits, name="credits")
    return app


def _add_installed(app: typer.Typer) -> None:
    for entry in sorted(entry_points(group="jobline.commands")):
        try:
            command = entry.load()
        except ImportError as error:
            remark(f"warning: command `{entry.name}` is left out, it cannot be loaded: {error}")
            continue
        app.command(entry.name)(command)
