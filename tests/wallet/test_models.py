"""What the database refuses of the wallet, whoever writes."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from marketplace.core import clock
from marketplace.wallet.models import Deposit, Dispute, EventCursor, Refund, StripeEvent

pytestmark = pytest.mark.django_db


@pytest.fixture
def deposit(buyer) -> Deposit:
    now = clock.now()
    return Deposit.objects.create(
        buyer=buyer, amount_cents=10_000, created_at=now, expires_at=now + timedelta(minutes=35)
    )


def event(number: int, **values: object) -> StripeEvent:
    now = clock.now()
    moments = {"happened_at": now, "received_at": now, "available_at": now}
    return StripeEvent(event_id=f"evt_{number}", type="x", object_id="", **moments | values)


def refuses(name: str, write) -> None:
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        write()


def test_it_works(deposit):
    """Every state has its place."""
    for state in Deposit.State.values:
        Deposit.objects.filter(pk=deposit.pk).update(state=state, intent_id="pi_1", paid_at=clock.now())
    StripeEvent.objects.bulk_create([event(i, state=state) for i, state in enumerate(StripeEvent.State.values)])
    assert StripeEvent.objects.count() == len(StripeEvent.State)


@pytest.mark.parametrize("state", ["", "Paid", "done"])
def test_a_deposit_in_no_known_state(deposit, state):
    mine = Deposit.objects.filter(pk=deposit.pk)
    refuses("wallet_deposit_state_known", lambda: mine.update(state=state))


@pytest.mark.parametrize("cents", [0, 2_499, 500_001])
def test_a_deposit_too_small_or_too_large(deposit, cents):
    mine = Deposit.objects.filter(pk=deposit.pk)
    refuses("wallet_deposit_range", lambda: mine.update(amount_cents=cents))


@pytest.mark.parametrize("missing", ["intent_id", "paid_at"])
def test_a_paid_deposit_without_its_payment(deposit, missing):
    values = {"intent_id": "pi_1", "paid_at": clock.now(), "state": "paid"} | {missing: None}
    refuses("wallet_paid_has_payment", lambda: Deposit.objects.filter(pk=deposit.pk).update(**values))


def test_a_refund_of_nothing(deposit):
    values = {"deposit": deposit, "processor_id": "re_1", "state": "pending", "seen_at": clock.now()}
    refuses("wallet_refund_of_something", lambda: Refund.objects.create(**values, amount_cents=0))


def test_a_dispute_of_nothing(deposit):
    values = {"deposit": deposit, "buyer": deposit.buyer, "processor_id": "du_1", "state": "lost"}
    values |= {"is_open": False, "seen_at": clock.now()}
    refuses("wallet_dispute_of_something", lambda: Dispute.objects.create(**values, amount_cents=0))


@pytest.mark.parametrize("state", ["", "New", "gone"])
def test_an_event_in_no_known_state(db, state):
    refuses("wallet_event_state_known", lambda: event(1, state=state).save())


def test_a_second_cursor(db):
    refuses("wallet_one_cursor", lambda: EventCursor.objects.create(id=2, read_until=clock.now()))
