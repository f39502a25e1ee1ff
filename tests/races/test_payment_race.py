"""The card processor says the same thing a hundred times at once; money is booked once."""

import functools
import itertools
import random

import pytest

from marketplace.core import clock
from marketplace.ledger import services as ledger
from marketplace.wallet import deposits, disputes, inbox, refunds
from marketplace.wallet.gateway import DisputeFact, Payment, RefundFact
from marketplace.wallet.models import Deposit
from tests.people import make_member
from tests.processor import Processor
from tests.races.rig import assert_sound, race, tally

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]
AMOUNT = 10_000


@pytest.fixture
def processor(settings):
    """The stand-in processor, with the gateway pointed at it; its webhooks are delivered by the tests themselves."""
    with Processor(api_key=settings.STRIPE_SECRET_KEY) as stand_in:
        settings.STRIPE_API_BASE = stand_in.url
        yield stand_in


def check_100_deliveries(processor) -> None:
    """Three event types of one payment, 100 deliveries worked off at the same moment: one credit, one receipt."""
    alice = make_member("Alice")
    deposit, _ = deposits.start_deposit(alice, AMOUNT)
    deposit.refresh_from_db()
    processor.pay(deposit.session_id, "4242424242424242")
    intent = processor.get("checkout.session", deposit.session_id)["payment_intent"]
    events = [
        ("checkout.session.completed", deposit.session_id),
        ("payment_intent.succeeded", intent),
        ("checkout.session.async_payment_succeeded", deposit.session_id),
    ]
    jobs = [functools.partial(inbox.apply, *event) for event in itertools.islice(itertools.cycle(events), 100)]
    assert tally(race(jobs)) == {"ok": 100}
    assert ledger.wallet_of(alice.pk).cash == AMOUNT
    deposit.refresh_from_db()
    assert (deposit.state, deposit.received_cents) == (Deposit.State.PAID, AMOUNT)
    assert_sound()


def test_100_deliveries_of_three_event_types(processor):
    check_100_deliveries(processor)


def test_control_without_the_look_into_the_books_it_is_red(processor, monkeypatch):
    monkeypatch.setattr(ledger, "is_booked", lambda reference: False)
    with pytest.raises(AssertionError):
        check_100_deliveries(processor)


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


def test_everything_at_once_in_every_order(pytestconfig):
    check_every_order(rounds=40 if "race" in pytestconfig.getoption("-m") else 8)


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
