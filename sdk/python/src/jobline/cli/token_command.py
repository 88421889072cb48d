"""`jobline token`: a signed token on standard output, and nothing else."""

from __future__ import annotations

from typing import Annotated

import typer

from jobline.cli.output import JsonOption, print_document
from jobline.cli.tokens import ROLES, mint_token
from jobline.durations import parse_duration
from jobline.runtime import Settings

__all__ = ["token"]


def token(
    sub: Annotated[str, typer.Option("--sub", help="User id (claim sub).")],
    role: Annotated[str, typer.Option("--role", help=f"One of {', '.join(ROLES)}.")] = "user",
    business: Annotated[
        list[str] | None, typer.Option("--business", metavar="ID=ROLE", help="A role in a business; repeat for more.")
    ] = None,
    email: Annotated[str, typer.Option("--email", help="The user's e-mail address.")] = "",
    ttl: Annotated[str, typer.Option("--ttl", help="How long it is valid: 30s, 5m, 1h, 7d.")] = "1h",
    as_json: JsonOption = False,
) -> None:
    """Print a signed bearer token (HS256 with JOBLINE_JWT_SECRET, or the development secret)."""
    try:
        seconds = parse_duration(ttl)
        text = mint_token(
            Settings(),
            sub,
            role=role,
            businesses=dict(_business_role(item) for item in business or []),
            email=email,
            ttl=seconds,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if as_json:
        print_document({"token": text, "ttl": seconds})
    else:
        typer.echo(text)


def _business_role(text: str) -> tuple[str, str]:
    business, separator, role = text.rpartition("=")
    if not separator or not business or not role:
        raise ValueError(f"business: expected ID=ROLE, got {text!r}")
    return business, role
