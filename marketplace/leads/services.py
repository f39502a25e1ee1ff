"""Listing, claiming, repricing and opening leads."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import phonenumbers
from django.db import connection
from django.db.models import BigIntegerField, Case, IntegerField, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Cast, Greatest

from marketplace.core import clock
from marketplace.core.refusals import Refusal
from marketplace.core.transactions import in_transaction
from privacy.vault.digests import digests
from privacy.vault.fields import seal_into, unseal_from

from . import pricing
from .models import Consent, Lead, LeadContact, Suppression, Vertical, plain_name
from .pricing import AGE_BANDS, MINIMUM_CENTS
from .verticals import KINDS, questions_of

REPRICE_BATCH = 1000
US_REGIONS = ("US", "PR", "VI", "GU", "AS", "MP")  # the United States and their territories, as phonenumbers has them


class LeadUnavailable(Refusal):
    """The lead was sold out or withdrawn meanwhile."""

    message = "Somebody else bought it a moment ago. You were not charged."

    def __init__(self, lead_id: int, *, is_withdrawn: bool = False) -> None:
        self.lead_id, self.is_withdrawn = lead_id, is_withdrawn
        super().__init__("This lead was withdrawn a moment ago. You were not charged." if is_withdrawn else "")


class PriceChanged(Refusal):
    """The price is another one than the buyer saw. Prices in cents."""

    message = "The price changed while you were reading. You were not charged."

    def __init__(self, lead_id: int, seen: int, present: int) -> None:
        self.lead_id, self.seen, self.present = lead_id, seen, present
        super().__init__()


def make_verticals() -> None:
    """Make the verticals that are missing. Prices of those that exist stay as staff set them."""
    Vertical.objects.bulk_create(
        [
            Vertical(
                slug=kind.slug,
                name=kind.name,
                icon=kind.icon,
                low_cents=kind.low * 100,
                high_cents=kind.high * 100,
                exclusive_percent=kind.exclusive_percent,
                position=position,
            )
            for position, kind in enumerate(KINDS)
        ],
        ignore_conflicts=True,
    )


# The job that withdraws leads whose consent ended comes once an hour; the till does not wait for it (DX-16).
_CONSENT_STANDS = """NOT EXISTS (SELECT 1 FROM leads_consent c WHERE c.id = leads_lead.consent_id
        AND (c.revoked_at IS NOT NULL OR c.expires_at <= %s))"""
_TAKE_SLOT = f"""
UPDATE leads_lead SET slots_sold = slots_sold + 1,
    status = CASE WHEN slots_sold + 1 = slots_total THEN 'sold' ELSE status END
WHERE id = %s AND status = 'open' AND slots_sold < slots_total AND price_cents = %s
    AND {_CONSENT_STANDS}
RETURNING slots_sold"""  # noqa: S608 - words of ours
_LOOK = f"SELECT id, status, price_cents, {_CONSENT_STANDS} FROM leads_lead WHERE id IN ({{leads}})"  # noqa: S608


def take_slot(lead_id: int, price_seen: int) -> int:
    """Claim one slot of the lead at ``price_seen`` cents; returns its number, from 1. Needs the caller's transaction.

    Raises:
        LeadUnavailable: no slot is left, it is no longer on sale, or the consent ended.
        PriceChanged: it costs something else now.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_SLOT, [lead_id, price_seen, _moment()])
        row = cursor.fetchone()
    if row is None:
        require_on_sale(lead_id, price_seen)
        raise LeadUnavailable(lead_id)  # it was put back between the two looks
    return int(row[0])


def require_on_sale(lead_id: int, price_seen: int) -> None:
    """Pass only a lead that can be bought for ``price_seen`` cents at this moment; nothing is claimed.

    Raises: see ``take_slot``.
    """
    for refusal in not_on_sale({lead_id: price_seen}).values():
        raise refusal


def not_on_sale(seen: Mapping[int, int]) -> dict[int, LeadUnavailable | PriceChanged]:
    """Which of these leads cannot be bought for the cents ``seen`` at this moment, and why. One query."""
    if not seen:
        return {}
    statement = _LOOK.format(leads=", ".join(["%s"] * len(seen)))
    refused: dict[int, LeadUnavailable | PriceChanged] = {}
    with connection.cursor() as cursor:
        cursor.execute(statement, [_moment(), *seen])
        for lead_id, status, present, consent_stands in cursor.fetchall():
            if status != Lead.Status.OPEN or not consent_stands:
                refused[lead_id] = LeadUnavailable(lead_id, is_withdrawn=status != Lead.Status.SOLD)
            elif present != seen[lead_id]:
                refused[lead_id] = PriceChanged(lead_id, seen[lead_id], present)
    return refused


def _moment() -> Any:
    return connection.ops.adapt_datetimefield_value(clock.now())


def reprice(now: datetime | None = None) -> int:
    """Move every lead on sale to the price of its age, and withdraw the too old and those whose consent ended (DX-16);
    returns how many changed.

    Small batches, each its own transaction, so that a buyer waits for milliseconds at most.

    Raises:
        Busy: the database gave up on a batch; those before it stand, and the next run does the rest.
    """
    now = now or clock.now()
    ended = Lead.objects.on_sale().consent_ended(now)
    too_old = Lead.objects.on_sale().filter(asked_at__lt=now - AGE_BANDS[-1].up_to)
    changed = sum(_in_batches(leads, status=Lead.Status.WITHDRAWN) for leads in (ended, too_old))
    for band, limits in enumerate(AGE_BANDS[:-1], start=1):
        too_young = Lead.objects.on_sale().filter(age_band__lt=band, asked_at__lt=now - limits.up_to)
        too_young = too_young.filter(asked_at__gte=now - AGE_BANDS[band].up_to)
        changed += _in_batches(too_young, age_band=band, price_cents=_price_of(band))
    return changed


def _price_of(band: int) -> Any:
    """``pricing.price`` as SQL; a test holds the two together."""
    # A joined column cannot be assigned from in an UPDATE, so the vertical's factor is fetched by a subquery.
    exclusive = Subquery(Vertical.objects.filter(pk=OuterRef("vertical_id")).values("exclusive_percent"))
    factor = Case(When(slots_total=1, then=exclusive), default=Value(100), output_field=IntegerField())
    # Eight bytes: dear leads times both factors are more than PostgreSQL's integer holds.
    product = Cast("base_cents", BigIntegerField()) * factor * AGE_BANDS[band].percent
    return Greatest(Value(MINIMUM_CENTS), (2 * product + 10_000) / 20_000)


def _in_batches(leads: QuerySet[Lead], **changes: Any) -> int:
    total = 0
    while True:
        found, changed = _change_batch(leads, changes)
        total += changed
        if found < REPRICE_BATCH:
            return total


@in_transaction
def _change_batch(leads: QuerySet[Lead], changes: dict[str, Any]) -> tuple[int, int]:
    """How many of ``leads`` were found, at most a batch, and how many of those were changed. They are locked by id, as
    everywhere, and looked at again once they are: what a buyer took meanwhile stays sold."""
    locked = leads.select_for_update(no_key=True).order_by("pk")
    ids = list(locked.values_list("pk", flat=True)[:REPRICE_BATCH])
    return len(ids), _still_on_sale(ids).update(**changes)


def _still_on_sale(ids: Collection[int]) -> QuerySet[Lead]:
    return Lead.objects.on_sale().filter(pk__in=ids)


def revoke_consents(moments: Mapping[int, datetime]) -> None:
    """The people behind these leads took their consents back; ``moments`` says when (UTC), by lead. It is noted on the
    records, where the first such moment stays, and what is not sold out is withdrawn (DX-16). Needs the caller's
    transaction."""
    leads = Lead.objects.filter(pk__in=moments)
    list(leads.select_for_update(no_key=True).order_by("pk"))
    for lead_id, at in moments.items():
        Consent.objects.filter(lead=lead_id, revoked_at=None).update(revoked_at=at)
    leads.filter(status__in=(Lead.Status.OPEN, Lead.Status.HELD)).update(status=Lead.Status.WITHDRAWN)


def note_buyers_told(consents: Iterable[int]) -> None:
    """Every buyer knows that these consents (by primary key) were taken back."""
    Consent.objects.revocations_to_tell().filter(pk__in=list(consents)).update(buyers_told_at=clock.now())


def suppress(person: Mapping[str, str], *, at: datetime) -> None:
    """Remember that the person with this phone (``phone_1``, E.164) or ``email`` took back ``at`` (UTC) what they had
    agreed to; the latest such moment counts. Needs the caller's transaction."""
    own = Suppression.digests_of(person)
    if Suppression.objects.filter(**own).exists():
        Suppression.objects.filter(**own, revoked_at__lt=at).update(revoked_at=at)
        return
    row = Suppression(revoked_at=at, **own)
    seal_into(row, "sealed", dict(person))
    row.save(force_insert=True)


@dataclass(frozen=True)
class PricePart:
    """What a lead got of the points that place it within its vertical's range."""

    what: str
    points: int
    of: int


@dataclass(frozen=True)
class PriceStory:
    """How the price of a lead came about; amounts in cents. ``parts`` is empty if they no longer give the stored base
    price (a supplier's grade changes, a listed price does not)."""

    parts: list[PricePart]
    points: int
    exclusive_percent: int
    age_label: str
    age_percent: int
    is_floor: bool


def explain_price(lead: Lead) -> PriceStory:
    """Take the price of ``lead`` apart (its supplier and vertical loaded), by the rules of ``pricing``."""
    kind, questions = lead.vertical, questions_of(lead.vertical.slug)
    answered = sum(1 for question in questions if lead.attributes.get(question.key))
    points = pricing.points(
        lead.supplier.grade, is_certified=lead.is_certified, answered=answered, asked=len(questions)
    )
    graded = pricing.GRADE_POINTS[lead.supplier.grade]
    certified = pricing.CERTIFICATE_POINTS if lead.is_certified else 0
    parts = [
        PricePart(f"Supplier grade {lead.supplier.grade}", graded, max(pricing.GRADE_POINTS.values())),
        PricePart("Independent certificate of consent", certified, pricing.CERTIFICATE_POINTS),
        PricePart(
            f"{answered} of {len(questions)} questions answered", points - graded - certified, pricing.COMPLETE_POINTS
        ),
    ]
    band = AGE_BANDS[lead.age_band]
    return PriceStory(
        parts=parts if pricing.base_price(kind.low_cents, kind.high_cents, points) == lead.base_cents else [],
        points=points,
        exclusive_percent=kind.exclusive_percent if lead.is_exclusive else 100,
        age_label=band.label,
        age_percent=band.percent,
        is_floor=lead.price_cents == MINIMUM_CENTS,
    )


@dataclass(frozen=True)
class Contact:
    """The person behind a lead, unsealed. Only for the page of a buyer who owns it."""

    first_name: str
    last_name: str
    phone: str
    email: str
    address: str
    city: str
    state: str
    postal_code: str
    comments: str

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def phone_shown(self) -> str:
        """The phone as Americans write it, ``(614) 555-0142``; a foreign one with its country code."""
        try:
            number = phonenumbers.parse(self.phone, "US")
        except phonenumbers.NumberParseException:
            return self.phone
        at_home = number.country_code == 1
        form = phonenumbers.PhoneNumberFormat.NATIONAL if at_home else phonenumbers.PhoneNumberFormat.INTERNATIONAL
        return phonenumbers.format_number(number, form)


def contact_of(lead: Lead) -> Contact:
    """Open the sealed contact of ``lead``.

    Raises:
        CannotOpen: the sealing key is gone or the row was altered.
    """
    contact = lead.contact
    contact.lead = lead
    opened = unseal_from(contact, "sealed")
    return Contact(
        first_name=opened.get("first_name", ""),
        last_name=opened.get("last_name", ""),
        phone=opened.get("phone_1", ""),
        email=opened.get("email", ""),
        address=opened.get("address_1", ""),
        city=lead.city,
        state=lead.state,
        postal_code=lead.postal_code,
        comments=opened.get("comments", ""),
    )


def person_digests(*, phone: str, email: str, first_name: str = "", last_name: str = "") -> dict[str, str]:
    """The digest columns of a contact; ``phone`` in E.164, ``email`` in lower case, "" where unknown."""
    person = {"phone_1": phone, "email": email, "first_name": first_name, "last_name": last_name}
    return LeadContact.digests_of(person)


def name_digests(word: str) -> list[str]:
    """What to look for in the name digests to find the whole name ``word``, whatever case and accents."""
    return digests("name", plain_name(word))


def same_person(*, phone: str = "", email: str = "") -> QuerySet[LeadContact]:
    """Contacts with this phone (as a person writes it) or this email."""
    found = Q(pk__in=[])
    number = normal_phone(phone)
    if number:
        found |= Q(phone_digest__in=digests("phone", number))
    if "@" in email:
        found |= Q(email_digest__in=digests("email", email.strip().lower()))
    return LeadContact.objects.filter(found)


def normal_phone(text: str) -> str:
    """A US phone number in E.164, or "" if ``text`` is none."""
    try:
        number = phonenumbers.parse(text, "US")
    except phonenumbers.NumberParseException:
        return ""
    if not any(phonenumbers.is_valid_number_for_region(number, region) for region in US_REGIONS):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
