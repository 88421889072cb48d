"""What a picture shows: icons that fit the words of a scenario and its business.

A motif is a family of icons that belong together. Its vocabulary is written as words with a star for any ending or
beginning, in English and German; the motif with the most weight of different matching words wins.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

__all__ = ["ABSTRACT", "MOTIFS", "Motif", "choose_motif"]

#: A word of the scenario's title says more about it than one about the business.
_TITLE_WEIGHT = 3
#: Words beyond that many characters do not count.
_MAX_TEXT = 4000


@dataclass(frozen=True)
class Motif:
    """Icons by their names in Lucide, the most telling first, and the words that call for them."""

    icons: tuple[str, str, str, str]
    vocabulary: str = ""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        words = "|".join(re.escape(word).replace(r"\*", r"\w*") for word in self.vocabulary.split())
        return re.compile(rf"\b(?:{words})\b")


#: Shown when no word is known.
ABSTRACT = Motif(("sparkles", "lightbulb", "compass", "target"))

MOTIFS = (
    Motif(
        ("calendar-check", "clock", "calendar-days", "users"),
        "calendar* schedul* rota rotas roster* shift shifts planner* planning appointment* booking* kalender* termin* "
        "dienstplan* schicht*",
    ),
    Motif(
        ("shopping-bag", "tag", "gift", "package"),
        "shop shops shopping store stores retail* boutique* e-commerce ecommerce basket checkout merchandise laden "
        "onlineshop einkauf* kauf*",
    ),
    Motif(
        ("spool", "scissors", "shirt", "gift"),
        "yarn* wool* knit* sew* skein* fabric* textile* crochet* fashion cloth* garment* tailor* wolle stoff* "
        "strick* kleid*",
    ),
    Motif(
        ("stethoscope", "heart-pulse", "clipboard-plus", "activity"),
        "clinic* doctor* medical* medicine* patient* hospital* physio* health* therap* treatment* pain* injur* surg* "
        "knee spine nurse* arzt* ärzt* praxis klinik* gesundheit* patient* behandlung* schmerz*",
    ),
    Motif(
        ("face-slightly-smiling", "toothbrush", "heart-pulse", "calendar-check"),
        "dentist* dental* tooth* teeth orthodont* zahn* kieferorthop*",
    ),
    Motif(
        ("scale", "gavel", "scroll-text", "landmark"),
        "law laws legal* lawyer* attorney* solicitor* court courts litigation dismiss* tenant* landlord* inherit* notary "
        "recht* *recht anwalt* anwält* *anwalt *anwälte kanzlei* kündig* *kündigung abfindung* gericht* mandant* "
        "erbe* testament* klage* mieter* vermieter*",
    ),
    Motif(
        ("utensils", "chef-hat", "wine", "fish"),
        "restaurant* menu* seafood guest guests vegetarian* dining "
        "dinner* lunch* chef* cuisine* kitchen* bistro* osteria* tasting gastro* speise* "
        "küche* koch* essen",
    ),
    Motif(
        ("coffee", "croissant", "cake-slice", "cup-soda"),
        "coffee* café* cafe* espresso bakery bakeries bread* pastry pastries cake* kaffee* bäcker* brot* kuchen",
    ),
    Motif(
        ("hand-heart", "heart-handshake", "hand-coins", "users"),
        "charity charities donat* donor* volunteer* nonprofit* non-profit fundrais* giving ngo humanitarian "
        "spende* ehrenamt* verein gemeinnützig*",
    ),
    Motif(
        ("droplets", "leaf", "tree-pine", "fish"),
        "river* water* nature conservation environment* climate* ecolog* wildlife forest* ocean* sustainab* umwelt* "
        "natur naturschutz* klima* nachhaltig* wasser",
    ),
    Motif(
        ("sprout", "carrot", "sun", "flower"),
        "garden* allotment* tomato* vegetable* plant plants seed* soil compost* mulch* harvest* fruit* plot "
        "garten* gemüse* pflanz*",
    ),
    Motif(
        ("tractor", "wheat", "sun", "milk"),
        "farm farms farmer* farming agricultur* crop crops livestock landwirt* bauer* ernte*",
    ),
    Motif(
        ("code-xml", "terminal", "braces", "git-branch"),
        "code coding developer* software program* api apis sdk library libraries engineer* open-source command-line "
        "deploy* devops entwickler* programmier*",
    ),
    Motif(
        ("server", "gauge", "database", "network"),
        "server* infrastructure latenc* traffic database* kubernetes cluster* hosting rate-limit* proxy request* backend* "
        "uptime throughput limit limits",
    ),
    Motif(
        ("book-open", "file-code", "search", "lightbulb"),
        "documentation docs reference tutorial* manual* guide guides quickstart handbook* dokumentation handbuch* anleitung*",
    ),
    Motif(
        ("pen-line", "feather", "notebook-pen", "newspaper"),
        "blog* write* writing writer* author* article* essay* newsletter* story stories editor* journal* schreib* "
        "autor*",
    ),
    Motif(
        ("briefcase-business", "badge-check", "user-search", "handshake"),
        "job jobs pay career* recruit* hiring hire hires vacanc* employ* candidate* applicant* salary salaries résumé* cv "
        "stelle stellen bewerb* karriere* arbeitgeber* personalsuche",
    ),
    Motif(
        ("anchor", "ship", "waves-horizontal", "compass"),
        "ports harbour* harbor* ferry ferries boat* ship ships shipping marine maritime sail* hafen* schiff*",
    ),
    Motif(
        ("camera", "aperture", "image", "focus"),
        "photo* camera* portrait* picture* packshot* lens studio* foto* kamera*",
    ),
    Motif(
        ("palette", "brush", "pen-tool", "layers"),
        "design* brand* art artist* illustrat* creative* logo* paint* portfolio* gestalt* kunst* grafik*",
    ),
    Motif(
        ("hammer", "ruler", "wrench", "drafting-compass"),
        "craft* workshop* maker* carpent* joiner* pottery potter* repair* renovat* build builder* construct* handwerk* "
        "werkstatt* tischler* bau*",
    ),
    Motif(
        ("chart-column", "trending-up", "chart-pie", "target"),
        "analytic* growth* revenue* sales metric* dashboard* forecast* kpi* performance marketing market umsatz* wachstum* "
        "vertrieb*",
    ),
    Motif(
        ("wallet", "coins", "receipt", "calculator"),
        "finance* financial* accounting accountant* payroll* tax taxes invoic* budget* banking invest* pension* insur* "
        "cost costs price* pricing steuer* buchhalt* kosten versicher* gehalt*",
    ),
    Motif(
        ("house", "key", "door-open", "map-pin"),
        "house houses housing homes property properties estate rent rental* flats apartment* mortgage* wohnung* "
        "immobilie* haus miete*",
    ),
    Motif(
        ("heart-handshake", "users", "calendar-check", "house-heart"),
        "care carer carers caregiver* elderly senior* nursing pflege* betreuung*",
    ),
    Motif(
        ("graduation-cap", "school", "book-open", "lightbulb"),
        "school* student* pupil* teach* learn* course* training education* universit* academy lesson* schule* schüler* "
        "lern* kurs kurse bildung* ausbildung*",
    ),
    Motif(
        ("plane", "map", "compass", "mountain"),
        "travel* trip trips tour tours tourism holiday* vacation* hotel* destination* hiking reise* urlaub* ferien*",
    ),
    Motif(
        ("dumbbell", "trophy", "footprints", "bike"),
        "fitness gym gyms sport* athlet* runner* workout* yoga cycling coach* training sportler* verein*",
    ),
    Motif(
        ("headphones", "guitar", "mic", "ticket"),
        "music* concert* band bands festival* song* podcast* theatre* theater* event events musik* konzert*",
    ),
    Motif(
        ("truck", "package", "warehouse", "map-pin"),
        "logistic* deliver* freight* courier* warehouse* parcel* supply transport* fleet* lieferung* spedition*",
    ),
    Motif(
        ("cog", "factory", "bot", "wrench"),
        "manufactur* factory factories industr* machine* automation robot* fertigung* maschine* produktion*",
    ),
    Motif(
        ("sun", "zap", "wind", "plug"),
        "energy solar* electric* power wind battery batteries heating heat-pump* energie* strom* wärme* photovolta*",
    ),
    Motif(
        ("paw-print", "dog", "cat", "bone"),
        "pet pets dog dogs cat cats animal* veterin* puppy kitten* tiere tierarzt* haustier* hund hunde katze*",
    ),
    Motif(
        ("shield-check", "lock", "key-round", "fingerprint-pattern"),
        "security secure privacy protect* encrypt* compliance risk* audit* fraud* sicherheit* datenschutz*",
    ),
    Motif(
        ("headset", "message-circle", "mail", "phone"),
        "support customer* helpdesk call-centre contact* chat* inbox messag* kundendienst*",
    ),
    Motif(
        ("car", "fuel", "wrench", "route"),
        "car cars vehicle* garage* automotive driver* driving tyre* tire* auto autos werkstatt fahrzeug*",
    ),
    Motif(
        ("baby", "blocks", "heart", "puzzle"),
        "baby babies child* kid kids parent* famil* toddler* kindergarten* kinder* eltern* mutter vater",
    ),
    Motif(
        ("workflow", "list-checks", "clipboard-check", "layers"),
        "workflow* process* task* project* productivity team teams spreadsheet* checklist* organis* organiz* "
        "administration prozess* aufgabe* projekt*",
    ),
)


def choose_motif(title: str, hint: str) -> Motif:
    """The motif whose vocabulary the title and the hint use most; the abstract one when they use none."""
    headline, rest = title[:_MAX_TEXT].casefold(), hint[:_MAX_TEXT].casefold()

    def weight(motif: Motif) -> int:
        return _TITLE_WEIGHT * len(set(motif.pattern.findall(headline))) + len(set(motif.pattern.findall(rest)))

    best = max(MOTIFS, key=weight)
    return best if weight(best) else ABSTRACT
