"""`jobline up`: the whole stack on this machine, from one command, until Ctrl-C."""

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from jobline.runtime import Settings, SettingsError, configure_logging
from jobline_local.endpoints import ready_document, ready_line
from jobline_local.errors import StackError
from jobline_local.sample import run_sample
from jobline_local.settings import StackSettings
from jobline_local.supervisor import running_stack


def up(
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Where the embedded servers keep their data (JOBLINE_DATA_DIR; default .jobline)."),
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Listen address of the services (JOBLINE_HOST; default 127.0.0.1).")
    ] = None,
    gateway_port: Annotated[
        int | None, typer.Option(help="Port of the gateway, 0 picks a free one (JOBLINE_GATEWAY_PORT; default 8080).")
    ] = None,
    queue_port: Annotated[
        int | None,
        typer.Option(help="Port of the queue service, 0 picks a free one (JOBLINE_QUEUE_PORT; default 50051)."),
    ] = None,
    worker_port: Annotated[
        int | None,
        typer.Option(help="Port of the worker service, 0 picks a free one (JOBLINE_WORKER_PORT; default 50052)."),
    ] = None,
    sample: Annotated[
        bool, typer.Option("--sample", help="Submit the sample batch and show it live; logs go to {data dir}/log.")
    ] = False,
    once: Annotated[
        bool, typer.Option("--once", help="With --sample: stop after the batch; exit code 0 if all of it completed.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="The ready line as a JSON object: gateway, queue, worker. Not with --sample.")
    ] = False,
) -> None:
    """Start everything on this machine: PostgreSQL, Valkey, the three services and the chores. Ctrl-C stops all of it."""
    if once and not sample:
        raise typer.BadParameter("--once needs --sample")
    if as_json and sample:
        raise typer.BadParameter("--json cannot go with --sample, which is a view for people")
    options = {
        "JOBLINE_DATA_DIR": data_dir,
        "JOBLINE_HOST": host,
        "JOBLINE_GATEWAY_PORT": gateway_port,
        "JOBLINE_QUEUE_PORT": queue_port,
        "JOBLINE_WORKER_PORT": worker_port,
    }
    given = {name: str(value) for name, value in options.items() if value is not None}
    try:
        settings = StackSettings.read({**os.environ, **given})
        succeeded = asyncio.run(_serve(settings, sample=sample, once=once, as_json=as_json))
    except (StackError, SettingsError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    raise typer.Exit(0 if succeeded else 1)


async def _serve(settings: StackSettings, *, sample: bool, once: bool, as_json: bool) -> bool:
    """Runs the stack until a signal, or with `once` until the sample is through. False: not all of it completed."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    work = asyncio.create_task(_stay_up(settings, sample=sample, once=once, as_json=as_json))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if work.done():
        return work.result()
    work.cancel()
    try:
        return await work
    except asyncio.CancelledError:
        return not once


async def _stay_up(settings: StackSettings, *, sample: bool, once: bool, as_json: bool) -> bool:
    configure_logging("stack")
    if sample:
        _log_to_file(settings)
    async with running_stack(settings, log_files=sample) as stack:
        endpoints = stack.endpoints
        print(ready_document(endpoints) if as_json else ready_line(endpoints), flush=True)
        stack.start_chores()
        succeeded = await run_sample(Settings(settings.environ), endpoints.gateway) if sample else True
        if once:
            return succeeded
        if sample:
            print(f"serving on {endpoints.gateway} (API at /docs); Ctrl-C stops", flush=True)
        await asyncio.Event().wait()
        return succeeded


def _log_to_file(settings: StackSettings) -> None:
    """Keeps the terminal free for the live view."""
    settings.data.create()
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr:
            handler.setStream((settings.data.logs / "stack.log").open("a", encoding="utf-8"))
