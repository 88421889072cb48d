"""The sample run: submits the shipped batch through the REST API, as any user would, and follows it to the end."""

import asyncio
import time
from typing import Any

import httpx
from rich.console import Console
from rich.panel import Panel

from jobline.cli.terminal_text import plain
from jobline.cli.tokens import mint_token
from jobline.runtime import Settings
from jobline_local.errors import StackError
from jobline_local.sample_batch import Batch, read_batches
from jobline_local.sample_view import Row, view_for

_USER = "sample-user"
_TOKEN_SECONDS = 6 * 3600.0
_POLL_SECONDS = 0.1


async def run_sample(settings: Settings, gateway: str) -> bool:
    """Submits the sample and shows it until every item has ended; then prints one finished e-mail.

    Returns whether every item completed.

    Raises:
        StackError: the sample is incomplete, or the gateway refused it.
    """
    batches = read_batches()
    console = Console()
    headers = {"Authorization": f"Bearer {mint_token(settings, _USER, ttl=_TOKEN_SECONDS)}"}
    async with httpx.AsyncClient(base_url=gateway, headers=headers, timeout=30.0, trust_env=False) as client:
        rows = await _submit(client, batches)
        await _follow(client, rows, console)
        completed = [row for row in rows.values() if row.status == "completed"]
        for row in rows.values():
            if row.error:
                console.print(plain(f"failed: {row.name}: {row.error}", "red"))
        console.print(f"{len(completed)} of {len(rows)} e-mails completed")
        if completed:
            await _print_email(client, completed[0], console)
    return len(completed) == len(rows)


async def _submit(client: httpx.AsyncClient, batches: tuple[Batch, ...]) -> dict[str, Row]:
    """Item id → row, in the order of submission."""
    rows: dict[str, Row] = {}
    for batch in batches:
        items = [{"recipient_name": one.name, "recipient_interest": one.interest} for one in batch.recipients]
        answer = await client.post("/api/queue/batch", json={"items": items, "email_template": batch.template})
        if answer.status_code != httpx.codes.CREATED:
            raise StackError(f"the gateway refused the sample batch: {answer.status_code} {answer.text}")
        for item_id, recipient in zip(answer.json()["queue_item_ids"], batch.recipients, strict=True):
            rows[item_id] = Row(recipient.name, recipient.interest)
    return rows


async def _follow(client: httpx.AsyncClient, rows: dict[str, Row], console: Console) -> None:
    """Polls the list and shows it until every row has ended. `rows` is updated in place."""
    with view_for(console) as view:
        while True:
            now = time.monotonic()
            for answer in await _list(client):
                if answer["id"] in rows:
                    rows[answer["id"]] = rows[answer["id"]].advanced(answer, now)
            view.show(list(rows.values()))
            if all(row.finished for row in rows.values()):
                return
            await asyncio.sleep(_POLL_SECONDS)


async def _list(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    """The user's items; none when the gateway is just being restarted."""
    try:
        answer = await client.get("/api/queue/")
    except httpx.TransportError:
        return []
    if answer.is_server_error:
        return []
    if answer.is_error:
        raise StackError(f"the gateway refused to list the sample: {answer.status_code} {answer.text}")
    items: list[dict[str, Any]] = answer.json()
    return items


async def _print_email(client: httpx.AsyncClient, row: Row, console: Console) -> None:
    answer = await client.get(f"/api/email/{row.email_id}")
    if answer.is_success:
        message = plain(answer.json()["email_message"], keep_newlines=True)
        console.print(Panel(message, title=plain(f"To: {row.name}"), title_align="left", expand=False, width=100))
