"""Puts a generated report where docs/benchmarks.md shows it: between two comments that carry the report's name."""

from __future__ import annotations

from pathlib import Path

__all__ = ["DOCS", "publish"]

DOCS = Path(__file__).parents[2] / "docs"


def publish(name: str, report: str, document: Path = DOCS / "benchmarks.md") -> None:
    """Replaces what stands between `<!-- name -->` and `<!-- /name -->`. Raises ValueError when they are missing."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
    before, opened, rest = document.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not opened or not closed:
        raise ValueError(f"{document} has no place for {name}")
    document.write_text(f"{before}{begin}\n{report.strip()}\n\n{end}{after}")
