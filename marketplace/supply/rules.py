"""What a row must be to become a lead."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

from marketplace.leads.models import Supplier, Vertical
from marketplace.leads.pricing import AGE_BANDS
from marketplace.leads.services import person_digests
from marketplace.leads.verticals import KINDS
from privacy.vault.digests import digests
from privacy.vault.keys import digest_ring

from . import values
from .columns import MAX_COLUMNS, Columns
from .places import SOLD_IN, Place
from .reading import CONTROL, Row
from .refusals import RowRejected

OLDEST = AGE_BANDS[-1].up_to
MAX_ANSWER = 80
USUAL_MAX = 120
MAX_LENGTHS = {
    "first_name": 80,
    "last_name": 80,
    "reference": 80,
    "consent_provider": 40,
    "email": 254,
    "comments": 2000,
    "consent_text": 10_000,
    "named_sellers": 5000,
    # Addresses of pages are cut before they are stored; values.url has the last word.
    "landing_page": 4000,
    "consent_page": 4000,
    "origin_policy_url": 4000,
    "trustedform_cert_url": 500,
}
SHORTEST_MAX = min(MAX_LENGTHS.values())
MULTILINE = {"address_1", "comments", "consent_text", "named_sellers"}
FREE_TEXT = (
    "first_name", "last_name", "full_name", "address_1", "comments", "reference", "original_source", "consent_provider",
)  # fmt: skip
SEALED = {"first_name", "last_name", "full_name", "address_1", "comments"}
MAY_HOLD_NUMBERS = {"reference", "address_1"}  # nine digits in a row are no social security number here
WORDINGS = ("consent_text", "named_sellers")
NOT_REVOKED = {"", "no", "n", "false", "0"}
_USUAL = {
    (question.key, answer.casefold()) for kind in KINDS for question in kind.questions for answer in question.answers
}
VERTICALS = {
    "auto": "auto-insurance", "car": "auto-insurance", "carinsurance": "auto-insurance",
    "home": "home-insurance", "homeowners": "home-insurance", "homeownersinsurance": "home-insurance",
    "life": "life-insurance", "health": "health-insurance", "medicaresupplement": "medicare",
    "refinance": "mortgage", "solarpanels": "solar", "roof": "roofing", "heatingandcooling": "hvac",
    "injury": "personal-injury",
}  # fmt: skip
_LEADID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_BREAK = re.compile(r"[\t\r\n]")
_ANY_CONTROL = re.compile(f"{CONTROL.pattern}|{_BREAK.pattern}")


@dataclass(slots=True)
class Given:
    """A consent as the file gives it."""

    text: str
    given_at: datetime
    page: str
    named_sellers: str
    provider: str
    certificate_url: str
    expires_at: datetime | None
    dnc_checked_on: date | None


@dataclass(slots=True)
class Candidate:
    """A row that is fit to be a lead; what is left to ask is whether the person is known. ``on_hold`` says what it
    lacks to be sold; ``phones`` and ``emails`` are the digests of phone and email under every key of the ring."""

    line: int
    vertical: Vertical
    supplier: Supplier
    reference: str
    postal_code: str
    place: Place
    attributes: dict[str, str]
    asked_at: datetime
    buyers: int
    origin_site: str
    origin_policy_url: str
    landing_page: str
    original_source: str
    consent: Given | None
    is_certified: bool
    contact: dict[str, str]
    digests: dict[str, str]
    phones: Sequence[str]
    emails: Sequence[str]
    on_hold: str


@dataclass(frozen=True)
class Revocation:
    """Somebody took their consent back ``at`` (UTC): their ``phone_1`` and ``email`` as far as they were told, and the
    digests of both under every key of the ring."""

    at: datetime
    person: Mapping[str, str]
    phones: Sequence[str]
    emails: Sequence[str]


@dataclass(frozen=True)
class Rejected:
    """A row that cannot be a lead, and why. It may still bring word that somebody took their consent back."""

    line: int
    reason: str
    revocation: Revocation | None = None


Judged = Candidate | Rejected


@dataclass(frozen=True)
class Rules:
    """What rows are judged by. ``now`` is the moment the import began; ``vertical`` and ``supplier`` (a slug) are for
    rows that name none; ``verticals`` are keyed by ``word``, ``suppliers`` by slug."""

    columns: Columns
    verticals: Mapping[str, Vertical]
    places: Mapping[str, Place]
    now: datetime
    vertical: Vertical | None
    suppliers: Mapping[str, Supplier]
    supplier: str


def word(text: str) -> str:
    """A vertical's slug or name without what people write differently."""
    return re.sub(r"[^a-z0-9]", "", text.casefold())


def verticals_by_word() -> dict[str, Vertical]:
    """Every vertical under its slug, its name and the usual other words for it."""
    by_slug = {vertical.slug: vertical for vertical in Vertical.objects.all()}
    found = {alias: by_slug[slug] for alias, slug in VERTICALS.items() if slug in by_slug}
    for slug, vertical in by_slug.items():
        found[word(slug)] = found[word(vertical.name)] = vertical
    return found


def judge(row: Row, rules: Rules) -> Judged:
    """The lead in ``row``, or the reason why there is none, which never repeats a value."""
    try:
        given, attributes = _cells(row, rules.columns)
        if revocation := _revocation(given, rules.now):
            return Rejected(row.line, "The consent was revoked.", revocation)
        return _candidate(row.line, given, attributes, rules)
    except RowRejected as error:
        return Rejected(row.line, str(error))


def _candidate(line: int, given: Mapping[str, str], attributes: dict[str, str], rules: Rules) -> Candidate:
    _check_cells(given, attributes)
    contact = _contact(given)
    _refuse_what_singles_out(given, attributes, contact)
    own_digests = _digests(contact)
    phones, emails = _person(contact, own_digests)
    vertical = _vertical(given.get("vertical", ""), rules)
    postal_code, place = _place(given, rules.places)
    asked_at = _asked_at(given.get("source_timestamp", ""), rules.now)
    landing_page = values.page(given["landing_page"], "landing_page") if "landing_page" in given else ""
    site = given.get("origin_site", "") or landing_page
    site = values.host(site) if site else ""
    policy_url = values.page(given["origin_policy_url"], "origin_policy_url") if "origin_policy_url" in given else ""
    supplier = values.supplier(given["supplier"])[0] if "supplier" in given else rules.supplier
    consent = _consent(given, rules.now)
    pages = {"landing_page": landing_page, "origin_policy_url": policy_url}
    _refuse_own_phone(pages | {"consent_page": consent.page} if consent else pages, contact["phone_1"])
    return Candidate(
        line=line,
        vertical=vertical,
        supplier=rules.suppliers[supplier],
        reference=given.get("reference", ""),
        postal_code=postal_code,
        place=place,
        attributes=attributes,
        asked_at=asked_at,
        buyers=values.buyers(given.get("buyers", "")),
        origin_site=site,
        origin_policy_url=policy_url,
        landing_page=landing_page,
        original_source=given.get("original_source", ""),
        consent=consent,
        is_certified=consent is not None and bool(consent.certificate_url or contact["universal_leadid"]),
        contact=contact,
        digests=own_digests,
        phones=phones,
        emails=emails,
        on_hold=_lacks(consent, site, policy_url),
    )


def _cells(row: Row, columns: Columns) -> tuple[dict[str, str], dict[str, str]]:
    """The row's fields and attributes that are not empty, trimmed."""
    cells = row.cells
    if len(cells) > MAX_COLUMNS:
        raise RowRejected(f"The row has more than {MAX_COLUMNS} cells.")
    if len(cells) < columns.least or (len(cells) > columns.most and any(cells[columns.most :])):
        reason = f"The row has {len(cells)} cells, the header {columns.most}."
        if row.last_line > row.line:
            reason += f" It runs to line {row.last_line}: a quote may be missing."
        raise RowRejected(reason)
    given = {name: text for name, index in columns.fields.items() if (text := cells[index].strip())}
    attributes = {name: text for name, index in columns.attributes.items() if (text := cells[index].strip())}
    return given, attributes


def _revocation(given: Mapping[str, str], now: datetime) -> Revocation | None:
    """Whose consent the row says was taken back, however bad the row is otherwise; None if it says no such thing. If it
    does not say when, it was at the latest now; a day without a time counts to its end."""
    text = given.get("consent_revoked_at", "")
    if text.casefold() in NOT_REVOKED:
        return None
    try:
        at = min(values.moment(text, "consent_revoked_at"), now)
        at = at if ":" in text else at + timedelta(days=1)
    except RowRejected:
        at = now
    person = {}
    with suppress(RowRejected):
        person["phone_1"] = values.phone(given.get("phone_1", ""))
    with suppress(RowRejected):
        if email := values.email(given.get("email", "")):
            person["email"] = email
    phones = digests("phone", person["phone_1"]) if "phone_1" in person else ()
    emails = digests("email", person["email"]) if "email" in person else ()
    return Revocation(min(at, now), person, phones, emails)


def _check_cells(given: Mapping[str, str], attributes: Mapping[str, str]) -> None:
    if _ANY_CONTROL.search("".join(given.values())) or _ANY_CONTROL.search("".join(attributes.values())):
        _refuse_control(given)
        _refuse_control(attributes)
    for name, text in given.items():
        if len(text) > SHORTEST_MAX and len(text) > MAX_LENGTHS.get(name, USUAL_MAX):
            raise RowRejected(f"{name} is longer than {MAX_LENGTHS.get(name, USUAL_MAX)} characters.")
    for name, text in attributes.items():
        if len(text) > MAX_ANSWER:
            raise RowRejected(f"{name} is longer than {MAX_ANSWER} characters.")


def _refuse_control(cells: Mapping[str, str]) -> None:
    for name, text in cells.items():
        if CONTROL.search(text) or (name not in MULTILINE and _BREAK.search(text)):
            raise RowRejected(f"{name} holds control characters or a line break.")


def _contact(given: Mapping[str, str]) -> dict[str, str]:
    """What will be sealed: whom to call, and what only the buyer may read."""
    first, last = given.get("first_name", ""), given.get("last_name", "")
    if not first and not last:
        first, last = values.full_name(given.get("full_name", ""))
    if not first and not last:
        raise RowRejected("The row names nobody.")
    leadid = given.get("universal_leadid", "")
    if leadid and not _LEADID.fullmatch(leadid):
        raise RowRejected("universal_leadid is not a LeadiD.")
    return {
        "first_name": first,
        "last_name": last,
        "phone_1": values.phone(given.get("phone_1", "")),
        "email": values.email(given.get("email", "")),
        "address_1": " ".join(given.get("address_1", "").split()),
        "comments": given.get("comments", ""),
        "universal_leadid": leadid.lower(),
    }


def _refuse_what_singles_out(
    given: Mapping[str, str], attributes: Mapping[str, str], contact: Mapping[str, str]
) -> None:
    """No number that steals an identity anywhere; nothing of the contact where it would be public or not sealed."""
    free = {name: given[name] for name in FREE_TEXT if name in given} | dict(attributes)
    if values.may_single_out("\n".join(free.values())):
        for name, text in free.items():
            values.refuse_identity_numbers(text, name, bare=name not in MAY_HOLD_NUMBERS)
            if name not in SEALED:
                values.refuse_contact(text, name)
    told = (answer for key, text in attributes.items() if (key, answer := text.casefold()) not in _USUAL)
    if any(_names_the_person(answer, contact) for answer in told):
        raise RowRejected("An attribute holds the person's name or address, and it would be public.")
    for name in WORDINGS:
        digits, text = _wording(given.get(name, ""), name)
        if contact["phone_1"][2:] in digits or (contact["email"] and contact["email"] in text):
            raise RowRejected(f"{name} names the person. Give the words as the page showed them to everybody.")


def _names_the_person(answer: str, contact: Mapping[str, str]) -> bool:
    """Whether ``answer`` (casefolded) holds the person's whole name or address, or a name of three letters or more."""
    first, last, address = (contact[name].casefold() for name in ("first_name", "last_name", "address_1"))
    if (first and last and f"{first} {last}" in answer) or (len(address) > 5 and address in answer):
        return True
    return not values.words(answer).isdisjoint(values.words(f"{first} {last}"))


def _refuse_own_phone(pages: Mapping[str, str], phone: str) -> None:
    """The address of a page may hold what a visitor typed in there; an email address was looked for before."""
    for name, page in pages.items():
        if phone[2:] in values.digits_of(page):
            raise RowRejected(f"{name} holds the person's phone number.")


@lru_cache(maxsize=256)
def _wording(text: str, name: str) -> tuple[str, str]:
    """The digits of words that were shown to everybody (a company's phone number may be among them), and the words in
    lower case. Most rows have the same ones."""
    values.refuse_identity_numbers(text, name, bare=False)
    return re.sub(r"[^0-9]", "", text), text.lower()


def _vertical(text: str, rules: Rules) -> Vertical:
    vertical = rules.verticals.get(word(text)) if text else rules.vertical
    if vertical is None:
        raise RowRejected("vertical is none of ours." if text else "The row says no vertical.")
    return vertical


def _place(given: Mapping[str, str], places: Mapping[str, Place]) -> tuple[str, Place]:
    """The ZIP code, and city and state from the ZIP table."""
    code = values.postal_code(given.get("postal_code", ""))
    place = places.get(code)
    if place is None:
        raise RowRejected("postal_code does not exist.")
    if place.state not in SOLD_IN:
        raise RowRejected("postal_code is not in one of the 50 states or DC.")
    if "state" in given and values.state(given["state"]) != place.state:
        raise RowRejected("state contradicts postal_code.")
    return code, place


def _asked_at(text: str, now: datetime) -> datetime:
    asked_at = values.moment(text, "source_timestamp")
    if asked_at > now:
        raise RowRejected("source_timestamp lies in the future.")
    if now - asked_at > OLDEST:
        raise RowRejected(f"source_timestamp is older than {OLDEST.days} days.")
    return asked_at


def _consent(given: Mapping[str, str], now: datetime) -> Given | None:
    """The consent record, or None if words, time or page are missing: then it proves nothing.

    Raises:
        RowRejected: a part is malformed, or the consent has ended.
    """
    expires_at = values.moment(given["consent_expires"], "consent_expires") if "consent_expires" in given else None
    if expires_at is not None and expires_at <= now:
        raise RowRejected("The consent has expired.")
    given_at = values.moment(given["consent_at"], "consent_at") if "consent_at" in given else None
    if given_at is not None and given_at > now:
        raise RowRejected("consent_at lies in the future.")
    checked_on = values.day(given["dnc_checked_on"], "dnc_checked_on") if "dnc_checked_on" in given else None
    if checked_on is not None and checked_on > now.date():
        raise RowRejected("dnc_checked_on lies in the future.")
    page = values.page(given["consent_page"], "consent_page") if "consent_page" in given else ""
    certificate = given.get("trustedform_cert_url", "")
    certificate = values.url(certificate, "trustedform_cert_url") if certificate else ""
    if given_at is None or not page or "consent_text" not in given:
        return None
    return Given(
        text=given["consent_text"].replace("\r\n", "\n").replace("\r", "\n"),
        given_at=given_at,
        page=page,
        named_sellers=given.get("named_sellers", ""),
        provider=given.get("consent_provider", ""),
        certificate_url=certificate,
        expires_at=expires_at,
        dnc_checked_on=checked_on,
    )


def _lacks(consent: Given | None, site: str, policy_url: str) -> str:
    """Why the lead may not be sold yet (DX-16): what it lacks of origin and consent; "" if nothing."""
    lacks = []
    if consent is None:
        lacks.append("No consent record: it takes consent_text, consent_at and consent_page.")
    if not site or not policy_url:
        lacks.append("No origin: it takes origin_site and origin_policy_url.")
    return " ".join(lacks)


def _digests(contact: Mapping[str, str]) -> dict[str, str]:
    return person_digests(
        phone=contact["phone_1"],
        email=contact["email"],
        first_name=contact["first_name"],
        last_name=contact["last_name"],
    )


def _person(contact: Mapping[str, str], own: Mapping[str, str]) -> tuple[Sequence[str], Sequence[str]]:
    """Phone and email under every digest key, so that a known person is found while keys change."""
    if len(digest_ring()) == 1:
        return (own["phone_digest"],), (own["email_digest"],) if own["email_digest"] else ()
    return digests("phone", contact["phone_1"]), digests("email", contact["email"]) if contact["email"] else ()
