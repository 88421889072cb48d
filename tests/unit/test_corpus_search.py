"""The local corpus finds the page of the person who is named, or nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobline_worker.providers.corpus import Corpus

JANE = "---\ntitle: Jane Smith\nurl: https://example.org/smith\naliases: [J. A. Smith]\n---\n\n# Jane Smith\n\n"
FOLDING = "Smith studied protein folding in yeast."
TEACHING = "Smith wrote a textbook on enzyme kinetics."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "jane.md").write_text(f"{JANE}{FOLDING}\n\n{TEACHING}\n")
    (tmp_path / "other.md").write_text("# John Doe\n\nDoe studied protein folding with a colleague named Smith.\n")
    return tmp_path


def test_titles_before_the_name_do_not_count(folder: Path) -> None:
    hits = Corpus.load(folder).search("Dr. Jane Smith protein folding", 5)
    assert [(hit.url, hit.snippet) for hit in hits] == [("https://example.org/smith", FOLDING)]


def test_another_interest_chooses_another_snippet(folder: Path) -> None:
    assert Corpus.load(folder).search("Jane Smith enzyme kinetics", 5)[0].snippet == TEACHING


@pytest.mark.parametrize(
    "query",
    [
        "Jane Miller protein folding",
        "Anna Smith protein folding",
        "protein folding",
        "Max Mustermann Jane Smith protein folding",
        "",
        "Dr.",
    ],
)
def test_a_recipient_without_a_page_gets_no_hits(folder: Path, query: str) -> None:
    assert Corpus.load(folder).search(query, 5) == []


@pytest.mark.parametrize("query", ["papers by Jane Smith", "Jane B. Smith", "JANE SMITH", "Prof. Dr. Jáne Smith"])
def test_spellings_of_one_name_find_one_page(folder: Path, query: str) -> None:
    assert len(Corpus.load(folder).search(query, 5)) == 1


def test_a_page_is_found_by_its_heading_or_its_file_name_too(tmp_path: Path) -> None:
    (tmp_path / "ada-lovelace.txt").write_text("She wrote notes on the Analytical Engine.")
    (tmp_path / "p.html").write_text(
        "<title>Alan Turing - Home</title><p>He <b>broke</b> codes.</p><script>x()</script>"
    )
    corpus = Corpus.load(tmp_path)
    ada, alan = corpus.search("Ada Lovelace engine", 1), corpus.search("Alan Turing", 1)
    assert ada[0].url == "corpus:/ada-lovelace.txt"
    assert corpus.page(alan[0].url) == "He broke codes."


def test_pages_are_read_by_url_and_an_unknown_url_has_none(folder: Path) -> None:
    corpus = Corpus.load(folder)
    assert FOLDING in (corpus.page("https://example.org/smith") or "")
    assert corpus.page("https://example.org/else") is None


def test_files_that_cannot_be_trusted_are_left_out(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "secret.md"
    outside.write_text("# Ada Lovelace\n\nsecret")
    (folder / "link.md").symlink_to(outside)
    (folder / "gone.md").symlink_to(folder / "nowhere.md")
    (folder / "huge.md").write_text("# Alan Turing\n\n" + "a " * 200_000)
    os.mkfifo(folder / "pipe.txt")
    (folder / "bytes.txt").write_bytes(b"Grace Hopper\n\xff\xfe\x00 wrote a compiler.")
    corpus = Corpus.load(folder)
    assert corpus.search("Ada Lovelace", 1) == []
    assert corpus.search("Alan Turing", 1) == []
    assert corpus.search("Grace Hopper", 1)[0].snippet.endswith("wrote a compiler.")


@pytest.mark.parametrize(
    "front", ["title: [", "title: {a: b}\nurl: javascript:alert(1)", "url: http://[", "&a [*a]", "!!python/object:os.x"]
)
def test_odd_front_matter_never_stops_the_loading(tmp_path: Path, front: str) -> None:
    (tmp_path / "x.md").write_text(f"---\n{front}\n---\n# Ada Lovelace\n\nText.")
    assert Corpus.load(tmp_path).search("Ada Lovelace", 1)[0].url == "corpus:/x.md"


def test_a_missing_folder_is_named_and_no_folder_is_an_empty_corpus(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError, match="JOBLINE_CORPUS_DIR"):
        Corpus.load(tmp_path / "none")
    assert Corpus.load(None).search("Ada Lovelace", 1) == []


def test_papers_come_from_the_pages_of_the_author_newest_first(folder: Path) -> None:
    (folder / "jane.md").write_text(
        f"{JANE}## Papers on arXiv\n\n- “Old”; Jane Smith; 2015-01-02; arXiv:1501.00001. About old.\n"
        "- “New One”; A. Other, Jane Smith; 2021-03-04; arXiv:2103.00002. About new.\n- “Bad”; X; 2021-99-04; arXiv:1.2\n"
    )
    papers = Corpus.load(folder).papers_by("Prof. Jane Smith", 15)
    assert [(paper.title, paper.year, paper.arxiv_url) for paper in papers] == [
        ("New One", 2021, "http://arxiv.org/abs/2103.00002"),
        ("Old", 2015, "http://arxiv.org/abs/1501.00001"),
    ]
    assert papers[0].authors == ("A. Other", "Jane Smith")
    assert papers[0].abstract == "About new."
    assert Corpus.load(folder).papers_by("John Doe", 15) == []
