"""Makes a page's markup safe to parse: libxml2 takes quadratic time for a tag with very many attributes.

Two megabytes of `<div a1 a2 a3 …>` would keep a core busy for a minute and a half. Deep nesting needs no help: libxml2
stops at 256 levels.
"""

from __future__ import annotations

import re

__all__ = ["parseable"]

#: A tag keeps about this many attributes; the largest ones of real pages have some dozens.
MAX_ATTRIBUTES = 256
#: What is kept of the end of a cut tag: where the "tag" was really a `<` in a script, its `</script` must stay.
_KEPT_END = 16

# The syntax of HTML's tokenizer. Everything is possessive: there is one way to match, so time is linear.
_ATTRIBUTE = r"""(?:[\t\n\f\r /]*+[^\t\n\f\r />][^\t\n\f\r />=]*+
    (?:[\t\n\f\r ]*+=[\t\n\f\r ]*+(?:"[^"]*+"|'[^']*+'|[^\t\n\f\r >]*+))?+)"""
_TAG = re.compile(rf"<[a-z][^\t\n\f\r />]*+{_ATTRIBUTE}{{0,{MAX_ATTRIBUTES}}}+({_ATTRIBUTE}*+)", re.I | re.X)
#: How often, in the mean, a character may be looked at: tags begin inside of "tags", as `<` in a script makes them. Where
#: nearly every `<` opens a tag that never ends, time would be quadratic; no real page is near the bound.
_LOOKS = 16


def parseable(source: str) -> str:
    """The markup without the middle part of tags that have more than MAX_ATTRIBUTES attributes.

    It ends early where so many tags lie in one another that all looks are used up.
    """
    kept: list[str] = []
    copied = start = 0
    looks = _LOOKS * len(source)
    while tag := _TAG.search(source, start):
        looks -= len(tag[0])
        if looks < 0:
            return "".join([*kept, source[copied : tag.start()]])
        start = tag.start() + 1
        if tag[1]:
            kept += [source[copied : tag.start(1)], tag[1][-_KEPT_END:]]
            copied = start = tag.end()
    return "".join([*kept, source[copied:]])
