"""All that a run measured, and its file: reports and charts are made from it, then or later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.machine import Machine
from benchmarks.meter import Costs
from benchmarks.peers.phases import Phase
from benchmarks.samples import Outcome, Sample

__all__ = ["PlayerFacts", "Results"]


@dataclass(frozen=True)
class PlayerFacts:
    """What a contender says about itself."""

    name: str
    version: str
    settings: str


@dataclass
class Results:
    """Outcomes by contender and phase."""

    at: str
    machine: Machine
    sizes: dict[str, Any]
    players: list[PlayerFacts] = field(default_factory=list)
    outcomes: dict[tuple[str, Phase], Outcome] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    #: Who could not be measured on this machine, and why.
    absent: list[str] = field(default_factory=list)

    def add(self, player: str, phase: Phase, commit_ms: float, sample: Sample) -> None:
        outcome = self.outcomes.setdefault((player, phase), Outcome(f"{player}: {phase.words}"))
        outcome.commit_ms.append(commit_ms)
        outcome.samples.append(sample)
        self.problems += [f"{outcome.scenario}: {problem}" for problem in sample.problems]

    def values(self, player: str, phase: Phase, figure: tuple[str, str]) -> list[float]:
        """One for each repetition; none when it was not measured."""
        outcome = self.outcomes.get((player, phase))
        samples = outcome.samples if outcome else []
        return [sample.figures[figure] for sample in samples if figure in sample.figures]

    def commit_ms(self) -> list[float]:
        return [value for outcome in self.outcomes.values() for value in outcome.commit_ms]

    def write(self, file: Path) -> None:
        document = {
            "at": self.at,
            "machine": asdict(self.machine),
            "sizes": self.sizes,
            "players": [asdict(player) for player in self.players],
            "measurements": list(self._rows()),
            "problems": self.problems,
            "absent": self.absent,
        }
        file.write_text(json.dumps(document, indent=1) + "\n")

    @classmethod
    def read(cls, file: Path) -> Results:
        document = json.loads(file.read_text())
        machine = Machine(**{**document["machine"], "load": tuple(document["machine"]["load"])})
        results = cls(document["at"], machine, document["sizes"])
        results.players = [PlayerFacts(**player) for player in document["players"]]
        for row in document["measurements"]:
            figures = {(figure["what"], figure["unit"]): figure["value"] for figure in row["figures"]}
            sample = Sample(figures, Costs(**row["costs_per_job"]))
            results.add(row["player"], Phase(row["phase"]), row["commit_ms"], sample)
        results.problems, results.absent = document["problems"], document["absent"]
        return results

    def _rows(self) -> Iterator[dict[str, Any]]:
        for (player, phase), outcome in self.outcomes.items():
            for sample, commit_ms in zip(outcome.samples, outcome.commit_ms, strict=True):
                assert sample.costs is not None
                figures = [
                    {"what": what, "unit": unit, "value": value} for (what, unit), value in sample.figures.items()
                ]
                costs = asdict(sample.costs)
                row = {"player": player, "phase": phase.value, "commit_ms": commit_ms}
                yield {**row, "figures": figures, "costs_per_job": costs}
