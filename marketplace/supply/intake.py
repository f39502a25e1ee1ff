"""Taking judged rows in: find the people we know already, write the leads and what became of every row, together."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import DataError, IntegrityError, transaction
from django.db.models import Q

from marketplace.core import clock
from marketplace.core.ids import new_id
from marketplace.core.transactions import in_transaction
from marketplace.leads import pricing
from marketplace.leads.models import Consent, ConsentWording, Lead, LeadContact, Suppression, Vertical
from marketplace.leads.services import revoke_consents, suppress
from marketplace.leads.verticals import questions_of
from privacy.policy.services import sha256_of
from privacy.vault.fields import seal_into

from .bulk import insert
from .models import ImportBatch, ImportRow
from .rules import Candidate, Judged, Rejected, Revocation

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
    """What becomes of a row; for one that comes in also the status of its lead, when its consent was taken back (by a
    row further down), and its key once it is written."""

    line: int
    outcome: Outcome
    reason: str = ""
    candidate: Candidate | None = None
    status: str = ""
    revoked_at: datetime | None = None
    lead_id: int | None = None


@dataclass(slots=True)
class Known:
    """A request of somebody: a lead in stock, or a row further up among those that come in now (``fate``). ``status``
    is the one of its lead as it will be, so that it makes no difference where a portion of rows ends."""

    vertical_id: int
    asked_at: datetime
    status: str
    consent_at: datetime | None = None
    lead_id: int | None = None
    fate: Fate | None = None

    def withdraw(self) -> None:
        self.status = Lead.Status.WITHDRAWN
        if self.fate:
            self.fate.status = self.status


People = defaultdict[str, list[Known]]  # by digest
Ends = defaultdict[str, datetime]  # by digest: until when whatever that person agreed to was taken back
NEVER = datetime.min.replace(tzinfo=UTC)


@in_transaction
def take_in(batch_id: int, judged: Sequence[Judged], *, listed_when_asked: bool) -> None:
    """Take the rows in, in one transaction: a lead is never seen without its contact, consent and outcome (F67).

    The batch is locked first, so that two imports of one file never take the same row; then the verticals, so that two
    files never bring the same person at once. Rows that have their outcome already are left out.

    Raises:
        Busy: the database gave up; nothing of these rows was written.
    """
    batch = _lock_batch(batch_id)
    rows = [row for row in judged if row.line > batch.read_to]
    if not rows:
        return
    _lock_verticals(rows)
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
    taken = [fate.candidate for fate in fates if fate.candidate]
    batch.suppliers = sorted({*batch.suppliers, *(candidate.supplier.name for candidate in taken)})
    batch.verticals = sorted({*batch.verticals, *(candidate.vertical.name for candidate in taken)})
    batch.read_to = rows[-1].line
    batch.save(update_fields=["read_to", "suppliers", "verticals", *_COUNTERS.values()])


def _lock_batch(batch_id: int) -> ImportBatch:
    return ImportBatch.objects.select_for_update(no_key=True).get(pk=batch_id)


def _lock_verticals(rows: Sequence[Judged]) -> None:
    """Those the rows are for, or all of them if a row is about a person's leads in every vertical."""
    verticals = Vertical.objects.select_for_update(no_key=True).order_by("pk")
    if not any(isinstance(row, Rejected) and row.revocation for row in rows):
        verticals = verticals.filter(pk__in={row.vertical.pk for row in rows if isinstance(row, Candidate)})
    list(verticals)


def _take_in(batch: ImportBatch, rows: Sequence[Judged], *, listed_when_asked: bool) -> list[Fate]:
    """Write the leads of ``rows``. If the database refuses, each row is tried alone and rejected if it is the one."""
    try:
        return _write(batch, rows, [], listed_when_asked=listed_when_asked)
    except (IntegrityError, DataError):
        fates: list[Fate] = []
    for row in rows:
        try:
            fates += _write(batch, [row], fates, listed_when_asked=listed_when_asked)
        except (IntegrityError, DataError):
            fates.append(Fate(row.line, Outcome.REJECTED, "The database does not take the values of this row."))
    return fates


@transaction.atomic
def _write(batch: ImportBatch, rows: Sequence[Judged], above: Sequence[Fate], *, listed_when_asked: bool) -> list[Fate]:
    """Decide about ``rows`` and write their leads; ``above`` are rows of which only the outcome is not yet written."""
    decided = _decide(rows)
    _say_who_was_first(batch, decided.repeats, above)
    if decided.replaced:
        held = Lead.objects.filter(pk__in=decided.replaced, status=Lead.Status.HELD)
        held.update(status=Lead.Status.WITHDRAWN)
    for word in decided.said:
        suppress(word.person, at=word.at)
    if decided.revoked:
        revoke_consents(decided.revoked)
    _write_leads([fate for fate in decided.fates if fate.status], listed_when_asked=listed_when_asked)
    return decided.fates


def foresee(rows: Sequence[Judged]) -> list[Fate]:
    """What would become of ``rows`` if they came in now. Nothing is written."""
    decided = _decide(rows)
    _say_who_was_first(None, decided.repeats, ())
    return decided.fates


@dataclass(slots=True)
class Decided:
    """What becomes of rows, and what has to be done besides: whom duplicates repeat, which leads on hold give way, what
    was said about consents, and the leads in stock that this ends, with the moment."""

    fates: list[Fate] = field(default_factory=list)
    repeats: list[tuple[Fate, Known]] = field(default_factory=list)
    replaced: list[int] = field(default_factory=list)
    said: list[Revocation] = field(default_factory=list)
    revoked: dict[int, datetime] = field(default_factory=dict)


def _decide(rows: Sequence[Judged]) -> Decided:
    """What becomes of each row. A request on hold is not in the way of the same person's complete one: that takes its
    place, so that a supplier can send again what lacked its consent record. Word that somebody took their consent back
    ends what they have on sale in every vertical, and is remembered: a request that comes later, on a consent that is
    not younger than the word, is rejected (DX-16)."""
    people, ends, decided = _known_people(rows), _known_ends(rows), Decided()
    for row in rows:
        if isinstance(row, Rejected):
            decided.fates.append(Fate(row.line, Outcome.REJECTED, row.reason))
            if row.revocation:
                moments = _revoke(row.revocation, people, ends)
                decided.revoked = moments | decided.revoked  # the first moment told stays
                if row.revocation.person:
                    decided.said.append(row.revocation)
        elif _was_taken_back(row, ends):
            decided.fates.append(Fate(row.line, Outcome.REJECTED, "The person took this consent back."))
        else:
            decided.fates.append(_fate_of(row, people, decided.repeats, decided.replaced))
    return decided


def _fate_of(row: Candidate, people: People, repeats: list[tuple[Fate, Known]], replaced: list[int]) -> Fate:
    """Whether it comes in; notes in the lists of whom it is a repeat, and the leads on hold whose place it takes."""
    same = _same_person(row, people)
    in_the_way = [known for known in same if row.on_hold or known.status != Lead.Status.HELD]
    if in_the_way:
        fate = Fate(row.line, Outcome.DUPLICATE)
        repeats.append((fate, in_the_way[0]))
        return fate
    if row.on_hold:
        fate = Fate(row.line, Outcome.HELD, row.on_hold, row, Lead.Status.HELD)
    else:
        fate = Fate(row.line, Outcome.ACCEPTED, "", row, Lead.Status.OPEN)
        for known in same:
            known.withdraw()
        replaced += [known.lead_id for known in same if known.lead_id]
    known = Known(row.vertical.pk, row.asked_at, fate.status, _consent_at(row), fate=fate)
    for digest in (*row.phones, *row.emails):
        people[digest].append(known)
    return fate


def _any_of(people: Iterable[Candidate | Revocation]) -> Q:
    """With a phone or email of one of these."""
    phones: set[str] = set()
    emails: set[str] = set()
    for one in people:
        phones.update(one.phones)
        emails.update(one.emails)
    return Q(phone_digest__among=phones) | Q(email_digest__among=emails)


def _known_people(rows: Sequence[Judged]) -> People:
    """Everybody in stock, sold and withdrawn leads included, with a phone or email of these rows: one query."""
    told = [row if isinstance(row, Candidate) else row.revocation for row in rows]
    people: People = defaultdict(list)
    found = LeadContact.objects.filter(_any_of(one for one in told if one)).order_by("pk")
    columns = ("vertical_id", "asked_at", "status", "consent__given_at", "pk")
    digests = ("phone_digest", "email_digest")
    for *lead, phone, email in found.values_list(*(f"lead__{column}" for column in columns), *digests):
        known = Known(*lead)
        for digest in filter(None, (phone, email)):
            people[digest].append(known)
    return people


def _known_ends(rows: Sequence[Judged]) -> Ends:
    """What was said before about the people of these rows: one query."""
    ends: Ends = defaultdict(lambda: NEVER)
    said = Suppression.objects.filter(_any_of(row for row in rows if isinstance(row, Candidate)))
    for revoked_at, *digests in said.values_list("revoked_at", "phone_digest", "email_digest"):
        _end(ends, filter(None, digests), revoked_at)
    return ends


def _end(ends: Ends, digests: Iterable[str], at: datetime) -> None:
    for digest in digests:
        ends[digest] = max(ends[digest], at)


def _was_taken_back(row: Candidate, ends: Ends) -> bool:
    given_at = _consent_at(row)
    return given_at is not None and any(ends.get(digest, NEVER) >= given_at for digest in (*row.phones, *row.emails))


def _consent_at(row: Candidate) -> datetime | None:
    return row.consent.given_at if row.consent else None


def _same_person(row: Candidate, people: People) -> list[Known]:
    """The requests of this person in this vertical within 90 days of this one."""
    return [
        known
        for digest in (*row.phones, *row.emails)
        for known in people.get(digest, ())
        if known.vertical_id == row.vertical.pk and abs(known.asked_at - row.asked_at) <= SAME_PERSON
    ]


def _revoke(revocation: Revocation, people: People, ends: Ends) -> dict[int, datetime]:
    """End what this person asked for in rows further up and will on a consent of then; what they agreed to since stays.
    Returns the keys of the leads in stock, with the moment."""
    _end(ends, (*revocation.phones, *revocation.emails), revocation.at)
    moments = {}
    for digest in (*revocation.phones, *revocation.emails):
        for known in people.get(digest, ()):
            if known.consent_at is not None and known.consent_at > revocation.at:
                continue
            if known.status in (Lead.Status.OPEN, Lead.Status.HELD):
                known.withdraw()
            if known.fate:
                known.fate.revoked_at = known.fate.revoked_at or revocation.at
            elif known.lead_id:
                moments[known.lead_id] = revocation.at
    return moments


def _say_who_was_first(batch: ImportBatch | None, repeats: Sequence[tuple[Fate, Known]], above: Sequence[Fate]) -> None:
    """Give duplicates their reason: the line of this file with the same person, or the stock."""
    if not repeats:
        return
    ids = [known.lead_id for _, known in repeats if known.lead_id]
    lines: dict[int | None, int] = {fate.lead_id: fate.line for fate in above if fate.lead_id}
    lines |= dict(ImportRow.objects.filter(batch=batch, lead_id__in=ids).values_list("lead_id", "line"))
    for fate, known in repeats:
        line = known.fate.line if known.fate else lines.get(known.lead_id)
        where = f"on line {line}" if line else "in stock"
        fate.reason = f"The same phone or email is {where}, asked for within {SAME_PERSON.days} days."


def _write_leads(fates: Sequence[Fate], *, listed_when_asked: bool) -> None:
    """Write the leads of these rows with their consents and sealed contacts, and note their keys in the fates."""
    now = clock.now()
    candidates = [fate.candidate for fate in fates if fate.candidate]
    consents = _write_consents(fates)
    leads: list[dict[str, Any]] = []
    for fate, candidate in zip(fates, candidates, strict=True):
        may_be_listed = not candidate.on_hold and _may_be_listed(candidate, now)
        listed_at = min(now, candidate.asked_at + LISTING_TAKES) if listed_when_asked else now
        leads.append(
            {
                "public_id": new_id(),
                "status": str(fate.status if may_be_listed or candidate.on_hold else Lead.Status.WITHDRAWN),
                "listed_at": listed_at if may_be_listed else None,
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


def _may_be_listed(candidate: Candidate, now: datetime) -> bool:
    """Whether the lead is still what it was when the import was begun, maybe days ago: young enough, and with a consent
    that did not end meanwhile (DX-16). If not, it is withdrawn before it ever is on sale."""
    ends = candidate.consent.expires_at if candidate.consent else None
    return pricing.age_band(candidate.asked_at, now) is not None and (ends is None or ends > now)


def _description(candidate: Candidate) -> dict[str, Any]:
    return {
        **candidate.place._asdict(),
        "vertical_id": candidate.vertical.pk,
        "supplier_id": candidate.supplier.pk,
        "supplier_reference": candidate.reference,
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
    if band is None:  # it grew too old since the import was begun
        band = len(pricing.AGE_BANDS) - 1
    percent = vertical.exclusive_percent
    price = pricing.price(base, exclusive_percent=percent, slots_total=candidate.buyers, band=band)
    return {"base_cents": base, "price_cents": price, "age_band": band}


def _write_consents(fates: Sequence[Fate]) -> dict[int, int]:
    """Write the consent records; returns their keys by line. The same words are kept once."""
    given = [(fate, fate.candidate.consent) for fate in fates if fate.candidate is not None and fate.candidate.consent]
    texts = {consent.text for _, consent in given}
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
            "revoked_at": fate.revoked_at,
        }
        for fate, consent in given
    ]
    return dict(zip((fate.line for fate, _ in given), insert(Consent, rows), strict=True))


def _wordings(texts: Mapping[str, str]) -> dict[str, int]:
    """The keys of these wordings (by SHA-256), by text; makes those that are new."""
    kept = set(ConsentWording.objects.filter(sha256__in=texts).values_list("sha256", flat=True))
    # In order, so that two imports of the same new words wait for each other instead of deadlocking.
    new = [ConsentWording(sha256=sha256, text=texts[sha256]) for sha256 in sorted(texts.keys() - kept)]
    ConsentWording.objects.bulk_create(new, ignore_conflicts=True)
    return dict(ConsentWording.objects.filter(sha256__in=texts).values_list("text", "pk"))
