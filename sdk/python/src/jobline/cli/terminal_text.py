"""Text of unknown origin made fit for a terminal.

Owners, labels, messages and payloads are written by strangers. A terminal obeys control sequences, and rich obeys
square brackets; so whatever comes from a job passes through here and reaches rich as plain `Text`, never as markup.
"""

from __future__ import annotations

import unicodedata

from rich.text import Text

__all__ = ["escape_controls", "plain"]

#: Control characters, invisible formatting such as bidirectional overrides, lone surrogates, and the separators that
#: some terminals treat as line ends.
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

#: The joiner that composes emoji and letters of several scripts: harmless alone.
_ZERO_WIDTH_JOINERS = frozenset("\u200c\u200d")


def escape_controls(text: str, *, keep_newlines: bool = False) -> str:
    """`text` with every character that could steer a terminal written as an escape such as `\\x1b`."""
    if text.isascii() and text.isprintable():
        return text
    kept = "\n" if keep_newlines else ""
    return "".join(_escaped(character) if _is_unsafe(character, kept) else character for character in text)


def plain(text: str, style: str = "", *, keep_newlines: bool = False) -> Text:
    """`text`, escaped, as rich text without any markup of its own."""
    return Text(escape_controls(text, keep_newlines=keep_newlines), style=style)


def _is_unsafe(character: str, kept: str) -> bool:
    if character in kept or character in _ZERO_WIDTH_JOINERS:
        return False
    return unicodedata.category(character) in _UNSAFE_CATEGORIES


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
