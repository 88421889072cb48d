"""`make bench-peers`: Jobline beside other queues on PostgreSQL. docs/benchmarks.md explains the figures.

Every repetition measures everybody once before the next one begins, so that a machine that gets slower, or busier, does so
for all of them.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import NoReturn

from benchmarks.house import House, open_house
from benchmarks.machine import Machine, commit_ms
from benchmarks.peers.chart import chart
from benchmarks.peers.contenders import CONTENDERS, JOBLINE, Contender
from benchmarks.peers.environments import Environments, Unavailable
from benchmarks.peers.ground import AdapterFailed, Player
from benchmarks.peers.measuring import measure
from benchmarks.peers.phases import Phase
from benchmarks.peers.results import PlayerFacts, Results
from benchmarks.peers.tables import report
from benchmarks.publishing import DOCS, publish
from benchmarks.workload import FULL, QUICK, Sizes

_HOME = Path(".bench")
#: In the folder of the documents.
_CHART = "benchmarks-peers.svg"
_FAILURES = (AdapterFailed, AssertionError, TimeoutError)


def main() -> None:
    """Exit code 1 when a contender failed, or lost or repeated a job."""
    arguments = _parse()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    results = Results.read(arguments.source) if arguments.source else _run(arguments)
    print(report(results))
    arguments.chart.write_text(chart(results))
    if arguments.publish:
        (DOCS / _CHART).write_text(chart(results))
        publish("bench-peers", f"![Rates of Jobline and its peers]({_CHART})\n\n{report(results)}")
    sys.exit(1 if results.problems else 0)


def _run(arguments: argparse.Namespace) -> Results:
    sizes: Sizes = QUICK if arguments.quick else FULL
    at = datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC")
    with open_house() as house:
        results = Results(at, Machine.here(house.postgres.superuser_url), asdict(sizes))
        players = _enter(arguments.peers, house, results)
        for number in range(1, arguments.reps + 1):
            for phase in arguments.phases:
                for player in players:
                    if phase in player.contender.phases:
                        _say(f"{number} of {arguments.reps}: {phase.words}: {player.contender.name}")
                        _measure(house, player, phase, sizes, results)
                        results.write(arguments.json)
    return results


def _enter(peers: Sequence[Contender], house: House, results: Results) -> list[Player]:
    players = []
    for contender in (JOBLINE, *peers):
        try:
            player = Player.enter(contender, Environments(_HOME.resolve()), house)
        except (Unavailable, AdapterFailed) as error:
            _say(f"{contender.name} is left out: {error}")
            results.absent.append(f"{contender.name}, {str(error).splitlines()[0]}")
            continue
        players.append(player)
        results.players.append(PlayerFacts(contender.name, player.version, player.settings))
    return players


def _measure(house: House, player: Player, phase: Phase, sizes: Sizes, results: Results) -> None:
    synced = commit_ms(house.postgres.superuser_url)
    try:
        results.add(player.contender.name, phase, synced, measure(house, player, phase, sizes))
    except _FAILURES as error:
        _say(str(error))
        first_line = next(iter(str(error).splitlines()), type(error).__name__)
        results.problems.append(f"{player.contender.name}: {phase.words}: failed: {first_line}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.peers", description=__doc__)
    names = {contender.name: contender for contender in CONTENDERS if contender is not JOBLINE}
    parser.add_argument("--reps", type=int, default=3, help="repetitions (default 3)")
    parser.add_argument("--quick", action="store_true", help="fewer jobs")
    parser.add_argument(
        "--peers", nargs="*", type=lambda name: _known(names, name), default=list(names.values()), help=f"of {[*names]}"
    )
    parser.add_argument("--phases", nargs="+", type=Phase, default=list(Phase), help=f"of {[*map(str, Phase)]}")
    parser.add_argument("--json", type=Path, default=_HOME / "peers.json", help="where every value goes")
    parser.add_argument("--chart", type=Path, default=_HOME / "peers.svg", help="where the chart goes")
    parser.add_argument("--publish", action="store_true", help="put report and chart into docs/, too")
    parser.add_argument("--from", dest="source", type=Path, metavar="FILE", help="report such a file, measure nothing")
    return parser.parse_args()


def _known(names: dict[str, Contender], name: str) -> Contender:
    if name not in names:
        raise argparse.ArgumentTypeError(f"{name!r}: expected some of {', '.join(names)}")
    return names[name]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    """Ends what was started, once: whoever presses Ctrl-C again must not interrupt the cleaning."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
