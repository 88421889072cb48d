"""`jobline credits`: what users may spend on saved posts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from jobline.cli.connection import connect
from jobline.cli.documents import document
from jobline.cli.job_filters import parse_time
from jobline.cli.output import JsonOption, print_document, print_page
from jobline.cli.terminal_text import plain
from jobline.client import Credits, CreditSource

__all__ = ["credits"]

credits = typer.Typer(no_args_is_help=True, help="Users' credits; each pays for one saved post.")

User = Annotated[str, typer.Argument(metavar="USER", help="The `sub` of the user's tokens.")]


@credits.command()
def grant(
    user: User,
    count: Annotated[int, typer.Argument(metavar="COUNT", min=1, max=10_000, help="How many.")],
    source: Annotated[
        CreditSource,
        typer.Option(
            "--source", help="Where they come from: purchases are spent first, then referrals, then the others."
        ),
    ] = CreditSource.ADMIN_GRANT,
    expires: Annotated[
        str,
        typer.Option(
            "--expires", metavar="TIME", help="A time in ISO-8601, or a span from now such as 30d; none: never."
        ),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Give a user credits. One who is not known yet is stored, with the free credits."""
    expires_at = parse_time("--expires", expires, datetime.now(UTC), ahead=True)
    with connect() as client:
        found = client.grant_credits(user, count, source, expires_at)
    _show(as_json, user, found)


@credits.command()
def show(user: User, as_json: JsonOption = False) -> None:
    """Show a user's credits in numbers."""
    with connect() as client:
        found = client.get_credits(user)
    _show(as_json, user, found)


def _show(as_json: bool, user: str, found: Credits) -> None:
    if as_json:
        print_document({"user_id": user, "credits": document(found)})
        return
    numbers = f"{found.active} active, {found.reserved} reserved, {found.used} used, {found.expired} expired"
    print_page(plain(f"credits of {user}: {numbers}"))
