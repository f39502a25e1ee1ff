"""Giving back what a lead cost: asked for by one, approved by another, booked once, never above the price."""

import pytest
from django.db import IntegrityError, transaction

from marketplace.core.ids import new_id
from marketplace.core.two_people import AlreadyDecided, SamePerson
from marketplace.ledger import adjustments, statement
from marketplace.ledger import services as ledger
from marketplace.ledger.models import Transfer
from marketplace.mail.models import OutgoingEmail
from marketplace.purchases import crediting
from marketplace.purchases.checks import findings
from marketplace.purchases.models import Credit, Purchase
from marketplace.purchases.services import buy_lead
from tests.people import make_member
from tests.races.rig import assert_sound
from tests.stock import make_lead

pytestmark = pytest.mark.django_db
REASON = "Number out of service, tried twice."


@pytest.fixture
def maker():
    return make_member("Mia", is_staff=True)


@pytest.fixture
def checker():
    return make_member("Chen", is_staff=True)


def buy(buyer, cents=1000):
    return buy_lead(buyer, make_lead(price_cents=cents), price_seen=cents, key=new_id())


def ask(maker, purchase, cents, code="bad_number", *, more=True):
    return crediting.ask(maker, purchase, cents=cents, problem=code, reason=REASON, more=more)


def grant(maker, checker, owner, cents):
    adjustments.approve(checker, adjustments.ask(maker, owner, "goodwill", cents=cents, reason="Sorry."))


def test_it_works(alice, maker, checker):
    purchase = buy(alice)
    credit = ask(maker, purchase, 400)
    assert ledger.wallet_of(alice.pk).cash == 99_000, "nothing moves before it is approved"
    crediting.approve(checker, credit)
    purchase.refresh_from_db()
    assert ledger.wallet_of(alice.pk).cash == 99_400
    assert purchase.credited_cents == 400
    mail = OutgoingEmail.objects.get(key=f"credit:{credit.public_id}")
    assert (mail.user, mail.category) == (alice, "receipt")
    entry = next(iter(statement.entries(alice.pk)))
    assert (entry.kind, entry.delta) == ("credit", 400)
    assert_sound()


def test_the_whole_price_in_parts(alice, maker, checker):
    purchase = buy(alice)
    for cents in (400, 600):
        crediting.approve(checker, ask(maker, purchase, cents))
    with pytest.raises(crediting.MoreThanPaid) as refusal:
        ask(maker, purchase, 1)
    assert refusal.value.left == 0
    assert ledger.wallet_of(alice.pk).cash == 100_000
    assert_sound()


def test_what_waits_counts(alice, maker):
    purchase = buy(alice)
    ask(maker, purchase, 700)
    with pytest.raises(crediting.MoreThanPaid) as refusal:
        ask(maker, purchase, 301)
    assert refusal.value.left == 300
    assert "$3.00" in refusal.value.message
    assert ask(maker, purchase, 300).is_waiting


@pytest.mark.parametrize("is_approved", [False, True])
def test_who_does_not_know_of_an_earlier_one_is_told(alice, bob, maker, checker, is_approved):
    purchase = buy(alice)
    first = ask(maker, purchase, 300, more=False)
    if is_approved:
        crediting.approve(checker, first)
    with pytest.raises(crediting.AskedBefore):
        ask(checker, purchase, 300, "goodwill", more=False)
    assert ask(checker, purchase, 300, more=True).is_waiting
    assert ask(checker, buy(bob), 300, more=False).is_waiting, "another purchase"


def test_a_declined_one_is_no_earlier_one(alice, maker, checker):
    purchase = buy(alice)
    crediting.decline(checker, ask(maker, purchase, 300), answer="A person answered.")
    assert ask(maker, purchase, 300, more=False).is_waiting


@pytest.mark.parametrize("cents", [0, -1, 1001])
def test_no_odd_amounts(alice, maker, cents):
    with pytest.raises((ValueError, crediting.MoreThanPaid)):
        ask(maker, buy(alice), cents)
    with pytest.raises(TypeError):
        ask(maker, buy(alice), 1.5)
    assert not Credit.objects.exists()


def test_a_declined_one_moves_nothing_and_frees_its_part(alice, maker, checker):
    purchase = buy(alice)
    crediting.decline(checker, ask(maker, purchase, 1000), answer="A person answered.")
    assert ledger.wallet_of(alice.pk).cash == 99_000
    assert not OutgoingEmail.objects.filter(key__startswith="credit:").exists()
    assert crediting.left_of(purchase) == 1000


def test_approved_twice_is_booked_once(alice, maker, checker):
    credit = ask(maker, buy(alice), 1000)
    crediting.approve(checker, credit)
    for again in (credit, Credit.objects.get()):
        with pytest.raises(AlreadyDecided):
            crediting.approve(checker, again)
    assert Transfer.objects.filter(kind="credit").count() == 1
    assert ledger.wallet_of(alice.pk).cash == 100_000


def test_neither_maker_nor_buyer_approves(alice, maker, checker):
    credit = ask(maker, buy(alice), 1000)
    for person in (maker, alice):
        with pytest.raises(SamePerson):
            crediting.approve(person, credit)
    with pytest.raises(SamePerson):
        ask(alice, buy(alice), 1)
    assert Credit.objects.get().is_waiting
    assert ledger.wallet_of(alice.pk).cash == 98_000


def test_promotional_credit_comes_back_as_such(maker, checker):
    """Else it would turn into money that can be taken out."""
    buyer = make_member("Bea", cents=300)
    grant(maker, checker, buyer, 700)
    purchase = buy(buyer)
    crediting.approve(checker, ask(maker, purchase, 500))
    wallet = ledger.wallet_of(buyer.pk)
    assert (wallet.cash, wallet.bonus) == (300, 200)
    crediting.approve(checker, ask(maker, purchase, 500))
    wallet = ledger.wallet_of(buyer.pk)
    assert (wallet.cash, wallet.bonus) == (300, 700)
    assert_sound()


def test_it_repays_first_what_is_owed(alice, maker, checker):
    purchase = buy(alice)
    with transaction.atomic():
        ledger.take_out(ledger.lock(alice.pk), "processor", 99_300, kind="suspense", reference="test:taken")
    assert ledger.wallet_of(alice.pk).owed == 300
    crediting.approve(checker, ask(maker, purchase, 1000))
    wallet = ledger.wallet_of(alice.pk)
    assert (wallet.owed, wallet.cash) == (0, 700)


def test_the_database_refuses_more_than_the_price(alice):
    purchase = buy(alice)
    with pytest.raises(IntegrityError, match="above_the_price"), transaction.atomic():
        Purchase.objects.filter(pk=purchase.pk).update(credited_cents=1001)


def test_the_check_finds_what_does_not_fit(alice, maker, checker):
    credit = ask(maker, buy(alice), 400)
    crediting.approve(checker, credit)
    assert list(findings()) == []
    Purchase.objects.update(credited_cents=300)
    assert "what was credited is not what its credits moved" in " ".join(findings())
    Purchase.objects.update(credited_cents=400)
    Credit.objects.update(state="taken_back", checker=None)
    assert "without an approved credit" in " ".join(findings())


def test_the_statement_says_what_for(as_alice, alice, maker, checker):
    purchase = buy(alice)
    crediting.approve(checker, ask(maker, purchase, 400))
    page = as_alice.get("/wallet/").text
    assert "Credited: Auto insurance, Columbus OH" in page
    assert f"/my-leads/{purchase.public_id}/" in page


def test_the_lead_says_what_came_back(as_alice, alice, maker, checker):
    purchase = buy(alice)
    assert "came back" not in as_alice.get(f"/my-leads/{purchase.public_id}/").text
    crediting.approve(checker, ask(maker, purchase, 400))
    assert "$4.00 of it came back" in as_alice.get(f"/my-leads/{purchase.public_id}/").text
