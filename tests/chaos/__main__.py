"""`make chaos`: random faults from a seed, under load, against the whole system; then every invariant is checked."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Coroutine, Sequence
from typing import Any

from chaos.ha import ha_run
from chaos.ingestion import ingestion_run
from chaos.report import show
from chaos.run import chaos_run
from chaos.takeover import measure_takeovers

#: How many jobs wait when take-overs are measured.
_TAKEOVERS = (100_000, 1_000_000)


def main() -> None:
    """Exit code 1 when something does not hold."""
    arguments = _parse()
    try:
        sys.exit(asyncio.run(_stoppable(_chosen(arguments))))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit("stopped; everything that was started is gone")


async def _chosen(arguments: argparse.Namespace) -> int:
    """Runs what the arguments say; the exit code."""
    if arguments.takeover is not None:
        for pending in arguments.takeover or _TAKEOVERS:
            for taken in await measure_takeovers(pending):
                print(taken, flush=True)
        return 0
    if arguments.ingestion:
        report = await ingestion_run(arguments.ingestion, seed=arguments.seeds[0], embedded=arguments.embedded)
        show(report)
        return 1 if report.violations else 0
    if not arguments.ha and len(arguments.seeds) > 1:
        return await _one_process_each(arguments.seeds, arguments.seconds, arguments.parallel)
    report = await (ha_run(arguments.jobs) if arguments.ha else chaos_run(arguments.seeds[0], arguments.seconds))
    show(report)
    return 1 if report.violations else 0


async def _stoppable(run: Coroutine[Any, Any, int]) -> int:
    """SIGTERM ends it as Ctrl-C does: what was started is stopped first."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await run


async def _one_process_each(seeds: Sequence[int], seconds: float, parallel: int) -> int:
    """Runs each seed in a process of its own, so many at once; the exit code."""
    gate = asyncio.Semaphore(parallel)

    async def run(seed: int) -> int | None:
        async with gate:
            argv = (sys.executable, "-m", "chaos", "--seed", str(seed), "--seconds", str(seconds))
            process = await asyncio.create_subprocess_exec(*argv, stdout=PIPE, stderr=STDOUT)
            try:
                output, _ = await process.communicate()
            except asyncio.CancelledError:
                process.terminate()
                await process.wait()
                raise
        print(output.decode(), end="", flush=True)
        return seed if process.returncode else None

    bad = [seed for seed in await asyncio.gather(*map(run, seeds)) if seed is not None]
    print(f"\n{len(seeds)} seeds, {len(bad)} with violations: {', '.join(map(str, bad)) or 'none'}")
    return 1 if bad else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument(
        "--seed", "--seeds", dest="seeds", type=_seeds, default=[1], help="one, or a range such as 1-20"
    )
    parser.add_argument("--seconds", type=float, default=120.0, help="of faults and load, for each seed (default 120)")
    parser.add_argument("--parallel", type=int, default=1, help="how many seeds at once (default 1)")
    parser.add_argument("--ha", action="store_true", help="the big run with a standby and kills, instead of a seed")
    parser.add_argument("--jobs", type=int, default=100_000, help="of the big run (default 100000)")
    parser.add_argument(
        "--takeover", type=int, nargs="*", metavar="PENDING", help="measure take-overs (default 100000 and 1000000)"
    )
    parser.add_argument(
        "--ingestion", type=int, nargs="?", const=100_000, metavar="RECORDS", help="load and embed (default 100000)"
    )
    parser.add_argument("--embedded", action="store_true", help="with --ingestion: by the built-in model")
    return parser.parse_args()


def _seeds(text: str) -> list[int]:
    first, _, last = text.partition("-")
    try:
        seeds = list(range(int(first), int(last or first) + 1))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number or a range such as 1-20") from error
    if not seeds:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a range such as 1-20")
    return seeds


if __name__ == "__main__":
    main()
