"""`make bench`: measures Jobline alone, on no-op jobs, and prints tables. docs/benchmarks.md explains the figures."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType
from typing import NoReturn

from benchmarks import (
    big_table,
    draining,
    enqueueing,
    eta,
    floors,
    idle_stack,
    idle_streams,
    ingestion,
    keyed,
    latency,
    listing,
    messages,
    positions,
    snapshot,
    watchers,
)
from benchmarks.house import House, open_house
from benchmarks.machine import Machine, commit_ms
from benchmarks.publishing import publish
from benchmarks.report import report, write_json
from benchmarks.samples import Outcome, Sample
from benchmarks.workload import CALLERS, FULL, QUICK, Sizes

#: What is made once, and then measured again and again.
Stage = Callable[[House, Sizes], AbstractContextManager[Callable[[], Sample]]]


def _anew(measure: Callable[[House, Sizes], Sample]) -> Stage:
    """A scenario that makes everything anew for each repetition."""

    @contextmanager
    def stage(house: House, sizes: Sizes) -> Iterator[Callable[[], Sample]]:
        yield partial(measure, house, sizes)

    return stage


#: By the word that `--only` takes: titles, and how they are measured.
SCENARIOS: Mapping[str, Mapping[str, Stage]] = {
    "enqueue": {
        "enqueue, one caller": _anew(enqueueing.single),
        f"enqueue, {CALLERS} callers": _anew(enqueueing.concurrent),
    },
    "bulk": {
        "enqueue, 100 a call": _anew(enqueueing.bulk_100),
        "enqueue, 1000 a call": _anew(enqueueing.bulk_1000),
    },
    "floors": {"floors of an enqueue": _anew(floors.enqueue_floors)},
    "drain": {
        "drain, 1 worker": _anew(draining.one_worker),
        "drain, 2 workers": _anew(draining.two_workers),
    },
    "sequential": {"one at a time": _anew(draining.sequential)},
    "keyed": {"a stuck key": _anew(keyed.stuck_key)},
    "latency": {"enqueue to start": _anew(latency.start_latency)},
    "lists": {
        "e-mail list, gRPC": _anew(listing.by_grpc),
        "e-mail list, REST": _anew(listing.by_rest),
    },
    "messages": {"communication queue, REST": messages.stage},
    "eta": {"estimates over a day": eta.coverage, "estimates, a long line": _anew(eta.costs)},
}

#: Those that take minutes, by `--heavy`.
HEAVY: Mapping[str, Mapping[str, Stage]] = {
    "table": {"a big table": big_table.stage},
    "positions": {"places in a long line": positions.stage},
    "snapshot": {"a held snapshot": _anew(snapshot.held_snapshot)},
    "streams": {"an idle stream": _anew(idle_streams.memory_of_streams)},
    "watchers": {"watchers of e-mail items": _anew(watchers.many_watchers)},
    "idle": {"idle": _anew(idle_stack.idle_cpu)},
    "ingestion": {"records to vectors": _anew(ingestion.load_and_embed)},
}
_ALL = {**SCENARIOS, **HEAVY}


def main() -> None:
    """Exit code 1 when something went wrong that a figure does not show: a job lost or run twice."""
    arguments = _parse()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    sizes = QUICK if arguments.quick else FULL
    at = datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC")
    outcomes: list[Outcome] = []
    with open_house() as house:
        machine = Machine.here(house.postgres.superuser_url)
        try:
            for word in arguments.only or (HEAVY if arguments.heavy else SCENARIOS):
                for title, stage in _ALL[word].items():
                    outcomes.append(_repeat(house, title, stage, sizes, arguments.repetitions))
        except Exception:
            _say(*house.complaints())
            raise
        problems = [problem for outcome in outcomes for problem in outcome.problems()] + house.complaints()
    text = report(at, outcomes, machine, problems)
    print(text)
    if arguments.json:
        write_json(arguments.json, at, outcomes, machine, sizes, problems)
    if arguments.publish:
        publish("bench-heavy" if arguments.heavy else "bench", text)
    sys.exit(1 if problems else 0)


def _repeat(house: House, title: str, stage: Stage, sizes: Sizes, repetitions: int) -> Outcome:
    outcome = Outcome(title)
    with stage(house, sizes) as measure:
        for number in range(1, repetitions + 1):
            _say(f"{title}: {number} of {repetitions}")
            outcome.commit_ms.append(commit_ms(house.postgres.superuser_url))
            outcome.samples.append(measure())
    return outcome


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer jobs")
    parser.add_argument("--heavy", action="store_true", help=f"what takes minutes: {', '.join(HEAVY)}")
    parser.add_argument("--only", type=_words, help=f"some of {','.join(_ALL)}")
    parser.add_argument("--repetitions", type=_positive, default=3, help="of each scenario (default 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every value there, too")
    parser.add_argument("--publish", action="store_true", help="put the report into docs/benchmarks.md, too")
    return parser.parse_args()


def _words(text: str) -> Sequence[str]:
    words = [word.strip() for word in text.split(",")]
    if unknown := [word for word in words if word not in _ALL]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r}: expected some of {', '.join(_ALL)}")
    return words


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, got {text!r}")
    return int(text)


def _say(*lines: str) -> None:
    print(*lines, sep="\n", file=sys.stderr, flush=True)


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    """Ends what was started, once: whoever presses Ctrl-C again must not interrupt the cleaning."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
