"""`make bench`: measures Jobline alone, on no-op jobs, and prints a table. docs/benchmarks.md explains the figures."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rich.console import Console

from benchmarks import draining, enqueueing, latency, listing
from benchmarks.house import House, open_house
from benchmarks.machine import Machine, commit_ms
from benchmarks.report import print_report, write_json
from benchmarks.samples import Outcome, Sample
from benchmarks.workload import CALLERS, FULL, QUICK, Sizes

Measure = Callable[[House, Sizes], Sample]

#: Columns of the tables where nobody's terminal says better.
_WIDTH = 100

#: By the word that `--only` takes: titles, and how they are measured.
SCENARIOS: Mapping[str, Mapping[str, Measure]] = {
    "enqueue": {
        "enqueue, one caller": enqueueing.single,
        f"enqueue, {CALLERS} callers": enqueueing.concurrent,
    },
    "bulk": {
        "enqueue, 100 a call": enqueueing.bulk_100,
        "enqueue, 1000 a call": enqueueing.bulk_1000,
    },
    "drain": {
        "drain, 1 worker": draining.one_worker,
        "drain, 2 workers": draining.two_workers,
    },
    "sequential": {"one at a time": draining.sequential},
    "latency": {"enqueue to start": latency.start_latency},
    "lists": {
        "e-mail list, gRPC": listing.by_grpc,
        "e-mail list, REST": listing.by_rest,
    },
}


def main() -> None:
    """Exit code 1 when something went wrong that a figure does not show: a job lost or run twice."""
    arguments = _parse()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    console = Console(stderr=True)
    sizes = QUICK if arguments.quick else FULL
    outcomes: list[Outcome] = []
    with open_house() as house:
        machine = Machine.here(house.postgres.superuser_url)
        try:
            for word in arguments.only:
                outcomes += _repeat(house, SCENARIOS[word], sizes, arguments.repetitions, console)
        except Exception:
            console.print(*house.complaints(), sep="\n", style="red", markup=False)
            raise
        problems = [problem for outcome in outcomes for problem in outcome.problems()] + house.complaints()
    print_report(Console(width=None if sys.stdout.isatty() else _WIDTH), outcomes, machine, problems)
    if arguments.json:
        write_json(arguments.json, outcomes, machine, sizes, problems)
    sys.exit(1 if problems else 0)


def _repeat(
    house: House, scenarios: Mapping[str, Measure], sizes: Sizes, repetitions: int, console: Console
) -> list[Outcome]:
    outcomes = [Outcome(title) for title in scenarios]
    for outcome, measure in zip(outcomes, scenarios.values(), strict=True):
        for number in range(1, repetitions + 1):
            console.print(f"{outcome.scenario}: {number} of {repetitions}", style="dim")
            outcome.commit_ms.append(commit_ms(house.postgres.superuser_url))
            outcome.samples.append(measure(house, sizes))
    return outcomes


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer jobs")
    parser.add_argument("--only", type=_words, default=list(SCENARIOS), help=f"some of {','.join(SCENARIOS)}")
    parser.add_argument("--repetitions", type=_positive, default=3, help="of each scenario (default 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every value there, too")
    return parser.parse_args()


def _words(text: str) -> Sequence[str]:
    words = [word.strip() for word in text.split(",")]
    if unknown := [word for word in words if word not in SCENARIOS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r}: expected some of {', '.join(SCENARIOS)}")
    return words


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, got {text!r}")
    return int(text)


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    """Ends what was started, once: whoever presses Ctrl-C again must not interrupt the cleaning."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
