"""One service function is one transaction, tried again when the database asks for it."""

import threading
from types import SimpleNamespace

import pytest
from django.db import IntegrityError, OperationalError, transaction

from marketplace.core import transactions
from marketplace.core.models import Heartbeat
from marketplace.core.refusals import Busy
from marketplace.core.transactions import in_transaction
from marketplace.ledger import services as ledger
from tests.races.rig import race

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def naps(monkeypatch):
    taken: list[float] = []
    monkeypatch.setattr(transactions.time, "sleep", taken.append)
    return taken


def test_it_works(naps):
    @in_transaction
    def verb():
        assert transaction.get_connection().in_atomic_block
        return "done"

    assert verb() == "done"
    assert naps == []


def locked(times):
    calls = []

    @in_transaction
    def verb():
        calls.append(1)
        Heartbeat.objects.create(at="2026-01-01T00:00Z")
        if len(calls) <= times:
            raise OperationalError("database is locked")

    return verb


def test_a_locked_database_is_tried_again(naps):
    locked(3)()
    assert Heartbeat.objects.count() == 1
    assert len(naps) == 3
    assert all(0.01 <= nap <= 0.2 for nap in naps)


def test_after_four_times_it_gives_up_and_nothing_is_written():
    with pytest.raises(Busy) as caught:
        locked(4)()
    assert Heartbeat.objects.count() == 0
    assert (caught.value.status, caught.value.retry_after) == (503, 2)


def test_who_waited_long_is_told_so_instead_of_waiting_again(monkeypatch, naps):
    seconds = iter([100.0, 101.4, 101.6])
    monkeypatch.setattr(transactions, "time", SimpleNamespace(monotonic=lambda: next(seconds), sleep=naps.append))
    with pytest.raises(Busy):
        locked(4)()
    assert len(naps) == 1


@pytest.mark.postgresql
def test_a_lock_that_is_never_given_back_costs_seconds(alice):
    """The settings let a lock be waited for 2 seconds; four tries of five made twenty."""
    held, done = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            ledger.lock(alice.pk)
            held.set()
            done.wait(30)

    @in_transaction
    def wait():
        ledger.lock(alice.pk)

    def ask():
        held.wait(10)
        try:
            wait()
        finally:
            done.set()

    holder, waiter = race([hold, ask])
    assert (holder.kind, waiter.kind) == ("ok", "Busy")
    assert waiter.seconds < 8


def test_other_errors_are_not_tried_again(naps):
    @in_transaction
    def verb():
        Heartbeat.objects.create(id=2, at="2026-01-01T00:00Z")

    with pytest.raises(IntegrityError):
        verb()
    assert naps == []


def test_inside_a_transaction_only_the_outermost_starts_again(naps):
    with pytest.raises(OperationalError), transaction.atomic():
        locked(1)()
    assert naps == []
