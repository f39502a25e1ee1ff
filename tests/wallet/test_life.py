"""The seven facts of a payment's life in all 5,040 orders, each told twice, end in one final state.

A seeded part of the orders by default, all of them with ``-m race``.
"""

import itertools
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from django.db import transaction

from marketplace.core import clock
from marketplace.ledger import checks
from marketplace.ledger import services as ledger
from marketplace.ledger.models import Transfer
from marketplace.wallet import deposits, disputes, refunds
from marketplace.wallet.gateway import DisputeFact, Payment, RefundFact
from marketplace.wallet.models import Deposit, Dispute, Refund
from tests.people import give
from tests.wallet.conftest import in_the_books, spend

pytestmark = [pytest.mark.django_db, pytest.mark.race]
SHORT = 120
AMOUNT, FEE, DISPUTE_FEE = 10_000, 320, 1_500

UNDER_WAY = Payment("pi_1", "processing", 0, "usd", "", None, 0)
PAID = Payment("pi_1", "succeeded", AMOUNT, "usd", "", AMOUNT, 0)
FEE_KNOWN = replace(PAID, fee=FEE)
REFUNDED = RefundFact("re_1", "pi_1", 3_000, "usd", "succeeded", 3_000)
CAME_BACK = replace(REFUNDED, status="failed")
DISPUTED = DisputeFact("du_1", "pi_1", 7_000, "needs_response", 7_000, DISPUTE_FEE, 0)
WON = replace(DISPUTED, status="won", reinstated=7_000)
FACTS = (UNDER_WAY, PAID, FEE_KNOWN, REFUNDED, CAME_BACK, DISPUTED, WON)


@dataclass(frozen=True)
class End:
    """Everything that must not depend on the order."""

    deposit: tuple
    refund: tuple
    dispute: tuple
    wallet: tuple
    house: tuple
    booked: tuple


def tell(fact: Payment | RefundFact | DisputeFact, deposit_id: str) -> None:
    """What a worker does with a fact it fetched; a payment told too late is fetched in between, as the inbox does."""
    if isinstance(fact, Payment):
        deposits.settle(replace(fact, deposit_id=deposit_id))
        return
    book: Callable = refunds.apply_refund if isinstance(fact, RefundFact) else disputes.apply_dispute
    try:
        book(fact)
    except refunds.PaymentNotKnown:
        deposits.settle(replace(PAID, deposit_id=deposit_id))
        book(fact)


def lived(buyer, order: tuple, *, had: int, spent: int) -> End:
    """The end of a life whose facts are told in this order, each twice; then everything is undone."""
    with transaction.atomic():
        deposit = Deposit.objects.create(
            buyer=buyer, amount_cents=AMOUNT, created_at=clock.now(), expires_at=clock.now() + timedelta(minutes=35)
        )
        if had:
            give(buyer, had, reference="earlier")
        if spent:
            spend(buyer, spent)
        for fact in order:
            tell(fact, deposit.public_id)
            tell(fact, deposit.public_id)
        deposit.refresh_from_db()
        wallet = ledger.wallet_of(buyer.pk)
        booked: Counter = Counter()
        for reference, amount in Transfer.objects.values_list("reference", "amount"):
            booked[reference] += amount
        end = End(
            (deposit.state, deposit.received_cents, deposit.intent_id),
            tuple(Refund.objects.values_list("processor_id", "amount_cents", "state")),
            tuple(Dispute.objects.values_list("processor_id", "amount_cents", "state", "is_open")),
            (wallet.cash, wallet.bonus, wallet.owed),
            tuple(
                in_the_books(kind) for kind in ("processor", "processor_fees", "dispute_fees", "suspense", "revenue")
            ),
            tuple(sorted(booked.items())),
        )
        assert list(checks.findings()) == []
        transaction.set_rollback(True)
    return end


def orders(every_one: bool, facts: tuple, number: int) -> list[tuple]:
    every = list(itertools.permutations(facts))
    if every_one:
        return every
    return random.Random(number).sample(every, number)


def test_it_works(buyer):
    end = lived(buyer, FACTS, had=0, spent=0)
    assert end.deposit == (Deposit.State.PAID, AMOUNT, "pi_1")
    assert end.refund == (("re_1", 3_000, "failed"),)
    assert end.dispute == (("du_1", 7_000, "won", False),)
    assert end.wallet == (AMOUNT, 0, 0)
    assert end.house == (AMOUNT - FEE - DISPUTE_FEE, FEE, DISPUTE_FEE, 0, 0)
    assert dict(end.booked) == {
        "pi_1:credit": 10_000,
        "pi_1:fee": FEE,
        "re_1:out": 3_000,
        "re_1:back": 3_000,
        "du_1:withdrawn": 7_000,
        "du_1:reinstated": 7_000,
        "du_1:fee": DISPUTE_FEE,
    }


def test_every_order_ends_alike(buyer, asked_for):
    ends = {lived(buyer, order, had=0, spent=0) for order in orders(asked_for("race"), FACTS, SHORT)}
    assert len(ends) == 1


def test_every_order_ends_alike_for_one_who_owes_in_the_end(buyer, asked_for):
    """The dispute is lost and the refund stands: more is gone than was paid for, and all of it is owed."""
    every = asked_for("race")
    facts = (UNDER_WAY, PAID, FEE_KNOWN, REFUNDED, DISPUTED, replace(DISPUTED, status="lost"))
    ends = {lived(buyer, order, had=2_000, spent=1_500).wallet for order in orders(every, facts, SHORT // 3)}
    assert ends == {(500, 0, 0)}
    facts = (*facts[:4], replace(DISPUTED, withdrawn=10_000), replace(DISPUTED, withdrawn=10_000, status="lost"))
    ends = {lived(buyer, order, had=2_000, spent=1_500).wallet for order in orders(every, facts, SHORT // 3)}
    assert ends == {(0, 0, 2_500)}


def test_control_without_the_look_into_the_books_it_is_red(buyer, monkeypatch):
    monkeypatch.setattr(ledger, "is_booked", lambda reference: False)
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
        lived(buyer, FACTS, had=0, spent=0)


def test_control_with_states_that_also_fall_it_is_red(buyer, monkeypatch):
    monkeypatch.setattr(disputes, "_RANK", dict.fromkeys(disputes._RANK, 3) | {"under_review": 3})
    first = lived(buyer, FACTS, had=0, spent=0)
    second = lived(buyer, (*FACTS[:5], WON, DISPUTED), had=0, spent=0)
    assert first != second
