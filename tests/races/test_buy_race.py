"""Many buyers, one lead; one buyer, many presses. Each race has a control: with its guard off the same check is red."""

import dataclasses
import secrets
import time

import pytest
from django.db import connection

from marketplace.core import transactions
from marketplace.core.sqlite.base import DatabaseWrapper
from marketplace.leads import services as leads
from marketplace.leads.models import Lead
from marketplace.ledger import services as ledger
from marketplace.purchases import services
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import Wanted, buy_lead, buy_leads
from tests.guards import stripped, unguarded
from tests.people import make_member
from tests.races.rig import assert_sound, patiently, race, tally
from tests.stock import make_lead

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]
RACERS = 200
PRICE = 2450


def buyers(number: int, cents: int = 10_000):
    return [make_member(f"Racer{index}", cents=cents) for index in range(number)]


def job(buyer, lead, key=""):
    key = key or secrets.token_hex(8)
    return patiently(lambda: buy_lead(buyer, lead, price_seen=PRICE, key=key))


# --- 200 buyers for one lead ------------------------------------------------------------------------------------------


def check_one_lead(slots: int) -> None:
    """Exactly ``slots`` of 200 buyers get it, with different slot numbers; the others are told and not charged."""
    lead = make_lead(buyers=slots, price_cents=PRICE)
    people = buyers(RACERS)
    results = race([job(buyer, lead) for buyer in people])
    assert tally(results) == {"ok": slots, "LeadUnavailable": RACERS - slots}
    lead.refresh_from_db()
    assert (lead.slots_sold, lead.status) == (slots, Lead.Status.SOLD)
    assert sorted(lead.purchases.values_list("slot_number", flat=True)) == list(range(1, slots + 1))
    for buyer, result in zip(people, results, strict=True):
        assert ledger.wallet_of(buyer.pk).cash == 10_000 - (PRICE if result.kind == "ok" else 0)
    assert_sound()


@pytest.mark.parametrize("slots", [1, 3])
def test_200_buyers_for_one_lead(slots):
    check_one_lead(slots)


@pytest.mark.parametrize("slots", [1, 3])
def test_control_without_the_condition_the_same_check_is_red(slots, monkeypatch):
    """Then only the database's own constraint is left: nothing is oversold, but 199 buyers get an error as answer."""
    monkeypatch.setattr(leads, "_TAKE_SLOT", unguarded(leads._TAKE_SLOT, "status = 'open'", "slots_sold < slots_total"))
    with pytest.raises(AssertionError, match=f"'IntegrityError': {RACERS - slots}"):
        check_one_lead(slots)


def waits(people: list, leads_each: int, show) -> tuple[float, float, float]:
    """Seconds: the longest that one of 200 racers waited for the answer, and what 200 purchases take one after the
    other, by the faster and by the slower of two samples, before the race and after it."""
    mine = {buyer: make_lead(price_cents=PRICE) for buyer in people}
    the_one = make_lead(price_cents=PRICE)

    def one_after_the_other(those) -> float:
        start = time.perf_counter()
        for buyer in those:
            job(buyer, mine[buyer])()
        return (time.perf_counter() - start) / len(those) * RACERS

    before = one_after_the_other(people[:10])
    results = race([job(buyer, mine[buyer] if leads_each else the_one) for buyer in people[20:]])
    after = one_after_the_other(people[10:20])
    assert tally(results)["ok"] == (RACERS if leads_each else 1)
    worst = max(result.seconds for result in results)
    show(f"worst of {RACERS} racers: {worst:.2f} s (goal < 2 s; one after the other {before:.2f} and {after:.2f} s)")
    return worst, min(before, after), max(before, after)


@pytest.mark.sqlite
@pytest.mark.parametrize("leads_each", [0, 1], ids=["one-lead", "a-lead-each"])
def test_on_sqlite_nobody_waits_long(leads_each, show):
    """Not over 2 s; where the machine is busy with other work, not over twice what they would take in turn. A busy
    moment is given two more tries: who starves without the turnstile does so every time."""
    people = buyers(RACERS + 20, cents=3 * PRICE)
    for _ in range(3):
        worst, _, in_turn = waits(people, leads_each, show)
        if worst < max(2, 2 * in_turn):
            return
    raise AssertionError(f"a racer waited {worst:.2f} s")


@pytest.mark.sqlite
def test_control_without_the_turnstile_some_starve(monkeypatch, show):
    monkeypatch.setattr(DatabaseWrapper, "_enter", lambda wrapper: None)
    worst, in_turn, _ = waits(buyers(RACERS + 20), 1, show)
    assert worst > max(2, 2 * in_turn)


# --- one buyer --------------------------------------------------------------------------------------------------------


def check_one_key() -> None:
    """One form pressed 100 times buys once; every press gets the same answer."""
    alice = make_member("Alice", cents=100_000)
    lead = make_lead(buyers=3, price_cents=PRICE)
    results = race([job(alice, lead, key="the-same-form") for _ in range(100)])
    assert tally(results) == {"ok": 100}
    assert len({result.value.public_id for result in results}) == 1
    assert ledger.wallet_of(alice.pk).cash == 100_000 - PRICE
    assert_sound()


def test_one_key_100_times():
    check_one_key()


def test_control_without_the_look_for_an_earlier_order_it_is_red(monkeypatch):
    blind = stripped(services._INSERT_ORDER, "ON CONFLICT (buyer_id, key) DO NOTHING")
    monkeypatch.setattr(services, "_INSERT_ORDER", blind)
    with pytest.raises(AssertionError):
        check_one_key()


def check_100_keys() -> None:
    """100 tabs of one buyer on a lead with three slots: bought once, told 99 times, charged once."""
    alice = make_member("Alice", cents=1_000_000)
    lead = make_lead(buyers=3, price_cents=PRICE)
    results = race([job(alice, lead) for _ in range(100)])
    assert tally(results) == {"ok": 1, "AlreadyBought": 99}
    assert ledger.wallet_of(alice.pk).cash == 1_000_000 - PRICE
    assert_sound()


def test_100_keys_of_one_buyer():
    check_100_keys()


def test_control_without_the_look_for_an_earlier_purchase_it_is_red(monkeypatch):
    monkeypatch.setattr(services, "_bought_before", lambda buyer, lead_ids: {})
    with pytest.raises(AssertionError):
        check_100_keys()


def check_balance_for_three() -> None:
    """Money for 3 of 100 leads bought at the same moment: 3 are bought, 97 refused, nothing below zero."""
    alice = make_member("Alice", cents=3 * PRICE)
    stock = [make_lead(buyers=1, price_cents=PRICE) for _ in range(100)]
    results = race([job(alice, lead) for lead in stock])
    assert tally(results) == {"ok": 3, "InsufficientFunds": 97}
    assert ledger.wallet_of(alice.pk).cash == 0
    assert Purchase.objects.count() == 3
    assert_sound()


def test_balance_for_3_of_100_leads():
    check_balance_for_three()


def test_control_without_the_look_at_the_balance_it_is_red(monkeypatch):
    lock = ledger.lock

    def rich(owner_id):
        wallet = lock(owner_id)
        return dataclasses.replace(wallet, cash=wallet.cash + 10**9)

    monkeypatch.setattr(ledger, "lock", rich)
    with pytest.raises(AssertionError):
        check_balance_for_three()


@pytest.mark.postgresql
def test_control_without_the_lock_it_is_red(monkeypatch):
    lock = ledger.lock

    def look_only(owner_id):
        wallet = ledger.wallet_of(owner_id)
        return wallet if wallet.cash_id else lock(owner_id)  # the first use makes the accounts

    monkeypatch.setattr(ledger, "lock", look_only)
    with pytest.raises(AssertionError):
        check_balance_for_three()


# --- orders of two leads in opposite order ----------------------------------------------------------------------------


def check_opposite_orders(monkeypatch) -> None:
    """40 orders of the same two leads, half of them the other way round: nobody has to start again."""
    retries = []
    monkeypatch.setattr(transactions.time, "sleep", retries.append)
    stock = [[make_lead(buyers=3, price_cents=PRICE), make_lead(buyers=3, price_cents=PRICE)] for _ in range(4)]
    people = buyers(40)

    def order(index, buyer):
        pair = stock[index // 2 % 4]
        pair = pair if index % 2 else pair[::-1]
        return lambda: buy_leads(buyer, [Wanted(lead, PRICE) for lead in pair], key=secrets.token_hex(8))

    results = race([order(index, buyer) for index, buyer in enumerate(people)])
    assert retries == []
    assert set(tally(results)) <= {"ok", "LeadUnavailable"}
    assert Purchase.objects.count() == 4 * 2 * 3
    assert_sound()


def test_orders_of_two_leads_in_opposite_order(monkeypatch):
    check_opposite_orders(monkeypatch)


def test_control_unsorted_orders_meet_head_on(monkeypatch):
    """Without the order, PostgreSQL finds deadlocks; without the turnstile, SQLite finds the database locked."""
    if connection.vendor == "postgresql":
        claim = leads.take_slot

        def slow_claim(lead_id, price_seen):
            slot = claim(lead_id, price_seen)
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(0.02)")
            return slot

        monkeypatch.setattr(services, "take_slot", slow_claim)
        monkeypatch.setattr(services, "_in_lock_order", list)
    else:

        def deferred(wrapper):
            wrapper.cursor().execute("BEGIN")

        monkeypatch.setattr(DatabaseWrapper, "_start_transaction_under_autocommit", deferred)
    with pytest.raises(AssertionError):
        check_opposite_orders(monkeypatch)
