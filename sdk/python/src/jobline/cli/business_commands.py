"""`jobline businesses`: which there are, and who has which role in them."""

from __future__ import annotations

from typing import Annotated

import typer

from jobline.cli.connection import connect
from jobline.cli.output import JsonOption, print_document, print_page
from jobline.cli.terminal_text import plain

__all__ = ["businesses"]

businesses = typer.Typer(no_args_is_help=True, help="Businesses and their members.")

Business = Annotated[str, typer.Argument(metavar="BUSINESS", help="The business's id.")]


@businesses.command()
def store(
    business: Business,
    name: Annotated[str, typer.Option("--name", help="What people call it; at most 255 characters.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Store a business, or change its name. One that a user's token names is stored by itself."""
    with connect() as client:
        created = client.store_business(business, name)
    _tell(as_json, {"id": business, "created": created}, f"business {business} {'stored' if created else 'changed'}")


@businesses.command()
def member(
    business: Business,
    user: Annotated[str, typer.Argument(metavar="USER", help="The `sub` of the user's tokens.")],
    role: Annotated[
        str, typer.Argument(metavar="[ROLE]", help="Admin, Manager, Support or User; none: no member.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Give a user a role in a business, or take it away. What the user's token says of the business goes before it."""
    with connect() as client:
        client.set_member(business, user, role)
    text = f"user {user} is {role or 'no member'} in business {business}"
    _tell(as_json, {"business_id": business, "user_id": user, "role": role}, text)


def _tell(as_json: bool, content: dict[str, object], text: str) -> None:
    if as_json:
        print_document(content)
    else:
        print_page(plain(text))
