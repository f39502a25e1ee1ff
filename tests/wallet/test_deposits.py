"""Money in: one deposit, one payment, one credit, whatever is told first, twice, late or never."""

import itertools
from datetime import timedelta

import pytest
import time_machine

from accounts.services import NotAllowed, NotVerified
from marketplace.core import clock
from marketplace.core.refusals import TooMany
from marketplace.mail.models import OutgoingEmail
from marketplace.wallet import deposits, emails, gateway, inbox
from marketplace.wallet.models import Deposit
from tests.people import make_member
from tests.wallet.conftest import again, alerts, balance, in_the_books, spend, suspense

pytestmark = pytest.mark.django_db
DECLINED = "4000000000000002"
State = Deposit.State


class Killed(BaseException):
    """The process dies here."""


def mails(prefix: str) -> list[str]:
    return list(OutgoingEmail.objects.filter(key__startswith=prefix).values_list("key", flat=True))


@pytest.mark.django_db(transaction=True)
def test_it_works(site, buyer):
    deposit, address = deposits.start_deposit(buyer, 10_000, lead_ids=["bcdf"])
    assert address.startswith(site.processor.url)
    assert (again(deposit).state, again(deposit).lead_ids) == (State.OPEN, "bcdf")
    intent = site.pay(again(deposit))
    assert balance(buyer) == 0
    site.hear()
    deposit = again(deposit)
    assert (deposit.state, deposit.received_cents, deposit.intent_id) == (State.PAID, 10_000, intent)
    assert balance(buyer) == 10_000
    assert in_the_books("processor_fees") == 320
    assert mails("deposit:") == [f"deposit:{intent}"]
    assert alerts() == set()


# --- starting ---------------------------------------------------------------------------------------------------------


def test_the_processor_learns_the_amount_and_a_random_number_only(site, buyer):
    deposit = site.start(buyer, 12_345)
    (request,) = site.processor.requests
    assert request.path == "/v1/checkout/sessions"
    assert request.idempotency_key == f"dep-{deposit.public_id}"
    assert request.params["client_reference_id"] == deposit.public_id
    assert request.params["metadata"] == request.params["payment_intent_data"]["metadata"]
    (item,) = request.params["line_items"]
    assert (item["price_data"]["unit_amount"], item["price_data"]["currency"]) == ("12345", "usd")
    sent = str(request).lower()
    assert not any(word in sent for word in (buyer.email, buyer.handle.lower(), buyer.public_id, "customer_email"))


def test_only_verified_members(site, buyer):
    buyer.email_verified_at = None
    with pytest.raises(NotVerified):
        deposits.start_deposit(buyer, 10_000)
    buyer.is_active = False
    with pytest.raises(NotAllowed):
        deposits.start_deposit(buyer, 10_000)
    assert not Deposit.objects.exists()
    assert not site.processor.requests


@pytest.mark.parametrize("amount", [100.0, "10000", True, None])
def test_an_amount_is_whole_cents(site, buyer, amount):
    with pytest.raises(TypeError):
        deposits.start_deposit(buyer, amount)
    assert not Deposit.objects.exists()


def test_twenty_an_hour(site, buyer, monkeypatch):
    numbers = itertools.count()
    monkeypatch.setattr(
        gateway, "create_checkout", lambda **_: gateway.Session(f"cs_{next(numbers)}", "u", "open", "", "")
    )
    with time_machine.travel("2026-11-21 10:00:10", tick=False):
        for _ in range(20):
            deposits.start_deposit(buyer, 2_500)
        with pytest.raises(TooMany):
            deposits.start_deposit(buyer, 2_500)
    assert Deposit.objects.count() == 20


# --- the processor fails us -------------------------------------------------------------------------------------------

FAULTS = {
    "500 before": lambda faults: faults.fail_before("POST", times=None),
    "500 after": lambda faults: faults.fail_after("POST", times=None),
    "time-out before": lambda faults: faults.time_out("POST", seconds=0.6, after=False, times=None),
    "time-out after": lambda faults: faults.time_out("POST", seconds=0.6, times=None),
    "closed before": lambda faults: faults.disconnect("POST", times=None),
    "closed after": lambda faults: faults.disconnect("POST", times=None, after=True),
    "429": lambda faults: faults.rate_limit("POST", times=None),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_processor_costs_nobody_a_cent(site, buyer, impatient, fault):
    FAULTS[fault](site.processor.faults)
    with pytest.raises(gateway.ProcessorDown):
        deposits.start_deposit(buyer, 10_000)
    site.processor.faults.clear()
    first = Deposit.objects.get()
    assert (first.state, first.session_id) == (State.CREATED, None)
    # The member tries again: another deposit under another key, since a 500 is kept under the old one.
    second, _ = site.funded(buyer)
    assert (second.state, balance(buyer)) == (State.PAID, 10_000)
    with time_machine.travel(clock.now() + timedelta(hours=2)):
        deposits.end_abandoned()
    assert again(first).state == State.EXPIRED


@pytest.mark.parametrize("fault", ["500 after", "closed after", "time-out after"])
def test_money_for_a_page_we_never_heard_of_is_adopted(site, buyer, impatient, fault):
    FAULTS[fault](site.processor.faults)
    with pytest.raises(gateway.ProcessorDown):
        deposits.start_deposit(buyer, 10_000)
    site.processor.faults.clear()
    (session,) = site.processor.store.find("checkout.session")
    site.processor.pay(session["id"])
    site.hear()
    deposit = Deposit.objects.get()
    assert (deposit.state, deposit.session_id, balance(buyer)) == (State.PAID, session["id"], 10_000)


def test_a_hiccup_is_tried_again_under_the_same_key(site, buyer):
    site.processor.faults.disconnect("POST", after=True)
    deposit = site.start(buyer)
    assert len(site.processor.requests) == 2
    assert len(site.processor.store.find("checkout.session")) == 1
    site.pay(deposit)
    site.hear()
    assert balance(buyer) == 10_000


def test_no_answer_at_all(processor, settings, buyer, impatient):
    settings.STRIPE_API_BASE = "http://127.0.0.1:9"
    with pytest.raises(gateway.ProcessorDown):
        deposits.start_deposit(buyer, 10_000)
    assert Deposit.objects.get().state == State.CREATED


def test_killed_before_the_processor_is_asked(site, buyer, monkeypatch):
    def die(**_: object) -> None:
        raise Killed

    monkeypatch.setattr(gateway, "create_checkout", die)
    with pytest.raises(Killed):
        deposits.start_deposit(buyer, 10_000)
    assert Deposit.objects.get().state == State.CREATED
    assert not site.processor.requests
    with time_machine.travel(clock.now() + timedelta(hours=2)):
        assert deposits.end_abandoned() == 1
    assert Deposit.objects.get().state == State.EXPIRED


@pytest.mark.parametrize("then", ["pays", "leaves"])
def test_killed_before_the_answer_is_stored(site, buyer, monkeypatch, then):
    ask = gateway.create_checkout

    def ask_and_die(**wanted: object) -> None:
        ask(**wanted)
        raise Killed

    monkeypatch.setattr(gateway, "create_checkout", ask_and_die)
    with pytest.raises(Killed):
        deposits.start_deposit(buyer, 10_000)
    (session,) = site.processor.store.find("checkout.session")
    if then == "pays":
        site.processor.pay(session["id"])
    else:
        site.processor.expire(session["id"])
    site.hear()
    deposit = Deposit.objects.get()
    assert deposit.session_id == session["id"]
    assert (deposit.state, balance(buyer)) == ((State.PAID, 10_000) if then == "pays" else (State.EXPIRED, 0))


def test_the_notice_comes_before_the_session_is_stored(site, buyer, monkeypatch):
    ask = gateway.create_checkout

    def ask_slowly(**wanted: object) -> gateway.Session:
        session = ask(**wanted)
        site.processor.pay(session.id)
        site.hear()
        return session

    monkeypatch.setattr(gateway, "create_checkout", ask_slowly)
    deposit, _ = deposits.start_deposit(buyer, 10_000)
    assert (again(deposit).state, balance(buyer)) == (State.PAID, 10_000)
    assert again(deposit).session_id


# --- settling ---------------------------------------------------------------------------------------------------------


def test_a_hundred_notices_of_three_types_are_one_credit(site, buyer):
    site.pay(site.start(buyer))
    types = ("checkout.session.completed", "payment_intent.succeeded", "charge.succeeded")
    site.hear(*types, times=34, seed=7)
    assert inbox.StripeEvent.objects.count() == 3
    for _ in range(33):
        site.look_again(*types)
    assert balance(buyer) == 10_000
    assert len(mails("deposit:")) == 1


@pytest.mark.parametrize("seed", range(8))
def test_every_order_of_notices_ends_alike(site, buyer, seed):
    deposit = site.start(buyer)
    site.pay(deposit, DECLINED)
    site.pay(deposit)
    site.hear(times=2, seed=seed)
    assert (again(deposit).state, balance(buyer)) == (State.PAID, 10_000)


def test_declined_then_paid(site, buyer):
    deposit = site.start(buyer)
    site.pay(deposit, DECLINED)
    site.hear()
    assert (again(deposit).state, balance(buyer)) == (State.OPEN, 0)
    site.pay(deposit)
    site.hear()
    assert (again(deposit).state, balance(buyer)) == (State.PAID, 10_000)


def test_expired(site, buyer):
    deposit = site.start(buyer)
    site.processor.expire(deposit.session_id)
    site.hear()
    assert (again(deposit).state, balance(buyer)) == (State.EXPIRED, 0)


def test_money_that_comes_after_the_end_is_credited(site, buyer):
    deposit = site.start(buyer)
    site.processor.expire(deposit.session_id)
    site.hear()
    site.pay(deposit, even_if_expired=True)
    site.hear()
    assert (again(deposit).state, balance(buyer)) == (State.PAID, 10_000)
    site.look_again()
    assert (again(deposit).state, balance(buyer)) == (State.PAID, 10_000)


def test_delayed_money_is_on_its_way_then_there(site, buyer):
    deposit = site.start(buyer)
    site.processor.async_payment(deposit.session_id)
    site.hear()
    assert (again(deposit).state, balance(buyer)) == (State.PROCESSING, 0)
    site.processor.async_succeeded(deposit.session_id)
    site.hear()
    assert (again(deposit).state, balance(buyer)) == (State.PAID, 10_000)


def test_delayed_money_that_does_not_come_and_comes_after_all(site, buyer):
    deposit = site.start(buyer)
    site.processor.async_payment(deposit.session_id)
    site.processor.async_failed(deposit.session_id)
    site.hear(seed=1)
    assert (again(deposit).state, balance(buyer)) == (State.FAILED, 0)
    site.processor.async_succeeded(deposit.session_id)
    site.hear()
    assert (again(deposit).state, balance(buyer)) == (State.PAID, 10_000)


def test_a_failed_delayed_payment_is_seen_without_its_notice(site, buyer):
    deposit = site.start(buyer)
    site.processor.async_payment(deposit.session_id)
    site.hear()
    site.processor.async_failed(deposit.session_id)
    site.miss()
    deposits.refresh(again(deposit))
    assert again(deposit).state == State.FAILED


@pytest.mark.parametrize("received", [7_000, 12_000])
def test_what_was_received_counts_and_somebody_is_told(site, buyer, owner, received):
    site.processor.faults.receive(amount=received)
    deposit, intent = site.funded(buyer)
    assert (deposit.state, deposit.received_cents, balance(buyer)) == (State.PAID, received, received)
    assert alerts() == {f"amount-differs:{intent}"}


def test_another_currency_is_never_guessed_at(site, buyer, owner):
    site.processor.faults.receive(currency="eur")
    deposit = site.start(buyer)
    intent = site.pay(deposit)
    site.hear(times=2)
    assert (again(deposit).state, again(deposit).received_cents, balance(buyer)) == (State.REVIEW, 0, 0)
    assert alerts() == {f"suspense:{intent}"}


@pytest.mark.parametrize("told", ["by-notice", "by-sweep"])
def test_another_currency_ends_by_its_refund(site, buyer, owner, told):
    """Giving it back moves nothing in our books either, and ends quietly."""
    site.processor.faults.receive(currency="eur")
    deposit = site.start(buyer)
    intent = site.pay(deposit)
    site.hear()
    site.processor.refund(intent, 4_000)
    site.hear(times=2)
    assert again(deposit).state == State.REVIEW
    site.processor.refund(intent)
    if told == "by-notice":
        site.hear(times=2)
        assert not inbox.StripeEvent.objects.filter(state="new").exists()
    else:
        site.miss()
        with time_machine.travel(clock.now() + timedelta(minutes=50)):
            inbox.sweep()
    assert (again(deposit).state, balance(buyer)) == (State.RETURNED, 0)
    assert again(deposit).has_ended


def test_another_currency_after_the_page_expired(site, buyer, owner):
    site.processor.faults.receive(currency="eur")
    deposit = site.start(buyer)
    site.processor.expire(deposit.session_id)
    site.hear()
    site.pay(deposit, even_if_expired=True)
    site.hear()
    assert again(deposit).state == State.REVIEW


def test_another_currency_settled_in_ours_waits_in_suspense(db, buyer, owner):
    deposit = Deposit.objects.create(
        buyer=buyer, amount_cents=10_000, created_at=clock.now(), expires_at=clock.now() + timedelta(minutes=35)
    )
    paid = gateway.Payment("pi_eur", "succeeded", 10_000, "eur", deposit.public_id, settled=10_800, fee=343)
    for _ in range(2):
        deposits.settle(paid)
    assert (suspense(), in_the_books("processor"), balance(buyer)) == (10_800, 10_800 - 343, 0)


def test_a_payment_of_nobody_waits_in_suspense(site, buyer, owner):
    intent = site.processor.stray_payment(4_200)["id"]
    site.hear(times=3)
    site.look_again()
    assert suspense() == 4_200
    assert alerts() == {f"suspense:{intent}"}
    assert balance(buyer) == 0


def test_a_second_payment_of_one_deposit_waits_in_suspense(site, buyer, owner):
    deposit, first = site.funded(buyer)
    second = site.processor.stray_payment(10_000, metadata={"deposit_id": deposit.public_id})["id"]
    site.hear()
    assert (balance(buyer), suspense()) == (10_000, 10_000)
    assert again(deposit).intent_id == first
    assert alerts() == {f"suspense:{second}"}


def test_a_page_of_nobody_moves_nothing_of_ours(site, buyer, owner):
    stranger = site.processor.create_session(
        {
            "mode": "payment",
            "success_url": "https://elsewhere.example.com/",
            "client_reference_id": "not-one-of-ours",
            "line_items": [
                {"quantity": 1, "price_data": {"currency": "usd", "unit_amount": 900, "product_data": {"name": "Tea"}}}
            ],
        }
    )
    site.processor.pay(stranger["id"])
    site.hear()
    assert (suspense(), balance(buyer)) == (900, 0)


def test_a_fee_that_is_known_later_is_booked_then_and_once(site, buyer):
    site.processor.faults.late_fee()
    _, intent = site.funded(buyer)
    assert (balance(buyer), in_the_books("processor_fees")) == (10_000, 0)
    site.processor.book_fee(intent)
    site.hear("charge.updated", times=2)
    site.look_again()
    assert (balance(buyer), in_the_books("processor_fees")) == (10_000, 320)


def test_suspense_waits_for_what_the_money_is_worth(site, buyer, owner):
    site.processor.faults.late_fee()
    intent = site.processor.stray_payment(4_200)["id"]
    site.hear()
    assert suspense() == 0
    site.processor.book_fee(intent)
    site.hear()
    assert suspense() == 4_200


def test_a_deposit_repays_what_is_owed_first(site, buyer):
    _, intent = site.funded(buyer)
    spend(buyer, 9_000)
    site.processor.refund(intent)
    site.hear()
    assert balance(buyer) == -9_000
    site.funded(buyer, 10_000)
    assert balance(buyer) == 1_000


def test_states_only_rise(db, buyer):
    deposit = Deposit.objects.create(buyer=buyer, amount_cents=10_000, created_at=clock.now(), expires_at=clock.now())
    for lower, higher in itertools.combinations(State.values, 2):
        if Deposit.RANK[lower] < Deposit.RANK[higher]:
            paid = {"paid_at": clock.now(), "intent_id": "pi_1"} if higher == State.PAID else {}
            Deposit.objects.filter(pk=deposit.pk).update(state=higher, **paid)
            assert not deposits._raise_state(deposit, lower)
            assert again(deposit).state == higher
    for same in ("expired", "failed"):
        Deposit.objects.filter(pk=deposit.pk).update(state="failed" if same == "expired" else "expired")
        assert not deposits._raise_state(deposit, same)


def test_an_alert_with_a_long_number_reaches_every_owner(owner):
    other = make_member("Dana", is_staff=True)
    other.is_superuser = True
    other.save()
    for number in ("x" * 120, "x" * 119 + "y"):
        emails.alert_operators("suspense-dispute", number)
    keys = mails("alert:suspense-dispute:")
    assert len(keys) == 4
    assert all(len(key) <= 120 for key in keys)
    assert all(len([key for key in keys if key.endswith(who.public_id)]) == 2 for who in (owner, other))
