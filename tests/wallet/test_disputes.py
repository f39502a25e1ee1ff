"""Payments their bank takes back: what is not there any more is owed, and nobody's cash goes below zero."""

import itertools

import pytest

from marketplace.mail.models import OutgoingEmail
from marketplace.purchases.services import BuyingStopped, buy_lead, new_key
from marketplace.wallet import deposits, disputes
from marketplace.wallet.gateway import DisputeFact, Payment
from marketplace.wallet.models import Dispute
from tests.stock import make_lead
from tests.wallet.conftest import alerts, balance, in_the_books, spend, suspense

pytestmark = pytest.mark.django_db
FEE = 1_500


def may_buy(buyer) -> bool:
    lead = make_lead(price_cents=100)
    try:
        buy_lead(buyer, lead, price_seen=100, key=new_key())
    except BuyingStopped:
        return False
    return True


def told() -> set[str]:
    keys = OutgoingEmail.objects.filter(key__startswith="dispute-").values_list("key", flat=True)
    return {f"{key.split(':')[0]}{'-' + key.split(':')[2] if key.count(':') == 2 else ''}" for key in keys}


@pytest.mark.django_db(transaction=True)
def test_it_works(site, buyer):
    deposit, intent = site.funded(buyer)
    dispute = site.processor.open_dispute(intent)
    site.hear(times=2)
    row = Dispute.objects.get()
    assert (row.deposit, row.buyer, row.amount_cents, row.state) == (deposit, buyer, 10_000, "needs_response")
    assert (balance(buyer), row.is_open) == (0, True)
    assert in_the_books("dispute_fees") == FEE
    assert not may_buy(buyer)
    site.processor.close_dispute(dispute["id"], "won")
    site.hear(times=2)
    assert (balance(buyer), Dispute.objects.get().is_open) == (10_000, False)
    assert may_buy(buyer)
    assert told() == {"dispute-opened", "dispute-closed-won"}


def test_lost(site, buyer):
    _, intent = site.funded(buyer)
    dispute = site.processor.open_dispute(intent)
    site.processor.update_dispute(dispute["id"])
    site.hear()
    assert Dispute.objects.get().state == "under_review"
    site.processor.close_dispute(dispute["id"], "lost")
    site.hear()
    site.look_again()
    assert (balance(buyer), Dispute.objects.get().state) == (0, "lost")
    assert told() == {"dispute-opened", "dispute-closed-lost"}


def test_after_the_money_is_spent_it_is_owed_and_repaid_first(site, buyer):
    _, intent = site.funded(buyer)
    spend(buyer, 9_000)
    dispute = site.processor.open_dispute(intent)
    site.hear()
    assert balance(buyer) == -9_000
    site.processor.close_dispute(dispute["id"], "lost")
    site.hear()
    assert not may_buy(buyer)  # the dispute is over, the debt is not
    site.funded(buyer, 5_000)
    assert balance(buyer) == -4_000
    assert not may_buy(buyer)
    site.funded(buyer, 5_000)
    assert balance(buyer) == 1_000
    assert may_buy(buyer)


def test_won_after_the_money_is_spent(site, buyer):
    _, intent = site.funded(buyer)
    spend(buyer, 9_000)
    dispute = site.processor.open_dispute(intent)
    site.hear()
    site.processor.close_dispute(dispute["id"], "won")
    site.hear(seed=1)
    assert balance(buyer) == 1_000
    assert may_buy(buyer)


def test_reinstated_is_told_before_withdrawn(site, buyer):
    _, intent = site.funded(buyer)
    dispute = site.processor.open_dispute(intent)
    site.processor.close_dispute(dispute["id"], "won")
    site.hear("charge.dispute.funds_reinstated")
    site.hear("charge.dispute.funds_withdrawn", "charge.dispute.created", "charge.dispute.closed")
    assert balance(buyer) == 10_000
    assert not Dispute.objects.get().is_open


def test_told_before_its_payment(site, buyer):
    deposit = site.start(buyer)
    intent = site.pay(deposit)
    site.processor.open_dispute(intent)
    site.hear("charge.dispute.created")
    site.hear(times=2)
    assert balance(buyer) == 0
    assert Dispute.objects.filter(buyer=buyer, is_open=True).exists()


def test_a_question_of_the_bank_moves_and_stops_nothing(site, buyer):
    _, intent = site.funded(buyer)
    inquiry = site.processor.open_dispute(intent, withdraw=False)
    site.processor.update_dispute(inquiry["id"], "warning_under_review")
    site.hear()
    assert (balance(buyer), Dispute.objects.get().is_open) == (10_000, False)
    assert may_buy(buyer)
    site.processor.close_dispute(inquiry["id"], "warning_closed")
    site.hear()
    assert (balance(buyer), Dispute.objects.get().state) == (9_900, "warning_closed")
    assert told() == set()


def test_a_question_that_becomes_a_dispute(site, buyer):
    _, intent = site.funded(buyer)
    inquiry = site.processor.open_dispute(intent, withdraw=False)
    site.hear()
    site.processor.withdraw_funds(inquiry["id"])
    site.hear()
    assert (balance(buyer), Dispute.objects.get().is_open) == (0, True)
    assert told() == {"dispute-opened"}


def test_part_of_a_payment(site, buyer):
    _, intent = site.funded(buyer)
    site.processor.open_dispute(intent, 4_000)
    site.hear()
    assert balance(buyer) == 6_000


def test_beside_a_refund(site, buyer):
    _, intent = site.funded(buyer)
    site.processor.refund(intent, 4_000)
    site.processor.open_dispute(intent, 6_000)
    site.hear(times=2, seed=9)
    assert balance(buyer) == 0


def test_over_money_in_suspense(site, buyer, owner):
    intent = site.processor.stray_payment(4_200)["id"]
    dispute = site.processor.open_dispute(intent)
    site.hear(times=2, seed=2)
    assert suspense() == 0
    site.processor.close_dispute(dispute["id"], "won")
    site.hear(times=2)
    assert suspense() == 4_200
    assert f"suspense-dispute:{dispute['id']}" in alerts()


def test_over_money_in_another_currency(site, buyer, owner):
    site.processor.faults.receive(currency="eur")
    intent = site.pay(site.start(buyer))
    site.hear()
    dispute = site.processor.open_dispute(intent)
    site.hear()
    assert (balance(buyer), suspense()) == (0, 0)
    assert f"suspense-dispute:{dispute['id']}" in alerts()


STATES = ["warning_needs_response", "needs_response", "under_review", "lost", "won"]


@pytest.mark.parametrize("earlier", list(itertools.combinations(STATES, 2)))
def test_states_only_rise(site, buyer, earlier):
    """A worker that looked earlier and writes later does not stop buying again."""
    lower, higher = earlier
    _, intent = site.funded(buyer)
    for state in (higher, lower):
        disputes.apply_dispute(DisputeFact("du_1", intent, 10_000, state, 0, 0, 0))
    assert Dispute.objects.get().state == higher
    assert Dispute.objects.get().is_open == (higher in {"needs_response", "under_review"})


@pytest.mark.parametrize("state", ["appeal_needs_response", "appeal_under_review", "prevented"])
def test_what_stops_nothing(site, buyer, state):
    _, intent = site.funded(buyer)
    disputes.apply_dispute(DisputeFact("du_1", intent, 10_000, "lost", 0, 0, 0))
    disputes.apply_dispute(DisputeFact("du_1", intent, 10_000, state, 0, 0, 0))
    assert not Dispute.objects.filter(buyer=buyer, is_open=True).exists()


def test_a_state_we_do_not_know_stops_buying(site, buyer):
    _, intent = site.funded(buyer)
    disputes.apply_dispute(DisputeFact("du_1", intent, 10_000, "something_new", 0, 0, 0))
    assert Dispute.objects.filter(buyer=buyer, is_open=True).exists()


def test_a_fee_that_is_given_back(db):
    deposits.settle(Payment("pi_1", "succeeded", 1, "usd", "", 1, 0))
    fact = DisputeFact("du_1", "pi_1", 1, "won", 1, FEE, 1, fee_returned=FEE)
    for _ in range(2):
        disputes.apply_dispute(fact)
    assert in_the_books("dispute_fees") == 0
