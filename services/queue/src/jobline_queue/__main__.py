"""`jobline-queue serve`, `migrate` and `chores`.

Each command imports what it needs by itself: serving needs nothing of Alembic, migrating nothing of the service, and
every start waits for its imports.
"""

from __future__ import annotations

import argparse
import gc
import sys

from jobline.runtime import Settings, SettingsError, configure_logging

#: Live jobs, acts and changes are many, long-lived and free of cycles; with Python's defaults the collector looked through
#: them so often that it took a quarter of the service's time under load.
GC_THRESHOLD = (100_000, 50, 100)


def main() -> None:
    """Exit code 0 after an orderly stop, 1 when a setting is wrong."""
    parser = argparse.ArgumentParser(prog="jobline-queue", description="The queue service of Jobline.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="serve until SIGTERM (settings: JOBLINE_DATABASE_URL, JOBLINE_QUEUE_PORT, …)")
    commands.add_parser("migrate", help="bring the database to the newest schema, then end")
    commands.add_parser(
        "chores", help="do the chores by their schedule until SIGTERM (JOBLINE_CRON, JOBLINE_REDIS_URL, …)"
    )
    arguments = parser.parse_args()
    configure_logging("chores" if arguments.command == "chores" else "queue")
    try:
        _COMMANDS[arguments.command](Settings())
    except (SettingsError, RuntimeError) as error:
        sys.exit(f"jobline-queue: {error}")


def _serve(settings: Settings) -> None:
    from jobline import failpoints
    from jobline.event_loop import run
    from jobline_queue.app import serve
    from jobline_queue.config import read_config

    failpoints.arm(settings)
    gc.set_threshold(*GC_THRESHOLD)
    run(serve(read_config(settings)))


def _migrate(settings: Settings) -> None:
    from jobline.embeddings import read_dimensions
    from jobline_queue.config import database_url
    from jobline_queue.store.migrate import migrate

    migrate(database_url(settings), read_dimensions(settings))


def _chores(settings: Settings) -> None:
    if settings.choice("JOBLINE_CRON", ("on", "off"), "on") == "off":
        return
    from jobline_queue.chores import environment

    environment.prepare()
    from jobline_queue.chores.app import Chores
    from jobline_queue.chores.config import read_config

    Chores(read_config(settings)).run()


_COMMANDS = {"serve": _serve, "migrate": _migrate, "chores": _chores}


if __name__ == "__main__":
    main()
