"""A pitch for each audience, from what the page says to exactly these people."""

from __future__ import annotations

from collections.abc import Sequence

from jobline_worker.pipelines.content.analysis.embedded.audiences import who
from jobline_worker.pipelines.content.analysis.embedded.kinds import Kind, kind_of
from jobline_worker.pipelines.content.analysis.embedded.offer import MAX_SHOWN, Offer
from jobline_worker.pipelines.content.analysis.embedded.quotes import quoted, shortened
from jobline_worker.pipelines.content.analysis.embedded.reading import Reading
from jobline_worker.pipelines.content.analysis.material import Material
from jobline_worker.pipelines.content.analysis.schemas import Scenario
from jobline_worker.providers.passages import stems

__all__ = ["pitches"]


def pitches(material: Material, scenarios: Sequence[Scenario]) -> list[str]:
    """One pitch for each scenario, in their order: by the offer whose words a scenario has most of, each used once."""
    reading = Reading(material)
    kind = kind_of(material)[0]
    left = list(reading.offers)
    written = []
    for scenario in scenarios:
        words = stems(f"{scenario.customerProblem} {scenario.conversionPath} {' '.join(scenario.customerLanguage)}")
        offer = max(left or reading.offers, key=lambda offer: len(offer.stems & words) / (1 + len(offer.stems)))
        if offer in left:
            left.remove(offer)
        written.append(_pitch(reading, offer, kind))
    return written


def _pitch(reading: Reading, offer: Offer, kind: Kind) -> str:
    """What they suffer from or want, what the business says to that, and the step it asks for."""
    name = shortened(reading.material.site_name, 100)
    people = f"For {quoted(offer.people[0], MAX_SHOWN)}: " if offer.people else ""
    answers = [sentence for sentence in offer.said if sentence != offer.trouble][:2]
    action = reading.action_for(offer)
    step = f" {kind.step}: {quoted(action.text, MAX_SHOWN)}." if action else ""
    if not offer.said:
        return _short_pitch(reading, offer, kind, name, step)
    told = " ".join(quoted(sentence) for sentence in answers or offer.said[:1])
    if offer.trouble and answers:
        return f"{people}{quoted(offer.trouble)} The answer of {name}: {told}{step}"
    if offer.is_about_people:
        return f"{people}{told} That is {name}.{step}"
    return f"{people}{quoted(offer.heading, MAX_SHOWN)} {kind.of} {name}. {told}{step}"


def _short_pitch(reading: Reading, offer: Offer, kind: Kind, name: str, step: str) -> str:
    """The pitch of an offer about which the page has no whole sentence."""
    if offer.angle:
        return f"For {who(offer, kind)}: {quoted(offer.heading)}.{step} The page says hardly more than that."
    items = " and ".join(quoted(item, 80) for item in offer.items[:2])
    opening = f" {quoted(reading.said[0])}" if reading.said else ""
    details = f": {items}." if items else "."
    return f"{quoted(offer.heading, MAX_SHOWN)} {kind.of} {name}{details}{opening}{step}"
