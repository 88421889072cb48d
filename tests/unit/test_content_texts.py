"""Texts of strangers made plain, and the faults of a markdown text that a model or a page may have talked in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobline_worker.pipelines.content.generation.brief import host_of
from jobline_worker.pipelines.content.generation.markdown_text import faults_of, read_markdown
from jobline_worker.pipelines.content.generation.plain_text import plain, plain_list

HOST = "example.com"
TEXT = "# Title\n\nWords.\n\n## One\n\nMore words.\n\n## Two\n\nThe end.\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Two\n words ", "Two words"),
        ("<script>alert(1)</script>Hello <b>there</b>", "Hello there"),
        ("See [this page](https://evil.example/(a)) now", "See this page now"),
        ("![alt](x.png) text", "alt text"),
        ("# Heading with `code` and **bold**", "Heading with code and bold"),
        ("C# and snake_case in 2026", "C# and snake_case in 2026"),
        ("go to https://evil.example/?a=b or www.evil.example", "go to or"),
        ("a javascript:alert(1) b", "a b"),
        ("right\u202eto\u2066left\u0000", "right to left\ufffd"),
        ("{subject} {0.__class__}", "subject 0. class"),
        ("如何选择 🙂", "如何选择 🙂"),
        ("می‌خواهم", "می‌خواهم"),
        ("***", ""),
        (None, ""),
        (["a"], ""),
    ],
)
def test_markup_links_and_invisible_characters_go(text: object, expected: str) -> None:
    assert plain(text) == expected


def test_a_long_text_is_cut_between_words() -> None:
    assert plain("word " * 100, 22) == "word word word word…"
    assert plain("x" * 100, 10) == "xxxxxxxxx…"


@given(st.text(max_size=400))
def test_what_is_plain_is_one_line_without_markup_and_stays_as_it_is(text: str) -> None:
    once = plain(text)
    assert "\n" not in once
    assert not set(once) & set("<>[]`*|\\{}")
    assert len(once) <= 300
    read = read_markdown(f"A sentence about {once} in the middle.")
    assert not read.has_html
    assert not read.links


def test_lists_come_as_lists_or_as_one_text() -> None:
    assert plain_list(["a", "A", "", "<i>b</i>", 3], 5) == ["A", "b"]
    assert plain_list("a, b; c", 2) == ["a", "b"]
    assert plain_list(None, 2) == []


def test_a_clean_text_has_no_faults() -> None:
    text = TEXT + "\n[a](/pricing) [b](https://www.example.com/x) [c](#top) [d](http://EXAMPLE.com)\n"
    assert faults_of(text, HOST, placeholders=False) == []


@pytest.mark.parametrize(
    ("added", "complaint"),
    [
        ("<script>alert(1)</script>", "HTML"),
        ("Words with <b>bold</b>", "HTML"),
        ("<!-- hidden -->", "HTML"),
        ("[a](https://evil.example/example.com)", "link"),
        ("[a](//evil.example)", "link"),
        ("[a](https://example.com.evil.example)", "link"),
        ("[a](https://example.com@evil.example/)", "link"),
        ("[a](mailto:x@evil.example)", "link"),
        ("[a](/\\\\evil.example)", "link"),
        ("[a][1]\n\n[1]: https://evil.example", "link"),
        ("[a](javascript:alert(1))", "link"),
        ("[a](JaVaScRiPt:alert(1))", "link"),
        ("[a](&#106;avascript:alert(1))", "link"),
        ("[a](<java\tscript:alert(1)>)", "link"),
        ("[a](data:text/html,x)", "link"),
        ("[a][1]\n\n[1]: vbscript:x", "link"),
        ("<javascript:alert(1)>", "link"),
        ("<https://evil.example>", "link"),
        ("See https://evil.example/x for more", "link"),
        ("See www.evil.example", "link"),
        ("ftp://example.com/x", "link"),
        ("![a](https://example.com/a.png)", "an image"),
        ("# Another", "one heading"),
        ("![IMAGE:hero:a team]", "placeholders"),
    ],
)
def test_each_fault_is_found(added: str, complaint: str) -> None:
    faults = faults_of(f"{TEXT}\n{added}\n", HOST, placeholders=False)
    assert any(complaint in fault for fault in faults), faults


@pytest.mark.parametrize(
    "added",
    [
        "![IMAGE:hero:a team](https://evil.example/a.png)",
        "![IMAGE:hero:a team](//evil.example/a.png)",
        "![IMAGE:hero:a team][1]\n\n[1]: //evil.example/a.png",
        "![IMAGE:hero:a team]\n\n[IMAGE:hero:a team]: //evil.example/a.png",
    ],
)
def test_what_looks_like_an_image_placeholder_but_has_an_address_is_a_fault(added: str) -> None:
    assert faults_of(f"{TEXT}\n{added}\n", HOST, placeholders=True) != []


def test_a_text_without_title_or_sections_is_refused() -> None:
    assert any("one heading" in fault for fault in faults_of("## One\n\n## Two\n", HOST, placeholders=False))
    assert any("two sections" in fault for fault in faults_of("# One\n\nWords.\n", HOST, placeholders=False))


@pytest.mark.parametrize("placeholder", ["![IMAGE:hero:a team]", "![IMAGE:hero:a team](hero)"])
def test_image_placeholders_may_stand_where_they_are_wanted(placeholder: str) -> None:
    assert faults_of(f"{TEXT}\n{placeholder}\n", HOST, placeholders=True) == []


def test_without_a_host_only_paths_are_links_of_one_s_own() -> None:
    assert faults_of(f"{TEXT}\n[a](/b)\n", "", placeholders=False) == []
    assert faults_of(f"{TEXT}\n[a](https://example.com)\n", "", placeholders=False) != []


@pytest.mark.parametrize("text", ["[" * 5000, "*a " * 5000, "> " * 2000, "`" * 5000, "![](" * 3000])
def test_markdown_that_is_made_to_hurt_is_read_all_the_same(text: str) -> None:
    assert read_markdown(text).headings == ()


@pytest.mark.parametrize(
    ("url", "host"),
    [("https://WWW.Example.com:8443/a", "example.com"), ("", ""), ("http://[::1", ""), ("/path", "")],
)
def test_hosts_are_compared_without_www(url: str, host: str) -> None:
    assert host_of(url) == host
