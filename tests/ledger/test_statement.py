"""The statement: newest first, with the balance after each fact, whatever is filtered."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import transaction

from marketplace.ledger import services as ledger
from marketplace.ledger.statement import entries, page
from tests.people import give, make_bob, make_member

pytestmark = pytest.mark.django_db
START = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture
def member():
    """A verified member without a cent."""
    return make_member("Alice")


def move(member, cents: int, *, day: int, reference: str, kind: str = "") -> None:
    """Money in (positive) or spent or taken out (negative) at noon of ``day``."""
    with time_machine.travel(START + timedelta(days=day), tick=False), transaction.atomic():
        wallet = ledger.lock(member.pk)
        if cents > 0:
            ledger.put_in(wallet, "processor", cents, kind=kind or "deposit", reference=reference)
        elif kind:
            ledger.take_out(wallet, "processor", -cents, kind=kind, reference=reference)
        else:
            ledger.spend(wallet, -cents, kind="purchase", reference=reference)


@pytest.fixture
def history(member):
    """Ten facts, one a day: deposits and purchases by turns."""
    for day in range(10):
        move(member, 1_000 if day % 2 == 0 else -300, day=day, reference=f"fact:{day}")
    return member


def test_it_works(history):
    rows = list(entries(history.pk))
    assert [row.reference for row in rows] == [f"fact:{day}" for day in reversed(range(10))]
    assert [row.number for row in rows] == list(range(10, 0, -1))
    assert (rows[0].delta, rows[0].balance) == (-300, 3_500)
    assert (rows[-1].delta, rows[-1].balance) == (1_000, 1_000)
    assert rows[0].moment == START + timedelta(days=9)


def test_empty(member):
    assert list(entries(member.pk)) == []
    assert page(member.pk, size=5) == page(member.pk, size=5, after=1)


def test_the_newest_balance_is_what_the_wallet_holds(history):
    move(history, -9_000, day=10, reference="taken", kind="dispute")
    wallet = ledger.wallet_of(history.pk)
    assert next(entries(history.pk)).balance == wallet.available - wallet.owed == -5_500


def test_a_split_fact_is_one_line(member):
    move(member, 1_000, day=0, reference="in")
    move(member, -4_000, day=1, reference="out", kind="dispute")  # 1,000 cash and 3,000 owed
    move(member, 5_000, day=2, reference="again")  # 3,000 repaid and 2,000 cash
    assert [(row.reference, row.delta, row.balance) for row in entries(member.pk)] == [
        ("again", 5_000, 2_000),
        ("out", -4_000, -3_000),
        ("in", 1_000, 1_000),
    ]


def test_bonus_counts(member):
    move(member, 500, day=0, reference="in")
    with transaction.atomic():
        wallet = ledger.lock(member.pk)
        ledger.transfer("promotion", wallet.bonus_id, 200, kind="deposit", reference="bonus")
    move(member, -600, day=1, reference="lead")
    newest = next(entries(member.pk))
    assert (newest.reference, newest.delta, newest.balance) == ("lead", -600, 100)


def test_filters_never_change_the_balance(history):
    rows = list(entries(history.pk, kind="purchase"))
    assert [row.number for row in rows] == [10, 8, 6, 4, 2]
    assert rows[0].balance == 3_500
    part = list(entries(history.pk, since=START + timedelta(days=2), until=START + timedelta(days=5)))
    assert [(row.reference, row.balance) for row in part] == [("fact:4", 2_400), ("fact:3", 1_400), ("fact:2", 1_700)]


def test_pages_forth_and_back(history):
    first = page(history.pk, size=4)
    second = page(history.pk, size=4, after=first.older)
    third = page(history.pk, size=4, after=second.older)
    assert [[row.number for row in part.rows] for part in (first, second, third)] == [
        [10, 9, 8, 7],
        [6, 5, 4, 3],
        [2, 1],
    ]
    assert (first.newer, third.older) == (None, None)
    assert page(history.pk, size=4, before=third.newer) == second
    assert page(history.pk, size=4, before=second.newer).rows == first.rows
    assert page(history.pk, size=4, before=second.newer).newer is None


def test_pages_stay_put_while_facts_are_added(history):
    first = page(history.pk, size=4)
    move(history, 700, day=11, reference="new")
    assert [row.number for row in page(history.pk, size=4, after=first.older).rows] == [6, 5, 4, 3]


def test_somebody_else(history):
    bob = make_bob()
    give(bob, 4_200, reference="bob")
    assert [row.delta for row in entries(bob.pk)] == [4_200]
    assert "bob" not in {row.reference for row in entries(history.pk)}
