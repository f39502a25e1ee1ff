"""One asks, another decides, once. The database holds it whatever a verb forgets; seen here on credits."""

import pytest
from django.db import IntegrityError, transaction

from marketplace.core import clock
from marketplace.core.ids import new_id
from marketplace.core.two_people import AlreadyDecided, SamePerson, decide, take_back
from marketplace.purchases import crediting
from marketplace.purchases.models import Credit
from marketplace.purchases.services import buy_lead
from tests.people import make_member
from tests.stock import make_lead

pytestmark = pytest.mark.django_db
State = Credit.State


@pytest.fixture
def maker():
    return make_member("Mia")


@pytest.fixture
def checker():
    return make_member("Chen")


@pytest.fixture
def credit(alice, maker):
    purchase = buy_lead(alice, make_lead(price_cents=1000), price_seen=1000, key=new_id())
    return crediting.ask(maker, purchase, cents=400, problem="bad_number", reason="Rings through.")


def test_it_works(credit, checker):
    assert credit.is_waiting
    decide(credit, checker, State.DECLINED, answer="Called it, a person answered.")
    credit.refresh_from_db()
    assert (credit.state, credit.checker, credit.answer) == ("declined", checker, "Called it, a person answered.")
    assert credit.decided_at is not None
    assert not Credit.objects.waiting().exists()


def test_nobody_decides_their_own(credit, maker):
    for state in (State.APPROVED, State.DECLINED):
        with pytest.raises(SamePerson):
            decide(credit, maker, state)
    assert Credit.objects.get().is_waiting


def test_nobody_decides_what_is_about_them(credit, alice):
    for state in (State.APPROVED, State.DECLINED):
        with pytest.raises(SamePerson):
            decide(credit, alice, state)
    assert Credit.objects.get().is_waiting


def test_what_is_decided_stays_decided(credit, checker, maker):
    decide(credit, checker, State.DECLINED)
    for state in (State.APPROVED, State.DECLINED):
        with pytest.raises(AlreadyDecided):
            decide(credit, checker, state)
    with pytest.raises(AlreadyDecided):
        take_back(credit, maker)


def test_who_asked_may_take_it_back(credit, maker, checker):
    with pytest.raises(SamePerson):
        take_back(credit, checker)
    take_back(credit, maker)
    with pytest.raises(AlreadyDecided):
        decide(credit, checker, State.APPROVED)
    credit.refresh_from_db()
    assert credit.state == "taken_back"
    assert credit.checker is None


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        (lambda c: {"state": "approved", "checker": c.maker, "decided_at": clock.now()}, "two_people"),
        (lambda c: {"checker": c.maker}, "two_people|decided"),
        (lambda c: {"state": "approved", "decided_at": clock.now()}, "decided"),
        (lambda c: {"state": "declined"}, "decided"),
        (lambda c: {"state": "taken_back"}, "decided"),
        (lambda c: {"state": "done"}, "decided"),
        (lambda c: {"decided_at": clock.now()}, "decided"),
        (lambda c: {"maker": c.buyer}, "their_own"),
        (lambda c: {"state": "approved", "checker": c.buyer, "decided_at": clock.now()}, "their_own"),
        (lambda c: {"amount_cents": 0}, "something"),
        (lambda c: {"code": "because"}, "code_known"),
    ],
)
def test_the_database_refuses(credit, changes, constraint):
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Credit.objects.update(**changes(credit))
