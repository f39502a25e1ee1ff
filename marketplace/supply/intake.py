"""Taking judged rows in: find the people we know already, write the leads and what became of every row, together."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import DataError, IntegrityError, transaction
from django.db.models import Q

from marketplace.core import clock
from marketplace.core.ids import new_id
from marketplace.core.transactions import in_transaction
from marketplace.leads import pricing
from marketplace.leads.models import Consent, ConsentWording, Lead, LeadContact, Vertical
from marketplace.leads.verticals import questions_of
from privacy.policy.services import sha256_of
from privacy.vault.fields import seal_into

from .bulk import insert
from .models import ImportBatch, ImportRow
from .rules import Candidate, Judged, Rejected

SAME_PERSON = timedelta(days=90)
LISTING_TAKES = timedelta(minutes=2)
Outcome = ImportRow.Outcome
_COUNTERS = {
    Outcome.ACCEPTED: "accepted",
    Outcome.HELD: "held",
    Outcome.DUPLICATE: "duplicates",
    Outcome.REJECTED: "rejected",
}


@dataclass(slots=True)
class Fate:
    """What becomes of a row; for one that comes in also the status of its lead, and its key once it is written."""

    line: int
    outcome: Outcome
    reason: str = ""
    candidate: Candidate | None = None
    status: str = ""
    lead_id: int | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """A request of somebody: a lead in stock, or a row further up among those that come in now (``fate``)."""

    asked_at: datetime
    is_held: bool
    lead_id: int | None = None
    fate: Fate | None = None


People = defaultdict[tuple[int, str], list[Known]]  # by vertical and digest


@in_transaction
def take_in(batch_id: int, judged: Sequence[Judged], *, listed_when_asked: bool) -> None:
    """Take the rows in, in one transaction: a lead is never seen without its contact, consent and outcome (F67).

    The batch is locked first, so that two imports of one file never take the same row; then the verticals, so that two
    files never bring the same person at once. Rows that have their outcome already are left out.

    Raises:
        Busy: the database gave up; nothing of these rows was written.
    """
    batch = ImportBatch.objects.select_for_update(no_key=True).get(pk=batch_id)
    rows = _rows_left(batch, judged)
    if not rows:
        return
    verticals = {row.vertical.pk for row in rows if isinstance(row, Candidate)}
    list(Vertical.objects.select_for_update(no_key=True).filter(pk__in=verticals).order_by("pk"))
    fates = _take_in(batch, rows, listed_when_asked=listed_when_asked)
    insert(
        ImportRow,
        [
            {
                "batch_id": batch.pk,
                "line": fate.line,
                "outcome": fate.outcome.value,
                "reason": fate.reason,
                "lead_id": fate.lead_id,
            }
            for fate in fates
        ],
    )
    for fate in fates:
        counter = _COUNTERS[fate.outcome]
        setattr(batch, counter, getattr(batch, counter) + 1)
    batch.read_to = rows[-1].line
    batch.save(update_fields=["read_to", *_COUNTERS.values()])


def _rows_left(batch: ImportBatch, judged: Sequence[Judged]) -> list[Judged]:
    """Those that have no outcome yet; the batch is locked."""
    return [row for row in judged if row.line > batch.read_to]


def _take_in(batch: ImportBatch, rows: Sequence[Judged], *, listed_when_asked: bool) -> list[Fate]:
    """Write the leads of ``rows``. If the database refuses, each row is tried alone and rejected if it is the one."""
    try:
        with transaction.atomic():
            fates = _decide(batch, rows)
            _write_leads([fate for fate in fates if fate.status], listed_when_asked=listed_when_asked)
            return fates
    except (IntegrityError, DataError):
        if len(rows) == 1:
            return [Fate(rows[0].line, Outcome.REJECTED, "The database does not take the values of this row.")]
    return [fate for row in rows for fate in _take_in(batch, [row], listed_when_asked=listed_when_asked)]


def _decide(batch: ImportBatch, rows: Sequence[Judged]) -> list[Fate]:
    """What becomes of each row. A request on hold is not in the way of the same person's complete one: that takes its
    place, so that a supplier can send again what lacked its consent record."""
    people = _known_people([row for row in rows if isinstance(row, Candidate)])
    fates: list[Fate] = []
    repeats: list[tuple[Fate, Known]] = []
    replaced: list[int] = []
    for row in rows:
        if isinstance(row, Rejected):
            fates.append(Fate(row.line, Outcome.REJECTED, row.reason))
            continue
        same = _same_person(row, people)
        in_the_way = [known for known in same if row.on_hold or not known.is_held]
        if in_the_way:
            fate = Fate(row.line, Outcome.DUPLICATE)
            repeats.append((fate, in_the_way[0]))
        elif row.on_hold:
            fate = Fate(row.line, Outcome.HELD, row.on_hold, row, Lead.Status.HELD)
        else:
            fate = Fate(row.line, Outcome.ACCEPTED, "", row, Lead.Status.OPEN)
            for known in same:
                if known.fate:
                    known.fate.status = Lead.Status.WITHDRAWN
                elif known.lead_id:
                    replaced.append(known.lead_id)
        fates.append(fate)
        if fate.candidate:
            known = Known(row.asked_at, bool(row.on_hold), fate=fate)
            for digest in (*row.phones, *row.emails):
                people[row.vertical.pk, digest].append(known)
    if repeats:
        _say_who_was_first(batch, repeats)
    if replaced:
        Lead.objects.filter(pk__in=replaced, status=Lead.Status.HELD).update(status=Lead.Status.WITHDRAWN)
    return fates


def _known_people(candidates: Sequence[Candidate]) -> People:
    """Everybody in stock, sold and withdrawn leads included, with a phone or email of these candidates: one query."""
    phones = {digest for candidate in candidates for digest in candidate.phones}
    emails = {digest for candidate in candidates for digest in candidate.emails}
    people: People = defaultdict(list)
    found = LeadContact.objects.filter(Q(phone_digest__in=phones) | Q(email_digest__in=emails)).order_by("pk")
    columns = ("lead_id", "lead__vertical_id", "lead__asked_at", "lead__status", "phone_digest", "email_digest")
    for lead_id, vertical_id, asked_at, status, *own in found.values_list(*columns):
        known = Known(asked_at, status == Lead.Status.HELD, lead_id=lead_id)
        for digest in filter(None, own):
            people[vertical_id, digest].append(known)
    return people


def _same_person(row: Candidate, people: People) -> list[Known]:
    """The requests of this person in this vertical within 90 days of this one."""
    return [
        known
        for digest in (*row.phones, *row.emails)
        for known in people.get((row.vertical.pk, digest), ())
        if abs(known.asked_at - row.asked_at) <= SAME_PERSON
    ]


def _say_who_was_first(batch: ImportBatch, repeats: Sequence[tuple[Fate, Known]]) -> None:
    """Give duplicates their reason: the line of this file with the same person, or the stock."""
    ids = [known.lead_id for _, known in repeats if known.lead_id]
    lines: dict[int | None, int] = dict(
        ImportRow.objects.filter(batch=batch, lead_id__in=ids).values_list("lead_id", "line")
    )
    for fate, known in repeats:
        line = known.fate.line if known.fate else lines.get(known.lead_id)
        where = f"on line {line}" if line else "in stock"
        fate.reason = f"The same phone or email is {where}, asked for within {SAME_PERSON.days} days."


def _write_leads(fates: Sequence[Fate], *, listed_when_asked: bool) -> None:
    """Write the leads of these rows with their consents and sealed contacts, and note their keys in the fates."""
    now = clock.now()
    candidates = [fate.candidate for fate in fates if fate.candidate]
    consents = _write_consents(candidates)
    leads: list[dict[str, Any]] = []
    for fate, candidate in zip(fates, candidates, strict=True):
        listed_at = min(now, candidate.asked_at + LISTING_TAKES) if listed_when_asked else now
        leads.append(
            {
                "public_id": new_id(),
                "status": fate.status,
                "listed_at": None if candidate.on_hold else listed_at,
                "consent_id": consents.get(candidate.line),
                **_description(candidate),
                **_price(candidate, now),
            }
        )
    stencil = LeadContact(lead=Lead())  # sealing is bound to a row's public id; one row serves them all
    contacts = []
    for key, lead, fate, candidate in zip(insert(Lead, leads), leads, fates, candidates, strict=True):
        fate.lead_id = key
        stencil.lead.public_id = lead["public_id"]
        seal_into(stencil, "sealed", {name: text for name, text in candidate.contact.items() if text})
        contacts.append({"lead_id": key, "sealed": stencil.sealed, **candidate.digests})
    insert(LeadContact, contacts)


def _description(candidate: Candidate) -> dict[str, Any]:
    city, state = candidate.place
    return {
        "vertical_id": candidate.vertical.pk,
        "supplier_id": candidate.supplier.pk,
        "supplier_reference": candidate.reference,
        "city": city,
        "state": state,
        "postal_code": candidate.postal_code,
        "attributes": candidate.attributes,
        "asked_at": candidate.asked_at,
        "slots_total": candidate.buyers,
        "slots_sold": 0,
        "origin_site": candidate.origin_site,
        "origin_policy_url": candidate.origin_policy_url,
        "landing_page": candidate.landing_page,
        "original_source": candidate.original_source,
        "is_certified": candidate.is_certified,
    }


def _price(candidate: Candidate, now: datetime) -> dict[str, int]:
    """The stored price, for the age of the lead now, and what it was made from."""
    vertical = candidate.vertical
    questions = questions_of(vertical.slug)
    score = pricing.points(
        candidate.supplier.grade,
        is_certified=candidate.is_certified,
        answered=sum(question.key in candidate.attributes for question in questions),
        asked=len(questions),
    )
    base = pricing.base_price(vertical.low_cents, vertical.high_cents, score)
    band = pricing.age_band(candidate.asked_at, now)
    if band is None:  # it grew too old since the import was begun; repricing withdraws it
        band = len(pricing.AGE_BANDS) - 1
    percent = vertical.exclusive_percent
    price = pricing.price(base, exclusive_percent=percent, slots_total=candidate.buyers, band=band)
    return {"base_cents": base, "price_cents": price, "age_band": band}


def _write_consents(candidates: Sequence[Candidate]) -> dict[int, int]:
    """Write the consent records; returns their keys by line. The same words are kept once."""
    given = {candidate.line: candidate.consent for candidate in candidates if candidate.consent}
    texts = {consent.text for consent in given.values()}
    wordings = _wordings({sha256_of(text): text for text in texts})
    rows = [
        {
            "wording_id": wordings[consent.text],
            "given_at": consent.given_at,
            "page": consent.page,
            "named_sellers": consent.named_sellers,
            "provider": consent.provider,
            "certificate_url": consent.certificate_url,
            "expires_at": consent.expires_at,
            "dnc_checked_on": consent.dnc_checked_on,
            "revoked_at": None,
        }
        for consent in given.values()
    ]
    return dict(zip(given, insert(Consent, rows), strict=True))


def _wordings(texts: Mapping[str, str]) -> dict[str, int]:
    """The keys of these wordings (by SHA-256), by text; makes those that are new."""
    kept = set(ConsentWording.objects.filter(sha256__in=texts).values_list("sha256", flat=True))
    # In order, so that two imports of the same new words wait for each other instead of deadlocking.
    new = [ConsentWording(sha256=sha256, text=texts[sha256]) for sha256 in sorted(texts.keys() - kept)]
    ConsentWording.objects.bulk_create(new, ignore_conflicts=True)
    return dict(ConsentWording.objects.filter(sha256__in=texts).values_list("text", "pk"))
