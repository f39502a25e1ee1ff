"""Two people approve at the same moment, and somebody looks at details twice at once. Each race has its control."""

import inspect

import pytest
from django.db import connection, transaction

from accounts import services as accounts
from marketplace.core import two_people
from marketplace.core.ids import new_id
from marketplace.ledger import services as ledger
from marketplace.ledger.models import Transfer
from marketplace.purchases import crediting
from marketplace.purchases import services as purchases
from marketplace.purchases.services import buy_lead
from privacy.vault import reveals
from privacy.vault.models import MoreReveals, Reveal
from tests.people import make_alice, make_member
from tests.races.rig import assert_sound, race, tally
from tests.races.test_working_race import careless
from tests.stock import make_lead

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]
RACERS = 10


def check_booked_once(cents: int = 400) -> None:
    alice, maker = make_alice(10_000), make_member("Mia")
    checkers = [make_member(f"Checker{number}") for number in range(RACERS)]
    purchase = buy_lead(alice, make_lead(price_cents=1000), price_seen=1000, key=new_id())
    credit = crediting.ask(maker, purchase, cents=cents, problem="goodwill", reason="Sorry.")
    results = race([lambda checker=checker: crediting.approve(checker, credit) for checker in checkers])
    assert tally(results) == {"ok": 1, "AlreadyDecided": RACERS - 1}
    assert Transfer.objects.filter(kind="credit").count() == 1
    assert ledger.wallet_of(alice.pk).cash == 9_000 + cents
    assert_sound()


def test_a_credit_is_booked_once():
    check_booked_once()


def test_control_without_the_guard_of_the_decision_the_same_check_is_red(monkeypatch):
    loose = careless(two_people._end, "pk=request.pk, state=TwoPeople.State.ASKED", "pk=request.pk")
    monkeypatch.setattr(two_people, "_end", loose)
    with pytest.raises(AssertionError):
        check_booked_once()


def check_never_above_the_price() -> None:
    """Ten people ask at the same moment for the whole price of the same purchase."""
    alice = make_alice(10_000)
    makers = [make_member(f"Maker{number}") for number in range(RACERS)]
    purchase = buy_lead(alice, make_lead(price_cents=1000), price_seen=1000, key=new_id())
    results = race(
        [
            lambda m=maker: crediting.ask(m, purchase, cents=1000, problem="goodwill", reason="Sorry.")
            for maker in makers
        ]
    )
    assert tally(results) == {"ok": 1, "MoreThanPaid": RACERS - 1}


def test_the_price_is_asked_for_once():
    check_never_above_the_price()


@pytest.mark.postgresql  # SQLite has one writer at a time anyway
def test_control_without_the_lock_the_price_is_asked_for_again(monkeypatch):
    monkeypatch.setattr(crediting, "ask", careless(crediting.ask, "select_for_update(no_key=True).", ""))
    with pytest.raises(AssertionError):
        check_never_above_the_price()


def check_looks_are_counted() -> None:
    staff = make_member("Charlie", is_staff=True)
    looks = [
        lambda lead=f"lead{number}": reveals.reveal(staff, "lead", lead, reason="Called.", read=lambda: True)
        for number in range(RACERS)
    ]
    results = race(looks)
    assert tally(results) == {"ok": 3, "TooManyReveals": RACERS - 3}
    assert Reveal.objects.count() == 3


def test_looks_at_the_same_moment_are_all_counted(monkeypatch):
    monkeypatch.setattr(reveals, "ALONE", 3)
    check_looks_are_counted()


@pytest.mark.postgresql
def test_control_without_the_lock_more_looks_get_through(monkeypatch):
    monkeypatch.setattr(reveals, "ALONE", 3)
    lock = "get_user_model().objects.select_for_update(no_key=True).get(pk=staff.pk)"
    monkeypatch.setattr(reveals, "_record", careless(reveals._record, lock, "pass"))
    with pytest.raises(AssertionError):
        check_looks_are_counted()


def check_asked_for_once() -> None:
    """The same person asks in ten windows at the same moment."""
    staff = make_member("Charlie", is_staff=True)
    results = race([lambda: reveals.ask_for_more(staff, reason="A bad file.", key=new_id())] * RACERS)
    assert tally(results) == {"ok": RACERS}
    assert len({result.value.pk for result in results}) == 1
    assert MoreReveals.objects.count() == 1


def test_more_looks_are_asked_for_once():
    check_asked_for_once()


@pytest.mark.postgresql
def test_control_without_the_constraint_they_are_asked_for_again():
    asked_once = next(one for one in MoreReveals._meta.constraints if one.name == "vault_more_reveals_asked_once")
    with connection.schema_editor() as editor:
        editor.remove_constraint(MoreReveals, asked_once)
    try:
        with pytest.raises(AssertionError):
            check_asked_for_once()
    finally:
        MoreReveals.objects.all().delete()
        with connection.schema_editor() as editor:
            editor.add_constraint(MoreReveals, asked_once)


def test_nobody_buys_once_they_are_stopped():
    """Support stops a buyer while they press: whoever comes first, no order is later than the stop."""
    alice = make_alice(100_000)
    leads = [make_lead(price_cents=500) for _ in range(RACERS)]

    def stop() -> None:
        with transaction.atomic():
            ledger.lock(alice.pk)
            accounts.stop_buying(alice)

    jobs = [lambda lead=lead: buy_lead(alice, lead, price_seen=500, key=new_id()) for lead in leads]
    results = race([*jobs[: RACERS // 2], stop, *jobs[RACERS // 2 :]])
    assert set(tally(results)) <= {"ok", "BuyingStopped"}
    with pytest.raises(purchases.BuyingStopped):
        buy_lead(alice, make_lead(price_cents=500), price_seen=500, key=new_id())
    assert_sound()
    assert inspect.getsource(purchases.buy_leads).index("ledger.lock") < inspect.getsource(purchases.buy_leads).index(
        "_refuse_if_stopped"
    ), "lock first, then look"
