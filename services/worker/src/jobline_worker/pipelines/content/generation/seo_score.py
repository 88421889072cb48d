"""The SEO score of a post: 0 to 100 by fixed rules, each with the advice that follows when it is not met.

    rule                                                                      points
    length           600 words or more; 300: 10; 150: 5                           15
    readability      Flesch reading ease 50 or more; 30: 5                        10
    title            30 to 65 characters; 20 to 80: 4                              7
    top heading      exactly one                                                   4
    headings         three sections or more; one: 4                                8
    sections         none longer than 300 words                                    4
    keyword          in the title 8, among the first 100 words 6, in a section's
                     heading 6, 0.3 to 2.5 times in 100 words 8                   28
    meta description 50 to 160 characters 8, with the keyword 4                   12
    internal links   two or more; one: 4                                           8
    call to action   a link with the words of one in the text                      4

What cannot be measured, such as the readability of a language whose syllables are not known, is left out of the whole. A
keyword counts where all of its word stems stand one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jobline_worker.pipelines.content.generation.markdown_text import MarkdownText, read_markdown
from jobline_worker.pipelines.content.generation.readability import reading_ease
from jobline_worker.providers.passages import word_stems

__all__ = ["SeoScore", "score_post"]


@dataclass(frozen=True)
class _Mark:
    """Points of a rule; `advice` says how to earn the rest."""

    points: int
    most: int
    advice: str


@dataclass(frozen=True)
class SeoScore:
    """`advice` has a sentence for each rule that is not met, the dearest first."""

    score: int
    advice: tuple[str, ...]


def score_post(
    *, title: str, meta_description: str, content: str, keyword: str, calls_to_action: Sequence[str], language: str
) -> SeoScore:
    """Scores a post in markdown; `language` is `en`, `de` or anything else."""
    text = read_markdown(content)
    marks = [
        *_form(title, text),
        *_keyword_use(title, text, keyword),
        *_meta(meta_description, keyword),
        *_links(text, calls_to_action),
        *_readability(text, language),
    ]
    earned, possible = sum(mark.points for mark in marks), sum(mark.most for mark in marks)
    missed = sorted((mark for mark in marks if mark.points < mark.most), key=lambda mark: mark.points - mark.most)
    return SeoScore(round(100 * earned / possible), tuple(mark.advice for mark in missed))


def _form(title: str, text: MarkdownText) -> Iterator[_Mark]:
    words, sections = text.words, sum(level == 2 for level, _ in text.headings)
    length = 15 if words >= 600 else 10 if words >= 300 else 5 if words >= 150 else 0
    yield _Mark(length, 15, f"Add detail: the text has {words} words, 600 or more do better.")
    fits = 7 if 30 <= len(title) <= 65 else 4 if 20 <= len(title) <= 80 else 0
    yield _Mark(fits, 7, f"Bring the title to 30 to 65 characters; it has {len(title)}.")
    tops = sum(level == 1 for level, _ in text.headings)
    yield _Mark(4 if tops == 1 else 0, 4, "Use exactly one top heading.")
    yield _Mark(8 if sections >= 3 else 4 if sections else 0, 8, "Divide the text into three sections or more.")
    longest = max(text.sections)
    yield _Mark(4 if longest <= 300 else 0, 4, f"Split the longest section: {longest} words without a heading.")


def _keyword_use(title: str, text: MarkdownText, keyword: str) -> Iterator[_Mark]:
    wanted = word_stems(keyword)
    yield _Mark(8 if _times(wanted, title) else 0, 8, f"Put the keyword “{keyword}” into the title.")
    start = " ".join(" ".join(text.paragraphs).split()[:100])
    yield _Mark(6 if _times(wanted, start) else 0, 6, f"Use “{keyword}” within the first 100 words.")
    in_heading = any(_times(wanted, words) for level, words in text.headings if level > 1)
    yield _Mark(6 if in_heading else 0, 6, f"Use “{keyword}” in the heading of a section.")
    times = sum(_times(wanted, paragraph) for paragraph in text.paragraphs)
    share = 100 * times / max(1, text.words)
    how = "more often" if share < 0.3 else "less often"
    advice = f"Use “{keyword}” {how}: it stands {share:.2f} times in 100 words, 0.3 to 2.5 are good."
    yield _Mark(8 if 0.3 <= share <= 2.5 else 0, 8, advice)


def _meta(description: str, keyword: str) -> Iterator[_Mark]:
    fits = 50 <= len(description) <= 160
    yield _Mark(8 if fits else 0, 8, f"Bring the meta description to 50 to 160 characters; it has {len(description)}.")
    has = _times(word_stems(keyword), description)
    yield _Mark(4 if has else 0, 4, f"Use “{keyword}” in the meta description.")


def _links(text: MarkdownText, calls_to_action: Sequence[str]) -> Iterator[_Mark]:
    links = len({link.url for link in text.links})
    yield _Mark(8 if links >= 2 else 4 if links else 0, 8, "Link to two or more pages of your own site.")
    called = any(link.text in calls_to_action for link in text.links)
    yield _Mark(4 if called else 0, 4, "Link a call to action of your own site in the text.")


def _readability(text: MarkdownText, language: str) -> Iterator[_Mark]:
    ease = reading_ease(text.paragraphs, language)
    if ease is not None:
        points = 10 if ease >= 50 else 5 if ease >= 30 else 0
        yield _Mark(
            points, 10, f"Write shorter sentences and words: the reading ease is {ease:.0f}, 50 is easy enough."
        )


def _times(wanted: Sequence[str], text: str) -> int:
    """How often the stems stand in the text, one after the other."""
    found, length = word_stems(text), len(wanted)
    return sum(found[start : start + length] == wanted for start in range(len(found) - length + 1)) if wanted else 0
