"""`jobline-gateway serve`: the command line of the gateway service."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence

from jobline.runtime import SettingsError, configure_logging
from jobline_gateway.app import create_app
from jobline_gateway.config import SETTINGS, read_config
from jobline_gateway.server import allow_open_files, listen, serve

__all__ = ["main"]

logger = logging.getLogger("jobline_gateway")

#: Exit status for settings that cannot be used, as argparse has for wrong arguments.
USAGE_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command in `arguments` (of the process by default) and returns its exit status."""
    _parser().parse_args(arguments)
    configure_logging("gateway")
    try:
        config = read_config()
        allow_open_files()
        listener = listen(config.host, config.port)
    except SettingsError as error:
        logger.error("cannot start: %s", error)
        return USAGE_ERROR
    asyncio.run(serve(create_app(config), listener))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="jobline-gateway", description="HTTP JSON in front of the gRPC services.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    width = max(len(name) for name, _ in SETTINGS) + 2
    commands.add_parser(
        "serve",
        help="serve until SIGTERM or Ctrl-C",
        description="Serves the REST surfaces until SIGTERM or Ctrl-C.",
        epilog="settings (environment):\n" + "\n".join(f"  {name:<{width}}{text}" for name, text in SETTINGS),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
