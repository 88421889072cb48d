"""Which form of the name goes where, so that no greeting has two titles or half a name."""

from __future__ import annotations

import re

from jobline_worker.pipelines.email.embedded.letter import greets_before
from jobline_worker.pipelines.email.embedded.placeholders import Mark
from jobline_worker.providers.person_names import PersonName

__all__ = ["with_names_settled"]

_TITLE = r"\b(?:Dr|Prof|Professor|Doctor|Sir|Dame|Mr|Mrs|Ms|Mx)\b\.?[ \t]++"


def with_names_settled(text: str, person: PersonName) -> str:
    """The marked text with name, first-name and title marks resolved to what this person's name can fill.

    Parts that together make the name become one name mark, which is filled with the name as submitted.
    """
    first, last, title = Mark.FIRST_NAME, Mark.LAST_NAME, Mark.HONORIFIC
    text = re.sub(rf"(?:{title}[ \t]++)?(?:{first}[ \t]++)?{last}", last, text)
    text = re.sub(rf"{title}[ \t]++(?=[{Mark.NAME}{first}])", "", text)
    text = re.sub(title, lambda found: _lone_title(text, found.start()), text)
    if person.honorific:
        text = re.sub(rf"(?:{_TITLE})++(?=[{Mark.NAME}{last}])", "", text)
    # A last name alone is right behind a title only ("Dear Professor Liskov"); elsewhere the full name is.
    text = re.sub(rf"({_TITLE})?{last}", lambda found: f"{found[1] or ''}{last if found[1] else Mark.NAME}", text)
    return text if person.first else text.replace(first, Mark.NAME)


def _lone_title(text: str, position: int) -> str:
    """{{title}} in a greeting is the recipient, elsewhere it is the title of a work."""
    return Mark.NAME if greets_before(text, position) else Mark.WORK
