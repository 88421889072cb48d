"""The local corpus: a search engine over a folder of pages about recipients, without network.

It stands in for the web when no search service is set, so it keeps the one promise that matters for e-mails to real
people: it finds the page of the person who is named, or nothing. A page about somebody else who shares the subject is
never a hit, however well its words fit; the interest only orders the hits and picks the snippet.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from jobline_worker.providers.arxiv import Paper
from jobline_worker.providers.corpus_document import SUFFIXES, Document, read_document
from jobline_worker.providers.corpus_papers import papers_in
from jobline_worker.providers.passages import Interest, sentences
from jobline_worker.providers.person_names import TITLE_WORDS, folded_words, name_key

__all__ = ["Corpus", "CorpusHit"]

_log = logging.getLogger(__name__)

_MAX_FILES = 2000
_SNIPPET_LENGTH = 300
# Words that may stand before the name in a query; any other word there could be the name of somebody else.
_LEAD_IN = TITLE_WORDS | frozenset(
    folded_words(
        "a about author book books biography by from latest new of on paper papers profile publication publications "
        "recent research researcher scientist the work works who is"
    )
)


@dataclass(frozen=True)
class CorpusHit:
    """One found page; `score` is comparable within one answer only."""

    url: str
    title: str
    snippet: str
    score: float


class Corpus:
    """An immutable index of documents, searched by the name of a person."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._documents = tuple(_with_unique_urls(documents))
        self._by_url = {document.url: document for document in self._documents}

    @classmethod
    def load(cls, folder: Path | None) -> Corpus:
        """Read the `.md`, `.txt` and `.html` files below a folder (at most 2000, in the order of their paths).

        Without a folder the corpus is empty and finds nothing. Files over 256 KiB, unreadable ones and links that
        lead out of the folder are left out with a log line.
        Raises NotADirectoryError when there is no such folder, naming the setting.
        """
        if folder is None:
            return cls(())
        root = folder.resolve()
        if not root.is_dir():
            raise NotADirectoryError(f"JOBLINE_CORPUS_DIR: expected a folder, got {folder}")
        return cls(_read_all(root))

    def __len__(self) -> int:
        return len(self._documents)

    def search(self, query: str, limit: int) -> list[CorpusHit]:
        """The pages about the person with whose name the query begins, best first, at most `limit`.

        Titles before the name do not count ("Dr. Jane Smith protein folding" finds Jane Smith's page); the words
        after it choose the snippet. A query that names nobody of the corpus finds nothing.
        """
        words = _without_lead_in(folded_words(query[:1000]))
        found = ((document, _name_length(document, words)) for document in self._documents)
        hits = [_hit(document, " ".join(words[length:]), length) for document, length in found if length]
        return sorted(hits, key=lambda hit: (-hit.score, hit.url))[: max(limit, 0)]

    def papers_by(self, author: str, limit: int) -> list[Paper]:
        """The papers that the pages about exactly this person list, newest first, at most `limit`."""
        key = name_key(author)
        texts = (document.text for document in self._documents if key in document.names)
        papers = {paper.arxiv_url: paper for text in texts for paper in papers_in(text)}
        newest_first = sorted(papers.values(), key=lambda paper: (paper.published_date, paper.arxiv_url), reverse=True)
        return newest_first[: max(limit, 0)]

    def page(self, url: str) -> str | None:
        """The text of the document with this URL, None if the corpus has no such document."""
        document = self._by_url.get(url)
        return document.text if document else None


def _read_all(root: Path) -> Iterator[Document]:
    files = sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)
    for path in files[:_MAX_FILES]:
        if not path.resolve().is_relative_to(root) or not path.is_file():
            _log.warning("corpus file left out: it leads out of the folder: %s", path.name)
        elif document := read_document(path, root):
            yield document
        else:
            _log.warning("corpus file left out: unreadable, empty or over the size limit: %s", path.name)


def _with_unique_urls(documents: Iterable[Document]) -> Iterator[Document]:
    seen: dict[str, int] = {}
    for document in documents:
        count = seen[document.url] = seen.get(document.url, 0) + 1
        yield document if count == 1 else replace(document, url=f"{document.url}#{count}")


def _without_lead_in(words: list[str]) -> list[str]:
    start = next((index for index, word in enumerate(words) if word not in _LEAD_IN), len(words))
    return words[start:]


def _name_length(document: Document, words: list[str]) -> int:
    """How many leading words of the query are a name of the document; 0 if they are not."""
    lengths = (_leading(key, words) for key in document.names)
    return max(lengths, default=0)


def _leading(key: tuple[str, ...], words: list[str]) -> int:
    """Match a name against the leading words; an initial in the query ("Barbara H. Liskov") is passed over."""
    position = 0
    for part in key:
        while position < len(words) and len(words[position]) == 1 and words[position] != part:
            position += 1
        if position == len(words) or words[position] != part:
            return 0
        position += 1
    return position


def _hit(document: Document, interest: str, name_length: int) -> CorpusHit:
    passages = [passage for passage in sentences(document.text) if "://" not in passage]
    measure = Interest(interest, passages)
    best = max(passages, key=lambda passage: (measure.fit(passage), passage.endswith(".")), default="")
    # A name of more words is the more exact one; the subject decides only among pages of the same person.
    score = name_length * 1000 + measure.fit(document.text)
    return CorpusHit(document.url, document.title, best[:_SNIPPET_LENGTH], round(score, 6))
