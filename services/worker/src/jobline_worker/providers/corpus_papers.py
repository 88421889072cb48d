"""The corpus as a stand-in for arXiv: the papers that a page lists.

A page may have lines of this form, usually below a heading "Papers on arXiv":

    “Title”; First Author, Second Author; 2017-10-26; arXiv:1710.09829. What it is about.

Other lines are ignored, so a page without such a list simply has no papers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from jobline_worker.providers.arxiv import Paper

__all__ = ["papers_in"]

_LINE = re.compile(
    r"[-*•]?\s*[“\"](?P<title>[^”\";]{3,300})[”\"];\s*(?P<authors>[^;]{2,2000});\s*(?P<date>\d{4}-\d{2}-\d{2});"
    r"\s*arXiv:(?P<id>\d{4}\.\d{4,5}|[a-z-]{2,20}/\d{7})\.?\s*(?P<abstract>.*)"
)


def papers_in(text: str) -> Iterator[Paper]:
    """The papers listed in the text of one page, in the order of the page."""
    for line in text.splitlines():
        match = _LINE.fullmatch(line.strip())
        published = _date(match["date"]) if match else None
        if match and published:
            authors = tuple(author.strip() for author in match["authors"].split(",") if author.strip())
            url = f"http://arxiv.org/abs/{match['id']}"
            yield Paper(match["title"], match["abstract"], authors, published.isoformat(), published.year, url)


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
