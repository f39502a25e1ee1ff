"""The card processor says the same thing a hundred times at once; money is booked once."""

import functools
import itertools
import random
import time
from collections import Counter

import pytest
from django.test import Client
from django.urls import reverse

from marketplace.core import clock
from marketplace.ledger import services as ledger
from marketplace.ledger.models import Transfer
from marketplace.mail.models import OutgoingEmail
from marketplace.wallet import deposits, disputes, inbox, refunds
from marketplace.wallet.gateway import DisputeFact, Payment, RefundFact
from marketplace.wallet.models import Deposit, StripeEvent
from tests.people import make_member
from tests.processor import Processor
from tests.races.rig import assert_sound, race, tally

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]
AMOUNT = 10_000
TYPES = ["checkout.session.completed", "payment_intent.succeeded", "charge.succeeded"]


@pytest.fixture
def processor(settings):
    """The stand-in processor, with the gateway pointed at it; its webhooks are delivered by the tests themselves."""
    secret = settings.STRIPE_WEBHOOK_SECRETS[0]
    with Processor(api_key=settings.STRIPE_SECRET_KEY, webhook_secret=secret) as stand_in:
        settings.STRIPE_API_BASE = stand_in.url
        yield stand_in


def check_100_deliveries(processor, monkeypatch) -> None:
    """Three event types of one payment, 100 signed notices at the same moment (30 events, told three times or more),
    then worked off by 8 workers at once: each event stored and worked off once, one credit, one receipt."""
    alice = make_member("Alice")
    deposit, _ = deposits.start_deposit(alice, AMOUNT)
    deposit.refresh_from_db()
    processor.pay(deposit.session_id, "4242424242424242")
    told = {event["type"]: event for event in processor.events() if event["type"] in TYPES}
    notices = [
        processor.deliveries.signed(told[kind]["id"], changes={"id": f"evt_{kind}_{number}"})
        for kind in TYPES
        for number in range(10)
    ]
    deliveries = itertools.islice(itertools.cycle(notices), 100)
    answers = race([functools.partial(deliver, *notice) for notice in deliveries])
    assert Counter(answer.value for answer in answers) == {200: 100}
    assert StripeEvent.objects.count() == len(notices)

    applied = []
    apply = inbox.apply
    monkeypatch.setattr(inbox, "apply", lambda kind, object_id: applied.append(kind) or apply(kind, object_id))
    workers = race([inbox.process_events] * 8)
    assert tally(workers) == {"ok": 8}
    assert set(StripeEvent.objects.values_list("state", "attempts")) == {(StripeEvent.State.DONE, 1)}
    assert Counter(applied) == dict.fromkeys(TYPES, 10)
    assert ledger.wallet_of(alice.pk).cash == AMOUNT
    assert OutgoingEmail.objects.filter(user=alice).count() == 1
    deposit.refresh_from_db()
    assert (deposit.state, deposit.received_cents) == (Deposit.State.PAID, AMOUNT)
    assert_sound()


def deliver(body: bytes, headers: dict[str, str]) -> int:
    """Post a notice to the site; returns the answer's status."""
    address = reverse("wallet:stripe_webhook")
    return Client().post(address, body, content_type="application/json", headers=headers).status_code


def test_100_deliveries_of_three_event_types(processor, monkeypatch):
    check_100_deliveries(processor, monkeypatch)


def test_control_without_the_look_into_the_books_it_is_red(processor, monkeypatch):
    monkeypatch.setattr(ledger, "is_booked", lambda reference: False)
    with pytest.raises(AssertionError, match="'new', 1"):
        check_100_deliveries(processor, monkeypatch)


def test_control_without_the_claim_an_event_is_worked_off_twice(processor, monkeypatch):
    def look_only():
        event = StripeEvent.objects.filter(state=StripeEvent.State.NEW, available_at__lte=clock.now()).first()
        if event is not None:
            StripeEvent.objects.filter(pk=event.pk).update(available_at=clock.now() + inbox.LEASE, attempts=1)
        return event

    monkeypatch.setattr(inbox, "_claim", look_only)
    with pytest.raises(AssertionError, match=r"succeeded|completed"):
        check_100_deliveries(processor, monkeypatch)


# --- two payments that name one deposit -------------------------------------------------------------------------------


def check_two_payments() -> None:
    """Of two payments that name the same deposit and are told at the same moment, the first is credited; the other is
    unexplained money."""
    now = clock.now()
    people = [make_member(f"Alice{number}") for number in range(10)]
    rows = [Deposit.objects.create(buyer=who, amount_cents=AMOUNT, created_at=now, expires_at=now) for who in people]
    payments = [
        Payment(f"pi_{row.public_id}_{which}", "succeeded", AMOUNT, "usd", row.public_id, AMOUNT, 320)
        for row in rows
        for which in ("a", "b")
    ]
    results = race([functools.partial(deposits.settle, payment) for payment in payments])
    assert tally(results) == {"ok": len(payments)}
    assert [ledger.wallet_of(who.pk).cash for who in people] == [AMOUNT] * len(people)
    suspense = Transfer.objects.filter(kind=ledger.Kind.SUSPENSE).values_list("amount", flat=True)
    assert list(suspense) == [AMOUNT] * len(people)
    assert_sound()


def test_two_payments_of_one_deposit():
    check_two_payments()


@pytest.mark.postgresql
def test_control_without_the_lock_of_the_deposit_both_are_credited(monkeypatch):
    lock = ledger.lock

    def slow_lock(owner_id):
        time.sleep(0.05)  # the other one looks at the deposit meanwhile
        return lock(owner_id)

    monkeypatch.setattr(ledger, "lock", slow_lock)
    monkeypatch.setattr(Deposit.objects.all().__class__, "select_for_update", lambda self, **kwargs: self)
    with pytest.raises(AssertionError, match=str(2 * AMOUNT)):
        check_two_payments()


# --- deposit × dispute × refund, in every order, each told twice ------------------------------------------------------


def check_every_order(rounds: int) -> None:
    """Everything that can happen to two payments, told twice each, all at once: always the same balance in the end."""
    dice = random.Random(7)
    for number in range(rounds):
        alice = make_member(f"Alice{number}")
        now = clock.now()
        rows = [
            Deposit.objects.create(buyer=alice, amount_cents=cents, created_at=now, expires_at=now)
            for cents in (10_000, 5_000)
        ]
        one, two = (f"pi_{row.public_id}" for row in rows)
        paid = [
            Payment(one, "succeeded", 10_000, "usd", rows[0].public_id, 10_000, 320),
            Payment(two, "succeeded", 5_000, "usd", rows[1].public_id, 5_000, 175),
        ]

        def told(fact, payments=paid):
            apply = {RefundFact: refunds.apply_refund, DisputeFact: disputes.apply_dispute, Payment: deposits.settle}
            try:
                apply[type(fact)](fact)
            except refunds.PaymentNotKnown as unknown:
                deposits.settle(next(payment for payment in payments if payment.id == unknown.intent_id))
                apply[type(fact)](fact)

        facts = [
            *paid,
            RefundFact(f"re_a{number}", one, 3_000, "usd", "succeeded"),
            RefundFact(f"re_b{number}", two, 5_000, "usd", "failed"),
            DisputeFact(f"du_a{number}", one, 7_000, "won", 7_000, 1_500, 7_000),
            DisputeFact(f"du_b{number}", two, 4_000, "lost", 4_000, 1_500, 0),
        ] * 2
        dice.shuffle(facts)
        results = race([lambda fact=fact: told(fact) for fact in facts])
        assert tally(results) == {"ok": len(facts)}, [result.error for result in results if result.error]
        wallet = ledger.wallet_of(alice.pk)
        assert (wallet.cash, wallet.owed) == (15_000 - 3_000 - 4_000, 0)
    assert_sound()


def test_everything_at_once_in_every_order(asked_for):
    check_every_order(rounds=40 if asked_for("race") else 8)


@pytest.mark.postgresql
def test_control_without_the_lock_the_books_go_wrong(monkeypatch):
    """Without the locks two facts split the same cash, and one of them fails or goes wrong."""
    lock = ledger.lock

    def look_only(owner_id):
        wallet = ledger.wallet_of(owner_id)
        return wallet if wallet.cash_id else lock(owner_id)  # the first use makes the accounts

    monkeypatch.setattr(ledger, "lock", look_only)
    monkeypatch.setattr(Deposit.objects.all().__class__, "select_for_update", lambda self, **kwargs: self)
    with pytest.raises(AssertionError):
        check_every_order(rounds=8)


@pytest.mark.sqlite
def test_control_without_the_look_into_the_books_every_order_is_red(monkeypatch):
    monkeypatch.setattr(ledger, "is_booked", lambda reference: False)
    with pytest.raises(AssertionError):
        check_every_order(rounds=2)
