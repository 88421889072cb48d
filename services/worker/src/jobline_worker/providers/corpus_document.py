"""Read one file of a corpus folder into plain text and the names it is about.

The files come from whoever filled the folder, so nothing in them is trusted: size is capped, bytes that are not UTF-8
are replaced, HTML goes through a parser that drops scripts, and Markdown through markdown-it with raw HTML dropped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import frontmatter
import yaml
from bs4 import BeautifulSoup
from markdown_it import MarkdownIt
from markdown_it.token import Token

from jobline_worker.providers.person_names import name_key

__all__ = ["MAX_FILE_BYTES", "SUFFIXES", "Document", "read_document"]

MAX_FILE_BYTES = 256 * 1024
SUFFIXES = frozenset({".md", ".txt", ".html", ".htm"})

_MAX_FRONT_MATTER = 4096
_DROPPED_TAGS = ("script", "style", "noscript", "template", "nav", "form", "iframe", "svg")
_BLOCK_TAGS = ("p", "div", "li", "tr", "section", "article", "header", "footer", "blockquote", "br", "h1", "h2", "h3")
_TITLE_PART = re.compile(r"\s[-–—|]\s|[|:,(]")
_LEADING_NAME = re.compile(r"[A-Z][\w.'’-]*(?: [A-Z][\w.'’-]*){1,4}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ue000-\uf8ff]")
_markdown = MarkdownIt("commonmark", {"html": True})


@dataclass(frozen=True)
class Document:
    """One page of the corpus. `names` are the keys (see `name_key`) of the people it is about."""

    url: str
    title: str
    text: str
    names: frozenset[tuple[str, ...]]


def read_document(path: Path, folder: Path) -> Document | None:
    """The document in a file, or None for a file that is larger than 256 KiB, unreadable or without text."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError:
        return None
    if len(raw) > MAX_FILE_BYTES:
        return None
    content = _CONTROL.sub(" ", raw.decode("utf-8-sig", errors="replace").replace("\r\n", "\n"))
    meta, body = _front_matter(content)
    heading, text = _to_text(body, path.suffix.lower())
    if not text.strip():
        return None
    title = _string(meta.get("title")) or heading or path.stem.replace("-", " ").replace("_", " ")
    url = _web_address(meta.get("url")) or f"corpus:/{quote(path.relative_to(folder).as_posix())}"
    return Document(url, title[:300], text, _names(title, _strings(meta.get("aliases")), path.stem, text))


def _front_matter(content: str) -> tuple[dict[str, object], str]:
    end = content.find("\n---", 3, _MAX_FRONT_MATTER)
    if not content.startswith("---") or end < 0:
        return {}, content
    # Only the block itself goes through the YAML parser: it is short, so a hostile page cannot keep it busy.
    block, body = content[: end + 4], content[end + 4 :]
    try:
        meta, _ = frontmatter.parse(block + "\n")
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}, body
    return dict(meta), body


def _to_text(body: str, suffix: str) -> tuple[str, str]:
    if suffix == ".md":
        return _markdown_text(body)
    if suffix in {".html", ".htm"}:
        return _html_text(body)
    first = next((line.strip() for line in body.splitlines() if line.strip()), "")
    return (first if len(first) <= 80 and not first.endswith(".") else ""), body


def _markdown_text(body: str) -> tuple[str, str]:
    heading = ""
    lines: list[str] = []
    tokens = _markdown.parse(body)
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type != "inline":
            continue
        line = " ".join(_inline_text(token.children or ()).split())
        if before is not None and before.type == "heading_open":
            heading = heading or line
            lines.append("")
        lines.append(line)
    return heading, "\n".join(lines)


def _inline_text(children: Sequence[Token]) -> str:
    texts = {"softbreak": " ", "hardbreak": " "}
    return "".join(
        child.content if child.type in {"text", "code_inline"} else texts.get(child.type, "") for child in children
    )


def _html_text(body: str) -> tuple[str, str]:
    # lxml: the parser of the standard library takes minutes for some malformed pages of this size.
    soup = BeautifulSoup(body, "lxml")
    heading_tag = soup.find("h1") or soup.find("title")
    heading = " ".join(heading_tag.get_text(" ").split()) if heading_tag else ""
    for tag in soup.find_all([*_DROPPED_TAGS, "head"]):
        tag.decompose()
    for tag in soup.find_all(_BLOCK_TAGS):
        tag.append("\n")
    lines = (" ".join(line.split()) for line in soup.get_text().splitlines())
    return heading, "\n".join(line for line in lines if line)


def _names(title: str, aliases: Sequence[str], stem: str, text: str) -> frozenset[tuple[str, ...]]:
    parts = (part.strip() for part in _TITLE_PART.split(title))
    opening = _LEADING_NAME.match(text.lstrip())
    candidates = [title, *parts, *aliases, re.sub(r"[-_]+", " ", stem), opening.group() if opening else ""]
    keys = (name_key(candidate) for candidate in candidates if candidate and len(candidate) <= 120)
    return frozenset(key for key in keys if 2 <= len(key) <= 6)


def _string(value: object) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""


def _strings(value: object) -> list[str]:
    items = value[:50] if isinstance(value, list) else [value]
    return [text for item in items if (text := _string(item))]


def _web_address(value: object) -> str | None:
    text = _string(value)
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    return text if parts.scheme in {"http", "https"} and parts.hostname and len(text) <= 500 else None
