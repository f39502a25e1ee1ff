"""The money against its model, and the seeded bugs the model must catch: a model that finds nothing proves nothing."""

import dataclasses
import uuid

import pytest
from django.db import IntegrityError
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from marketplace.leads import services as leads
from marketplace.ledger import services as ledger
from marketplace.purchases import emails as purchase_emails
from marketplace.purchases import services
from marketplace.wallet import deposits, disputes, refunds
from marketplace.wallet.models import Deposit
from tests.guards import stripped, unguarded, without
from tests.money.machine import Money

pytestmark = pytest.mark.django_db
# The model disagrees, or a constraint of the database refuses; a slip in a bug's own code counts as neither.
CAUGHT = (AssertionError, IntegrityError)
COMMON = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None, "derandomize": True}


def run(examples: int, phases=(Phase.generate,)) -> None:
    run_state_machine_as_test(
        Money, settings=settings(max_examples=examples, stateful_step_count=30, phases=phases, **COMMON)
    )


def test_it_works(asked_for):
    """A few hundred walks by default, ten times as many with ``-m race``."""
    run(300 if asked_for("race") else 30)


BUGS = {}


def bug(function):
    BUGS[function.__name__] = function
    return function


@bug
def a_slot_is_taken_without_a_look(monkeypatch):
    monkeypatch.setattr(leads, "_TAKE_SLOT", unguarded(leads._TAKE_SLOT, "status = 'open'", "slots_sold < slots_total"))


@bug
def the_price_is_not_compared(monkeypatch):
    monkeypatch.setattr(leads, "_TAKE_SLOT", unguarded(leads._TAKE_SLOT, "price_cents = %s"))


@bug
def the_balance_is_not_looked_at(monkeypatch):
    lock = ledger.lock
    monkeypatch.setattr(
        ledger, "lock", lambda owner: dataclasses.replace(lock(owner), cash=ledger.wallet_of(owner).cash + 10**9)
    )


@bug
def an_earlier_purchase_is_not_looked_for(monkeypatch):
    monkeypatch.setattr(services, "_bought_before", lambda buyer, ids: {})


@bug
def an_earlier_order_is_not_looked_for(monkeypatch):
    blind = stripped(services._INSERT_ORDER, "ON CONFLICT (buyer_id, key) DO NOTHING")
    monkeypatch.setattr(services, "_INSERT_ORDER", blind)


@bug
def another_request_under_a_used_key_is_answered(monkeypatch):
    monkeypatch.setattr(services, "_hash_of", lambda wanted: "same")


@bug
def the_money_of_a_purchase_is_not_moved(monkeypatch):
    monkeypatch.setattr(ledger, "spend", lambda wallet, amount, **kwargs: wallet)


@bug
def the_receipt_is_forgotten(monkeypatch):
    monkeypatch.setattr(purchase_emails, "receipt", lambda *args, **kwargs: None)


@bug
def bonus_is_spent_first(monkeypatch):
    def spend(wallet, amount, *, kind, reference):
        if wallet.available < amount:  # as the real one: only the order of the two accounts is wrong here
            raise ledger.InsufficientFunds(amount - wallet.available)
        bonus = min(wallet.bonus, amount)
        parts = ((wallet.bonus_id, "revenue", bonus), (wallet.cash_id, "revenue", amount - bonus))
        ledger._split(parts, kind, reference)
        return dataclasses.replace(wallet, cash=wallet.cash - amount + bonus, bonus=wallet.bonus - bonus)

    monkeypatch.setattr(ledger, "spend", spend)


@bug
def a_deposit_does_not_repay_what_is_owed(monkeypatch):
    def put_in(wallet, source, amount, *, kind, reference):
        ledger.transfer(source, wallet.cash_id, amount, kind=kind, reference=reference)
        return wallet

    monkeypatch.setattr(ledger, "put_in", put_in)


@bug
def a_chargeback_takes_everything_from_cash(monkeypatch):
    def take_out(wallet, target, amount, *, kind, reference):
        ledger.transfer(wallet.cash_id, target, amount, kind=kind, reference=reference)
        return wallet

    monkeypatch.setattr(ledger, "take_out", take_out)


@bug
def a_fact_is_booked_each_time_it_is_told(monkeypatch):
    transfer = ledger.transfer
    monkeypatch.setattr(ledger, "is_booked", lambda reference: False)
    monkeypatch.setattr(
        ledger,
        "transfer",
        lambda *args, reference, **kwargs: transfer(
            *args, reference=reference if ":" in reference[:9] else f"{reference}:{uuid.uuid4().hex[:8]}", **kwargs
        ),
    )


@bug
def the_amount_asked_for_is_credited(monkeypatch):
    put_in = ledger.put_in

    def as_asked(wallet, source, amount, *, kind, reference):
        if kind == "deposit" and reference.endswith(":credit"):
            amount = Deposit.objects.get(public_id=reference[3:-7]).amount_cents
        return put_in(wallet, source, amount, kind=kind, reference=reference)

    monkeypatch.setattr(ledger, "put_in", as_asked)


@bug
def a_failed_refund_does_not_come_back(monkeypatch):
    monkeypatch.setattr(refunds, "CAME_BACK", set())


@bug
def a_dispute_does_not_stop_buying(monkeypatch):
    monkeypatch.setattr(services, "_STOPS", services._STOPS.replace("AND is_open", "AND 1 = 0"))


@bug
def a_dispute_stays_open_for_ever(monkeypatch):
    monkeypatch.setattr(disputes, "_STILL_OPEN", 99)


@bug
def a_paid_deposit_can_expire(monkeypatch):
    def set_state(deposit, state, **changes):
        return bool(Deposit.objects.filter(pk=deposit.pk).update(state=state, **changes))

    monkeypatch.setattr(deposits, "_raise_state", set_state)


@bug
def fees_are_forgotten(monkeypatch):
    monkeypatch.setattr(deposits, "_book_fee", lambda payment: None)


@pytest.mark.sqlite  # the bugs are in our own code; once is enough, and SQLite is faster
@pytest.mark.parametrize("name", BUGS)
def test_the_model_catches(name, monkeypatch):
    BUGS[name](monkeypatch)
    with pytest.raises(CAUGHT):
        run(200)


def test_the_model_catches_a_trigger_that_forgets_a_side():
    with without("ledger_apply"), pytest.raises(CAUGHT):
        run(20)
