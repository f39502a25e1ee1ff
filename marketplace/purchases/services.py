"""Buying leads and working them. Plain SQL where a buyer waits: one statement, one round trip each."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import connection

from accounts.models import User
from accounts.services import mark_as_buyer, require_verified
from marketplace.core import clock
from marketplace.core.ids import new_id
from marketplace.core.refusals import Refusal
from marketplace.core.transactions import in_transaction
from marketplace.ledger import services as ledger
from marketplace.leads.models import Lead
from marketplace.leads.services import LeadUnavailable, PriceChanged, take_slot
from marketplace.wallet.disputes import has_open_dispute
from privacy.policy.models import Acceptance, Document

from . import emails
from .models import Note, Order, Purchase

SAME_PERSON_DAYS = 90


class AlreadyBought(Refusal):
    """The buyer owns this lead, or bought the same person within 90 days. ``purchase_id`` is the earlier purchase."""

    message = "You bought this person before. You were not charged again."

    def __init__(self, purchase_id: str) -> None:
        self.purchase_id = purchase_id
        super().__init__()


class KeyReused(Refusal):
    """The form's key was used for another order."""

    message = "This form was already used for another purchase. Nothing was charged. Please start again from the lead."


class BuyingStopped(Refusal):
    """The buyer owes money or disputes a payment."""

    status = 403


class TermsNotAccepted(Refusal):
    """The buyer never agreed to the terms."""

    status = 403
    message = "Please accept the terms of use before you buy."


@dataclass(frozen=True)
class Wanted:
    """One line of an order: a lead and the price the buyer saw, in cents."""

    lead: Lead
    price_seen: int


@dataclass
class Outcome:
    """What became of an order: what was bought, and why the rest was not, by the lead's primary key."""

    order: Order
    purchases: list[Purchase] = field(default_factory=list)
    refused: dict[int, Refusal] = field(default_factory=dict)


def buy_lead(buyer: User, lead: Lead, *, price_seen: int, key: str) -> Purchase:
    """Buy one lead at ``price_seen`` cents. The same ``key`` again answers with the first purchase.

    Raises:
        NotVerified, NotAllowed, TermsNotAccepted, BuyingStopped: the buyer may not buy now.
        AlreadyBought: the same person within 90 days.
        LeadUnavailable, PriceChanged, InsufficientFunds: nothing was charged; the key stays free.
        KeyReused: the key belongs to another order.
        Busy: the database gave up; nothing was charged.
    """
    outcome = buy_leads(buyer, [Wanted(lead, price_seen)], key=key)
    return outcome.purchases[0]


@in_transaction
def buy_leads(buyer: User, wanted: Sequence[Wanted], *, key: str) -> Outcome:
    """Buy those of the ``wanted`` leads that are still free at the price seen and covered by the balance, by lead id.

    Lock, check, change, announce: first all accounts of the buyer, then the leads in id order. If nothing can be
    bought, the first refusal is raised and nothing is written.

    Raises: see ``buy_lead``.
    """
    require_verified(buyer)
    wanted = sorted(wanted, key=lambda line: line.lead.pk)
    request_hash = _hash_of(wanted)

    wallet = ledger.lock(buyer.pk)
    earlier = Order.objects.filter(buyer=buyer, key=key).first()
    if earlier is not None:
        return _answer_again(earlier, request_hash)
    if wallet.owed:
        raise BuyingStopped("You owe us for a card payment that was taken back. Add money to settle it, then buy on.")
    if has_open_dispute(buyer.pk):
        raise BuyingStopped("One of your card payments is disputed. Buying is off until that is decided.")
    terms_sha256 = _accepted_terms(buyer)
    known = _bought_before(buyer, [line.lead.pk for line in wanted])

    now = clock.now()
    outcome = Outcome(Order(buyer=buyer, key=key, request_hash=request_hash, created_at=now))
    for line in wanted:
        try:
            if line.lead.pk in known:
                raise AlreadyBought(known[line.lead.pk])
            if wallet.available < line.price_seen:
                raise ledger.InsufficientFunds(line.price_seen - wallet.available)
            slot_number = take_slot(line.lead.pk, line.price_seen)
        except (AlreadyBought, LeadUnavailable, PriceChanged, ledger.InsufficientFunds) as refusal:
            outcome.refused[line.lead.pk] = refusal
            continue
        if not outcome.purchases:
            _insert_order(outcome.order)
        purchase = Purchase(
            order=outcome.order,
            buyer=buyer,
            lead=line.lead,
            slot_number=slot_number,
            price_cents=line.price_seen,
            terms_sha256=terms_sha256,
            created_at=now,
        )
        _insert_purchase(purchase)
        wallet = ledger.spend(wallet, line.price_seen, kind=ledger.Kind.PURCHASE, reference=reference_of(purchase))
        outcome.purchases.append(purchase)
    if not outcome.purchases:
        raise next(iter(outcome.refused.values()))

    if buyer.first_purchase_at is None:
        mark_as_buyer(buyer.pk, at=now)
    emails.receipt(outcome.order, outcome.purchases, balance=wallet.available)
    return outcome


def reference_of(purchase: Purchase) -> str:
    """The money fact of a purchase in the ledger."""
    return f"purchase:{purchase.public_id}"


def _hash_of(wanted: Sequence[Wanted]) -> str:
    text = "|".join(f"{line.lead.pk}:{line.price_seen}" for line in wanted)
    return hashlib.sha256(text.encode()).hexdigest()


def _answer_again(order: Order, request_hash: str) -> Outcome:
    if order.request_hash != request_hash:
        raise KeyReused
    return Outcome(order, list(order.purchases.select_related("lead").order_by("lead_id")))


def _accepted_terms(buyer: User) -> str:
    newest = Acceptance.objects.filter(user=buyer, version__document=Document.TERMS).order_by("-version__number")
    sha256 = newest.values_list("sha256", flat=True).first()
    if sha256 is None:
        raise TermsNotAccepted
    return sha256


_SAME_PERSON = """
SELECT c.lead_id, p.public_id FROM leads_leadcontact c
    JOIN leads_leadcontact o ON o.phone_digest = c.phone_digest
    JOIN purchases_purchase p ON p.lead_id = o.lead_id AND p.buyer_id = %s
    WHERE c.lead_id IN ({leads}) AND (p.created_at >= %s OR p.lead_id = c.lead_id)
UNION ALL
SELECT c.lead_id, p.public_id FROM leads_leadcontact c
    JOIN leads_leadcontact o ON o.email_digest = c.email_digest AND c.email_digest <> ''
    JOIN purchases_purchase p ON p.lead_id = o.lead_id AND p.buyer_id = %s
    WHERE c.lead_id IN ({leads}) AND p.created_at >= %s"""


def _bought_before(buyer: User, lead_ids: list[int]) -> dict[int, str]:
    """Of these leads, those whose person the buyer has bought within 90 days (or this very lead ever), with the
    public id of that purchase. PRODUCT: never charged twice for a person, in any vertical."""
    since = connection.ops.adapt_datetimefield_value(clock.now() - timedelta(days=SAME_PERSON_DAYS))
    statement = _SAME_PERSON.format(leads=", ".join(["%s"] * len(lead_ids)))
    half = [buyer.pk, *lead_ids, since]
    with connection.cursor() as cursor:
        cursor.execute(statement, half + half)
        return dict(cursor.fetchall())


def _insert_order(order: Order) -> None:
    moment = connection.ops.adapt_datetimefield_value(order.created_at)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO purchases_order (public_id, buyer_id, key, request_hash, created_at) "
            "VALUES (%s, %s, %s, %s, %s) RETURNING id",
            [order.public_id, order.buyer_id, order.key, order.request_hash, moment],
        )
        order.pk = cursor.fetchone()[0]


def _insert_purchase(purchase: Purchase) -> None:
    moment = connection.ops.adapt_datetimefield_value(purchase.created_at)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO purchases_purchase (public_id, order_id, buyer_id, lead_id, slot_number, price_cents, "
            "terms_sha256, stage, created_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id",
            [
                purchase.public_id,
                purchase.order.pk,
                purchase.buyer_id,
                purchase.lead_id,
                purchase.slot_number,
                purchase.price_cents,
                purchase.terms_sha256,
                purchase.stage,
                moment,
            ],
        )
        purchase.pk = cursor.fetchone()[0]


def new_key() -> str:
    """A key for a buy form."""
    return new_id()


def set_stage(purchase: Purchase, stage: str) -> None:
    """Say which stage the purchase is in; saying it twice changes nothing."""
    wanted = Purchase.Stage(stage)
    Purchase.objects.filter(pk=purchase.pk).exclude(stage=wanted).update(stage=wanted, stage_changed_at=clock.now())


def add_note(purchase: Purchase, text: str) -> Note:
    """Add a note that only the buyer sees."""
    return Note.objects.create(purchase=purchase, text=text, created_at=clock.now())


def remove_note(purchase: Purchase, note_id: str) -> None:
    """Remove a note of this purchase; removing it twice changes nothing."""
    purchase.notes.filter(public_id=note_id).delete()
