"""What a run leaves for its reader: verdict, figures, and on a violation the schedule and the story."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from chaos.members import Incident
from chaos.replay import Violation
from chaos.schedule import Fault
from chaos.story import story
from chaos.verdict import Case

__all__ = ["Report", "figures", "frozen", "show"]

_STORIES = 3
_LINES = 40


@dataclass
class Report:
    """How a run went."""

    title: str
    faults: Sequence[Fault]
    figures: dict[str, object] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    stories: list[str] = field(default_factory=list)
    #: What the services logged as errors; for the reader, not for the verdict.
    complaints: list[str] = field(default_factory=list)
    #: Where not all jobs have ended: why, as the service says.
    leftovers: list[str] = field(default_factory=list)

    def judge(self, case: Case, found: Sequence[Violation], incidents: Sequence[Incident]) -> None:
        """Takes in what was found, with the stories of the first jobs concerned."""
        self.violations += [violation.what for violation in found]
        by_job = {violation.job: violation for violation in reversed(found) if violation.job}
        for violation in list(reversed(by_job.values()))[:_STORIES]:
            self.stories += ["", *story(case, violation, incidents)]


def show(report: Report) -> None:
    """Prints it all."""
    verdict = f"{len(report.violations)} VIOLATIONS" if report.violations else "no violation"
    print(f"\n{report.title}: {verdict}, {len(report.faults)} faults", flush=True)
    for name, figure in report.figures.items():
        print(f"  {name}: {_words(figure)}")
    _print_lines("logged by the services", report.complaints)
    if report.violations:
        _print_lines("what does not hold", report.violations)
        _print_lines("what is left, and why", report.leftovers)
        print("  the schedule:", *report.faults, sep="\n    ")
        print(*report.stories, sep="\n    ", flush=True)


def frozen(incidents: Iterable[Incident]) -> dict[str, list[tuple[float, float]]]:
    """When each member was frozen, from and to."""
    spans: dict[str, list[tuple[float, float]]] = {}
    for incident in incidents:
        if incident.what == "SIGSTOP":
            spans.setdefault(incident.member, []).append((incident.wall, float("inf")))
        elif incident.what == "SIGCONT" and (known := spans.get(incident.member)):
            known[-1] = (known[-1][0], incident.wall)
    return spans


def figures(case: Case, incidents: Sequence[Incident]) -> dict[str, object]:
    """How much happened."""
    return {
        "jobs": len(case.replay.jobs),
        "runs": sum(line.event == "start" for line in case.lines),
        "terms": len(case.replay.epochs),
        "ends of processes": Counter(
            f"{each.member.split('-')[0]} {each.what.removeprefix('ended ')}"
            for each in incidents
            if each.what.startswith("ended")
        ),
        "calls without an answer": sum(request.ids is None for request in case.ledger.requests),
        "states": Counter(job.state for job in case.rows.jobs.values()),
        "runs that did not succeed": Counter(row.outcome for rows in case.rows.attempts.values() for row in rows),
        "acts of operators": Counter(f"{act.what} {act.answer}" for act in case.ledger.acts),
        "leases at once": case.replay.most_at_once,
    }


def _words(figure: object) -> str:
    if not isinstance(figure, Mapping):
        return str(figure)
    return ", ".join(f"{name} {value}" for name, value in sorted(figure.items())) or "none"


def _print_lines(title: str, lines: Sequence[str]) -> None:
    if lines:
        more = [f"… and {len(lines) - _LINES} more"] if len(lines) > _LINES else []
        print(f"  {title}:", *lines[:_LINES], *more, sep="\n    ")
