"""Facts that no lock guards are booked once, whoever looks at the same moment."""

import threading

import pytest
from django.db import IntegrityError

from marketplace.ledger import services as ledger
from marketplace.ledger.models import Transfer
from marketplace.wallet import books, deposits, disputes, refunds
from marketplace.wallet.gateway import DisputeFact, Payment, RefundFact
from tests.races.rig import race, tally
from tests.wallet.conftest import in_the_books, suspense

pytestmark = pytest.mark.django_db(transaction=True)
STRAY = Payment("pi_1", "succeeded", 4_200, "usd", "", 4_200, 152)


def book() -> None:
    books.book_once("processor", "suspense", 500, kind=ledger.Kind.SUSPENSE, reference="pi_1:credit")


def test_it_works(db):
    book()
    book()
    assert suspense() == 500


@pytest.fixture
def unseen(monkeypatch):
    """The first look at a fact does not find it: another worker books it right afterwards."""
    look = ledger.is_booked
    seen: set[str] = set()

    def is_booked(reference: str) -> bool:
        if reference not in seen:
            seen.add(reference)
            return False
        return look(reference)

    def forget(*, but: str = "") -> None:
        seen.clear()
        seen.add(but)
        monkeypatch.setattr(ledger, "is_booked", is_booked)

    return forget


def test_what_another_worker_booked_meanwhile_is_done(db, unseen):
    book()
    unseen()
    book()
    assert suspense() == 500


def test_control_without_a_second_look_it_fails(db):
    book()
    with pytest.raises(IntegrityError):
        ledger.transfer("processor", "suspense", 500, kind=ledger.Kind.SUSPENSE, reference="pi_1:credit")


def test_another_failure_is_told(db, unseen):
    unseen()
    with pytest.raises(IntegrityError):
        books.book_once("processor", "processor", 500, kind=ledger.Kind.SUSPENSE, reference="pi_1:credit")
    assert not Transfer.objects.exists()


FACTS = {
    "payment": lambda: deposits.settle(STRAY),
    "refund": lambda: refunds.apply_refund(RefundFact("re_1", "pi_1", 1_000, "usd", "failed", 1_000)),
    "dispute": lambda: disputes.apply_dispute(DisputeFact("du_1", "pi_1", 700, "won", 700, 1_500, 700, 1_500)),
}


@pytest.mark.parametrize("fact", FACTS)
def test_of_money_of_no_deposit(owner, unseen, fact):
    deposits.settle(STRAY)
    FACTS[fact]()
    booked = Transfer.objects.count()
    unseen(but="" if fact == "payment" else "pi_1:credit")
    FACTS[fact]()
    assert Transfer.objects.count() == booked
    assert (suspense(), in_the_books("processor_fees")) == (4_200, 152)


@pytest.mark.postgresql
def test_two_workers_at_the_same_moment(owner, monkeypatch):
    """On SQLite they stand in line from the start."""
    look = ledger.is_booked
    both_have_looked = threading.Barrier(2)

    def is_booked(reference: str) -> bool:
        found = look(reference)
        if not found and reference.endswith(":credit"):
            both_have_looked.wait(10)
        return found

    monkeypatch.setattr(ledger, "is_booked", is_booked)
    assert tally(race([lambda: deposits.settle(STRAY)] * 2)) == {"ok": 2}
    assert (suspense(), in_the_books("processor_fees")) == (4_200, 152)
