"""Putting a member's money right by two people."""

import pytest
from django.db import IntegrityError, transaction

from marketplace.core.two_people import AlreadyDecided, SamePerson
from marketplace.ledger import adjustments, checks
from marketplace.ledger import services as ledger
from marketplace.ledger.models import Adjustment, Transfer
from marketplace.mail.models import OutgoingEmail
from tests.people import make_member

pytestmark = pytest.mark.django_db


@pytest.fixture
def maker():
    return make_member("Mia", is_staff=True)


@pytest.fixture
def checker():
    return make_member("Chen", is_staff=True)


def ask(maker, owner, kind, cents):
    return adjustments.ask(maker, owner, kind, cents=cents, reason="Counted twice by the bank.")


def owe(user, cents):
    with transaction.atomic():
        wallet = ledger.lock(user.pk)
        ledger.take_out(wallet, "processor", wallet.cash + cents, kind="suspense", reference=f"test:owes:{cents}")


@pytest.mark.parametrize(
    ("kind", "cents", "after"),
    [
        ("goodwill", 500, (100_000, 500, 0)),
        ("put_in", 500, (100_500, 0, 0)),
        ("take_out", 500, (99_500, 0, 0)),
        ("take_out", 100_000, (0, 0, 0)),
    ],
)
def test_it_works(alice, maker, checker, kind, cents, after):
    adjustment = ask(maker, alice, kind, cents)
    assert ledger.wallet_of(alice.pk).cash == 100_000, "nothing moves before it is approved"
    adjustments.approve(checker, adjustment)
    wallet = ledger.wallet_of(alice.pk)
    assert (wallet.cash, wallet.bonus, wallet.owed) == after
    mail = OutgoingEmail.objects.get(key=f"adjustment:{adjustment.public_id}")
    assert (mail.user, mail.category) == (alice, "receipt")
    assert list(checks.findings()) == []


def test_a_debt_is_written_off(alice, maker, checker):
    owe(alice, 700)
    adjustments.approve(checker, ask(maker, alice, "write_off", 300))
    assert ledger.wallet_of(alice.pk).owed == 400
    adjustments.approve(checker, ask(maker, alice, "write_off", 400))
    assert ledger.wallet_of(alice.pk).owed == 0
    assert list(checks.findings()) == []


def test_money_put_in_repays_first(alice, maker, checker):
    owe(alice, 700)
    adjustments.approve(checker, ask(maker, alice, "put_in", 1000))
    wallet = ledger.wallet_of(alice.pk)
    assert (wallet.cash, wallet.owed) == (300, 0)


@pytest.mark.parametrize(
    ("kind", "words"), [("take_out", r"\$1,000.00 of their own money is on"), ("write_off", r"\$700.00 is owed")]
)
def test_never_more_than_there_is(alice, bob, maker, checker, kind, words):
    owner = alice if kind == "take_out" else bob
    if owner is bob:
        owe(bob, 700_00)
    there = 1_000_00 if kind == "take_out" else 700_00
    with pytest.raises(adjustments.NotThatMuch, match=f"{words}.*Nothing was asked for"):
        ask(maker, owner, kind, there + 1)
    first, second = ask(maker, owner, kind, there), ask(maker, owner, kind, 1)
    adjustments.approve(checker, first)
    with pytest.raises(adjustments.NotThatMuch, match="Nothing was changed"):
        adjustments.approve(checker, second)
    second.refresh_from_db()
    assert second.is_waiting, "nothing is decided, it can still be declined"
    adjustments.decline(checker, second, answer="There is less.")


def test_one_request_has_its_limit(alice, maker):
    ask(maker, alice, "put_in", adjustments.MOST)
    with pytest.raises(adjustments.TooMuch, match=r"\$10,000.00"):
        ask(maker, alice, "put_in", adjustments.MOST + 1)


def test_twice_is_once(alice, maker, checker):
    adjustment = ask(maker, alice, "goodwill", 500)
    adjustments.approve(checker, adjustment)
    with pytest.raises(AlreadyDecided):
        adjustments.approve(checker, Adjustment.objects.get())
    assert Transfer.objects.filter(kind="adjustment").count() == 1


def test_nobody_adjusts_their_own(alice, maker, checker):
    with pytest.raises(SamePerson):
        ask(alice, alice, "goodwill", 500)
    adjustment = ask(maker, alice, "goodwill", 500)
    for person in (maker, alice):
        with pytest.raises(SamePerson):
            adjustments.approve(person, adjustment)
    with pytest.raises(IntegrityError, match="their_own"), transaction.atomic():
        Adjustment.objects.update(maker=alice)


@pytest.mark.parametrize("cents", [0, -5, 10**13])
def test_no_odd_amounts(alice, maker, cents):
    with pytest.raises(ValueError, match="cents"):
        ask(maker, alice, "goodwill", cents)
    with pytest.raises(TypeError):
        ask(maker, alice, "goodwill", 0.5)


def test_the_check_finds_what_does_not_fit(alice, maker, checker):
    adjustments.approve(checker, ask(maker, alice, "goodwill", 500))
    Adjustment.objects.update(amount_cents=400)
    assert "what was approved is not what was moved" in " ".join(checks.findings())
    Adjustment.objects.update(amount_cents=500, state="declined")
    assert "no approved adjustment explains it" in " ".join(checks.findings())
