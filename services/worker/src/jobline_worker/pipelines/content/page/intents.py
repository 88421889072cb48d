"""What the words on a link or button ask a visitor to do, in English and German.

| intent | points | says something like |
|---|---|---|
| purchase, donation | 60 | Buy now, Add to basket, Donate · In den Warenkorb, Jetzt spenden |
| booking, demo | 60 | Book a table, Book a demo · Termin vereinbaren, Demo anfordern |
| trial, quote | 58 | Start free trial, Get a quote · Kostenlos testen, Angebot anfordern |
| sign-up, application | 55 | Sign up, Get started, Apply · Registrieren, Jetzt bewerben |
| joining in | 50 | Become a volunteer · Mitmachen |
| contact | 45 | Talk to us, Contact · Rückruf vereinbaren, Kontakt |
| newsletter | 42 | Subscribe · Newsletter abonnieren |
| download | 40 | Download the guide · Herunterladen |
| offer | 38 | Get the calendar, Try the calculator · Jetzt prüfen lassen |
| reading on | 15 | Learn more, See all jobs · Mehr erfahren |

Nouns do not count ("The book", "Order status"), nor does what every site has ("Home", "Log in", "Privacy").
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["READING_ON", "Intent", "intent_of", "is_noise"]


@dataclass(frozen=True)
class Intent:
    """`type` is the call's type where the words alone decide it, else empty."""

    points: int
    type: str = ""


READING_ON = Intent(15)
#: What follows an imperative, where without it the word might be a noun.
_IT = r"(?:an?|the|your|my|our|one|now|online|it|me|us|today|for|this|free|first)\b"

#: English, then German words; the first intent with a match counts.
_INTENTS: tuple[tuple[Intent, tuple[str, ...]], ...] = (
    (
        Intent(60, "demo_link"),
        (r"\bdemo\b(?! data)", r"walk-?through", r"\btour buchen", r"produkttour", r"live-?vorführung"),
    ),
    (
        Intent(58, "trial_link"),
        (
            r"\btrial\b",
            r"\btry (?:it |us )?(?:\w+ )?(?:for )?free\b",
            r"\btry (?:it )?now\b",
            r"\b(?:kostenlos|gratis|unverbindlich|jetzt) (?:\w+ )?(?:testen|ausprobieren)\b",
            r"testversion|testphase|probe(?:monat|abo|woche)",
        ),
    ),
    (
        Intent(42, "signup_link"),
        (r"\bsubscribe|newsletter", r"sign up for (?:\w+ ){0,2}(?:news|updates|e-?mails?)\b", r"\babonnieren"),
    ),
    (
        Intent(58),
        (
            r"\bquote\b",
            r"\bget an? (?:estimate|offer)",
            r"(?:angebot|kostenvoranschlag|offerte) (?:anfordern|einholen|erhalten)",
            r"preis berechnen",
        ),
    ),
    (
        Intent(60),
        (
            r"^buy\b",
            rf"^(?:order|purchase) {_IT}|^order$",
            r"\badd to (?:cart|basket|bag|trolley)",
            r"^(?:shop|browse) (?:now|all|the)\b",
            r"\bcheck ?out\b",
            r"\b(?:kaufen|bestellen|einkaufen)$",
            r"\bin den (?:warenkorb|einkaufswagen)",
            r"\bzum shop",
        ),
    ),
    (
        Intent(60),
        (
            r"\bdonate\b",
            r"^give (?:now|today|monthly|once)",
            r"\bmake a (?:donation|gift)",
            r"^plant an?\b",
            r"^sponsor an?\b",
            r"\bsupport (?:us|our work)\b",
            r"\b(?:jetzt |online )?spenden$",
        ),
    ),
    (
        Intent(60),
        (
            rf"\bbook {_IT}|^book (?:\w+ )?(?:visit|call|appointment|table|session|lesson|tour|room)",
            rf"^(?:reserve|schedule|arrange) (?:{_IT}|\w+)",
            r"\bmake an? (?:appointment|reservation|booking)",
            r"\bappointment\b",
            r"\b(?:buchen|reservieren)\b",
            r"\btermin\b.*(?:vereinbaren|buchen|anfragen|machen)",
        ),
    ),
    (
        Intent(55, "signup_link"),
        (
            r"\bsign(?:ing)? ?up\b",
            r"^register\b",
            r"\bget started\b",
            r"^start (?:now|free|for free|today)\b",
            r"\bcreate (?:\w+ ){0,3}(?:account|profile|workspace)\b",
            r"^join\b",
            r"^become a (?:member|customer|subscriber)",
            r"registrieren|loslegen|mitglied werden",
            r"konto (?:erstellen|anlegen|eröffnen)",
            r"\b(?:jetzt|kostenlos|gratis) (?:starten|anmelden|beitreten)",
        ),
    ),
    (
        Intent(55),
        (
            r"^apply\b|\bapply (?:now|online|here)\b",
            r"^post an? (?:job|vacancy)",
            r"\bbewerben\b",
            r"stelle ausschreiben",
        ),
    ),
    (
        Intent(50),
        (r"\bvolunteer\b", r"^become an?\b", r"\bget involved", r"\b(?:mitmachen|mithelfen)\b", r"pat(?:e|in) werden"),
    ),
    (
        Intent(45, "contact_link"),
        (
            r"\bcontact\b|get in touch",
            r"\btalk to\b|let'?s talk|^speak (?:to|with)|\bchat with",
            r"\bcall (?:us|me|now|back|you back|today)|^ring\b",
            r"\bwrite to\b|\be-?mail (?:us|me)\b|\bmessage us",
            r"^(?:tell|ask) (?:us|me|for|an?|our)\b",
            r"\b[ei]nquir(?:e|y|ies)\b|^hire\b",
            r"\bkontakt|rückruf|\banfragen?\b|\banrufen\b",
            r"schreiben sie (?:uns|mir)|sprechen sie|rufen sie|nachricht senden",
            r"beratungsgespräch|erstgespräch",
        ),
    ),
    (
        Intent(40, "download_link"),
        (r"\bdownload", r"^install (?:now|the app)", r"\bherunterladen\b", r"\bapp (?:laden|holen)"),
    ),
    (
        Intent(38),
        (
            r"^(?:get|claim|unlock|grab|request|try|upgrade|send me) \w+",
            r"^(?:start|plan|calculate|create) \w+",
            r"^find (?:an?|your|the|jobs|work)\b",
            r"(?:anfordern|sichern|prüfen lassen|berechnen|vereinbaren|einsenden)$",
        ),
    ),
    (
        READING_ON,
        (
            r"^(?:learn|read|see|find out|view|discover|explore|show|more|meet|look|watch|how)\b",
            r"mehr erfahren|weiterlesen|entdecken|ansehen",
            r"^(?:mehr|alle|zur|zum|zu)\b",
        ),
    ),
)
_COMPILED = tuple((intent, re.compile("|".join(patterns), re.I)) for intent, patterns in _INTENTS)

#: What every site has: its own pages about itself and the law, accounts, the machinery of pages, other sites, consent,
#: baskets and filters, languages, comments.
_NOISE = re.compile(
    "|".join(
        (
            r"home ?page|home|start|start here|startseite|about(?: us| me)?|über uns|blog|news|faqs?|help|hilfe|sitemap",
            r"privacy.*|data protection.*|datenschutz.*|cookies?(?: .*)?|terms.*|agb|conditions|imprint|impressum|legal.*",
            r"company details|contact details|accessibility",
            r"(?:log|sign) ?(?:in|out|on)|my account|account|login|logout|einloggen|anmelden|abmelden|mein konto",
            r"search|suchen?|menu|menü|open menu|toggle.*|close|schließen|cancel|skip to .*|zum inhalt.*",
            r"(?:back )?to top|nach oben|top|back|zurück|next(?: .*)?|previous(?: .*)?|weiter|prev",
            r"share.*|teilen|print|drucken|copy|kopieren|edit.*|rss",
            r"facebook|instagram|linkedin|twitter|x|youtube|tiktok|mastodon|github|pinterest|xing|whatsapp",
            r"(?:accept|allow|reject|decline|agree|got it|ok|okay|yes|no|fine)(?:[ ,].*)?",
            r"(?:verstanden|akzeptieren|ablehnen|zustimmen)(?:[ ,].*)?",
            r"(?:shopping )?(?:cart|basket|bag|warenkorb)(?: ?\(?\d*\)?)?|wishlist|sold out.*|ausverkauft.*",
            r"filter.*|sort.*|apply filters?|reset|show (?:more|less)",
            r"english|deutsch|français|español|italiano|en|de|fr|es",
            r"(?:post|leave a|add a)? ?comments?|kommentar.*|\d+ comments?|reply|antworten",
        )
    ),
    re.I,
)


def intent_of(text: str) -> Intent | None:
    """What the words ask for; None where they ask for nothing."""
    return next((intent for intent, pattern in _COMPILED if pattern.search(text)), None)


def is_noise(text: str) -> bool:
    """Whether every site has it, or nobody can read it: navigation, legal pages, login, consent, icons."""
    return sum(map(str.isalnum, text)) < 2 or _NOISE.fullmatch(text.strip(" →»›>←«.!…↗▶")) is not None
