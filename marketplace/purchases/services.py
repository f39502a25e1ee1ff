"""Buying leads. Plain SQL where a buyer waits: one statement, one round trip each."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import accumulate

from django.db import connection, transaction

from accounts.models import User
from accounts.services import mark_as_buyer, require_verified
from marketplace.core import clock
from marketplace.core.ids import new_id
from marketplace.core.refusals import Refusal
from marketplace.core.transactions import in_transaction
from marketplace.leads.models import Lead, LeadContact
from marketplace.leads.services import (
    Contact,
    LeadUnavailable,
    PriceChanged,
    contact_of,
    not_on_sale,
    require_on_sale,
    take_slot,
)
from marketplace.ledger import services as ledger
from privacy.policy.models import Document
from privacy.policy.services import accepted_sha256
from privacy.vault.sealing import CannotOpen

from . import emails
from .models import Order, Purchase, RefusedLine

SAME_PERSON_DAYS = 90
PREFIX = "purchase:"  # of a purchase's reference in the ledger


class AlreadyBought(Refusal):
    """The buyer owns this lead, or bought the same person within 90 days. ``purchase_id`` is the earlier purchase."""

    message = "You bought this person before. You were not charged again."

    def __init__(self, purchase_id: str) -> None:
        self.purchase_id = purchase_id
        super().__init__()


class KeyReused(Refusal):
    """The form's key was used for another order."""

    message = "This form was already used for another purchase. Nothing was charged. Please start again."


class BuyingStopped(Refusal):
    """The buyer owes money, disputes a payment, or was stopped by our staff."""

    status = 403


class TermsNotAccepted(Refusal):
    """The buyer never agreed to the terms."""

    status = 403
    message = "Please accept the terms of use before you buy."


# What may keep one lead of an order from being bought while the others are.
REFUSED_LINE = (AlreadyBought, LeadUnavailable, PriceChanged, ledger.InsufficientFunds)


@dataclass(frozen=True)
class Wanted:
    """One line of an order: a lead and the price the buyer saw, in cents."""

    lead: Lead
    price_seen: int


@dataclass(frozen=True)
class Offer:
    """What a buyer is asked to confirm: amounts in cents, the terms it would stand under, and a fresh key. ``refused``
    says why some leads cannot be bought, by their primary key; they are not among ``leads``."""

    leads: list[Lead]
    balance: int
    terms_sha256: str
    key: str
    refused: dict[int, Refusal] = field(default_factory=dict)

    @property
    def price(self) -> int:
        """All leads together."""
        return sum(lead.price_cents for lead in self.leads)

    @property
    def balance_after(self) -> int:
        return self.balance - self.price

    @property
    def missing(self) -> int:
        """What the balance does not cover."""
        return max(0, -self.balance_after)

    @property
    def covered(self) -> list[Lead]:
        """The first leads, as many as the balance covers."""
        sums = accumulate(lead.price_cents for lead in self.leads)
        return [lead for lead, so_far in zip(self.leads, sums, strict=True) if so_far <= self.balance]


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

    Lock, check, change, announce: first all accounts of the buyer, then the leads in id order. What is refused is kept
    with the order. If nothing can be bought, the first refusal is raised and nothing is written: the key stays free.

    Raises: see ``buy_lead``.
    """
    require_verified(buyer)
    wanted = _in_lock_order(wanted)
    request_hash = _hash_of(wanted)

    wallet = ledger.lock(buyer.pk)
    order = Order(buyer=buyer, key=key, request_hash=request_hash, created_at=clock.now())
    if not _insert_order(order):
        return _answer_again(order)
    _refuse_if_stopped(buyer, wallet)
    terms_sha256 = _accepted_terms(buyer)

    if buyer.first_purchase_at is None:
        mark_as_buyer(buyer.pk, at=order.created_at)
    if len(wanted) == 1:
        return _buy_single(order, wanted[0], wallet, terms_sha256)
    return _buy_several(order, wanted, wallet, terms_sha256)


def _buy_single(order: Order, line: Wanted, wallet: ledger.Wallet, terms_sha256: str) -> Outcome:
    """An order of one. A refusal takes the whole transaction with it, so all that can be done before the lead's row is
    claimed is done before: other buyers may be waiting for that row until we commit."""
    purchase, wallet = _pay(order, line, wallet, terms_sha256)
    emails.receipt(order, [purchase], balance=wallet.available)
    _claim(purchase)
    return Outcome(order, [purchase])


def _buy_several(order: Order, wanted: Sequence[Wanted], wallet: ledger.Wallet, terms_sha256: str) -> Outcome:
    """An order of many: each line is undone alone if it is refused, even after it was paid for."""
    outcome = Outcome(order)
    for line in wanted:
        try:
            with transaction.atomic():
                purchase, wallet_after = _pay(order, line, wallet, terms_sha256)
                _claim(purchase)
        except REFUSED_LINE as refusal:
            outcome.refused[line.lead.pk] = refusal
        else:
            outcome.purchases.append(purchase)
            wallet = wallet_after
    if not outcome.purchases:
        raise next(iter(outcome.refused.values()))
    _keep_refused(outcome, wanted)
    emails.receipt(order, outcome.purchases, balance=wallet.available)
    return outcome


def _pay(order: Order, line: Wanted, wallet: ledger.Wallet, terms_sha256: str) -> tuple[Purchase, ledger.Wallet]:
    """Take the money for one lead of an order; returns the purchase, not saved yet, and the wallet after it."""
    known = _bought_before(order.buyer, [line.lead.pk])
    if known:
        raise AlreadyBought(known[line.lead.pk])
    purchase = Purchase(
        order=order,
        buyer=order.buyer,
        lead=line.lead,
        price_cents=line.price_seen,
        terms_sha256=terms_sha256,
        created_at=order.created_at,
    )
    try:
        wallet = ledger.spend(wallet, line.price_seen, kind=ledger.Kind.PURCHASE, reference=reference_of(purchase))
    except ledger.InsufficientFunds:
        require_on_sale(line.lead.pk, line.price_seen)  # a lead that is gone needs no money
        raise
    return purchase, wallet


def _keep_refused(outcome: Outcome, wanted: Sequence[Wanted]) -> None:
    lines = refused_lines(outcome.refused, [line.lead for line in wanted])
    seen = {line.lead.pk: line.price_seen for line in wanted}
    for line in lines:
        line.order, line.price_seen_cents = outcome.order, seen[line.lead_id]
    RefusedLine.objects.bulk_create(lines)


def refused_lines(refused: Mapping[int, Refusal], leads: Sequence[Lead]) -> list[RefusedLine]:
    """Why some of ``leads`` are not bought, in their order; nothing is saved."""
    ids = [refusal.purchase_id for refusal in refused.values() if isinstance(refusal, AlreadyBought)]
    known = Purchase.objects.filter(public_id__in=ids).select_related("order") if ids else ()
    earlier = {purchase.public_id: purchase for purchase in known}
    return [
        RefusedLine(
            lead=lead,
            reason=_reason(refused[lead.pk]),
            earlier=earlier.get(getattr(refused[lead.pk], "purchase_id", "")),
        )
        for lead in leads
        if lead.pk in refused
    ]


def _reason(refusal: Refusal) -> RefusedLine.Reason:
    match refusal:
        case AlreadyBought():
            return RefusedLine.Reason.BEFORE
        case PriceChanged():
            return RefusedLine.Reason.PRICE
        case ledger.InsufficientFunds():
            return RefusedLine.Reason.MONEY
        case LeadUnavailable(is_withdrawn=True):
            return RefusedLine.Reason.WITHDRAWN
    return RefusedLine.Reason.SOLD


def _claim(purchase: Purchase) -> None:
    """Claim a slot of the lead and save the purchase."""
    purchase.slot_number = take_slot(purchase.lead_id, purchase.price_cents)
    _insert_purchase(purchase)


def offer_lead(buyer: User, lead: Lead) -> Offer:
    """What buying ``lead`` would mean for ``buyer`` now, to be confirmed. Nothing is locked and nothing reserved.

    Raises:
        NotVerified, NotAllowed, TermsNotAccepted, BuyingStopped: the buyer may not buy now.
        AlreadyBought: the same person within 90 days.
        LeadUnavailable, PriceChanged, InsufficientFunds: buying would be refused.
    """
    require_verified(buyer)
    for refusal in why_not(buyer, [lead]).values():
        raise refusal
    offer = _offer(buyer, [lead])
    if offer.missing:
        raise ledger.InsufficientFunds(offer.missing)
    return offer


def offer_leads(buyer: User, leads: Sequence[Lead]) -> Offer:
    """What buying those of ``leads`` that can be bought would mean for ``buyer`` now, to be confirmed. The balance need
    not cover them. Nothing is locked and nothing reserved. As many queries for 50 leads as for one.

    Raises:
        NotVerified, NotAllowed, TermsNotAccepted, BuyingStopped: the buyer may not buy now.
    """
    require_verified(buyer)
    refused = why_not(buyer, leads)
    return _offer(buyer, [lead for lead in leads if lead.pk not in refused], refused)


def _offer(buyer: User, leads: list[Lead], refused: dict[int, Refusal] | None = None) -> Offer:
    wallet = ledger.wallet_of(buyer.pk)
    _refuse_if_stopped(buyer, wallet)
    return Offer(leads, wallet.available, _accepted_terms(buyer), new_key(), refused or {})


def why_not(buyer: User, leads: Sequence[Lead]) -> dict[int, Refusal]:
    """Which of ``leads`` the buyer could not buy at this moment with money enough, and why, by primary key. That two of
    them are the same person's is for the order to find out: nobody is told for nothing who stands behind two leads."""
    known = _bought_before(buyer, [lead.pk for lead in leads])
    bought: dict[int, Refusal] = {lead_id: AlreadyBought(purchase_id) for lead_id, purchase_id in known.items()}
    return not_on_sale({lead.pk: lead.price_cents for lead in leads}) | bought


# Asked at every purchase, so in one go and without the ORM.
_STOPS = """
SELECT EXISTS (SELECT 1 FROM accounts_user WHERE id = %s AND buying_stopped_at IS NOT NULL),
    EXISTS (SELECT 1 FROM wallet_dispute WHERE buyer_id = %s AND is_open)"""


def _refuse_if_stopped(buyer: User, wallet: ledger.Wallet) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_STOPS, [buyer.pk, buyer.pk])
        is_stopped, is_disputed = cursor.fetchone()
    if is_stopped:
        raise BuyingStopped("Our support has paused buying on your account. Please write to support@leadfair.example.")
    if is_disputed:  # before what is owed: who pays that may still not buy
        raise BuyingStopped("One of your card payments is disputed. Buying is off until that is decided.")
    if wallet.owed:
        raise BuyingStopped("You owe us for a card payment that was taken back. Add money to settle it, then buy on.")


def reference_of(purchase: Purchase) -> str:
    """The money fact of a purchase in the ledger."""
    return f"{PREFIX}{purchase.public_id}"


def _in_lock_order(wanted: Sequence[Wanted]) -> list[Wanted]:
    """By lead id: two orders of the same leads never wait for each other in a circle."""
    return sorted(wanted, key=lambda line: line.lead.pk)


def _hash_of(wanted: Sequence[Wanted]) -> str:
    text = "|".join(f"{line.lead.pk}:{line.price_seen}" for line in wanted)
    return hashlib.sha256(text.encode()).hexdigest()


def _answer_again(repeated: Order) -> Outcome:
    """The outcome of the order that used the key first."""
    order = Order.objects.get(buyer=repeated.buyer, key=repeated.key)
    if order.request_hash != repeated.request_hash:
        raise KeyReused
    return Outcome(order, list(order.purchases.select_related("lead").order_by("lead_id")))


def _accepted_terms(buyer: User) -> str:
    sha256 = accepted_sha256(buyer.pk, Document.TERMS)
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


_INSERT_ORDER = """
INSERT INTO purchases_order (public_id, buyer_id, key, request_hash, created_at) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (buyer_id, key) DO NOTHING RETURNING id"""


def _insert_order(order: Order) -> bool:
    """Save the order; returns False if the buyer's key was used before, and nothing is written then."""
    moment = connection.ops.adapt_datetimefield_value(order.created_at)
    with connection.cursor() as cursor:
        cursor.execute(_INSERT_ORDER, [order.public_id, order.buyer_id, order.key, order.request_hash, moment])
        row = cursor.fetchone()
    if row is None:
        return False
    order.pk = row[0]
    return True


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
    """A key for a form that must count once."""
    return new_id()


def open_contact(purchase: Purchase) -> Contact | None:
    """The person behind a purchase, unsealed for its buyer; None if it cannot be opened (key gone, row altered)."""
    try:
        return contact_of(purchase.lead)
    except (CannotOpen, LeadContact.DoesNotExist):
        return None
