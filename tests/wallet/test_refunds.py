"""Money back to a card, in full, in part, twice, in vain, and told before the payment."""

import pytest

from marketplace.core import clock
from marketplace.ledger.models import Transfer
from marketplace.mail.models import OutgoingEmail
from marketplace.wallet import checks, deposits, disputes, inbox, refunds
from marketplace.wallet.gateway import DisputeFact, Payment, RefundFact
from marketplace.wallet.models import Deposit, Refund
from tests.wallet.conftest import alerts, balance, in_the_books, spend, suspense

pytestmark = pytest.mark.django_db


def told(prefix: str) -> int:
    return OutgoingEmail.objects.filter(key__startswith=prefix).count()


@pytest.mark.django_db(transaction=True)
def test_it_works(site, buyer):
    deposit, intent = site.funded(buyer)
    refund = site.processor.refund(intent)
    site.hear(times=2)
    site.look_again()
    assert balance(buyer) == 0
    row = Refund.objects.get()
    assert (row.processor_id, row.deposit, row.amount_cents, row.state) == (refund["id"], deposit, 10_000, "succeeded")
    assert told("refund:") == 1


def test_in_two_parts(site, buyer):
    _, intent = site.funded(buyer)
    site.processor.refund(intent, 3_000)
    site.processor.refund(intent, 2_500)
    site.hear(seed=3)
    assert balance(buyer) == 4_500
    assert Refund.objects.count() == 2
    site.processor.refund(intent)
    site.hear()
    assert balance(buyer) == 0


def test_more_than_is_left_is_owed(site, buyer):
    _, intent = site.funded(buyer)
    spend(buyer, 6_000)
    site.processor.refund(intent)
    site.hear()
    assert balance(buyer) == -6_000


def test_one_that_fails_later_comes_back(site, buyer):
    _, intent = site.funded(buyer)
    refund = site.processor.refund(intent)
    site.hear()
    assert balance(buyer) == 0
    site.processor.fail_refund(refund["id"])
    site.hear(times=2, seed=5)
    site.look_again()
    assert balance(buyer) == 10_000
    assert Refund.objects.get().state == "failed"
    assert (told("refund:"), told("refund-failed:")) == (1, 1)


def test_one_that_failed_before_we_heard_of_it(site, buyer):
    _, intent = site.funded(buyer)
    site.processor.fail_refund(site.processor.refund(intent)["id"])
    site.hear(seed=2)
    assert balance(buyer) == 10_000
    assert (told("refund:"), told("refund-failed:")) == (0, 1)


def test_a_pending_one_counts_at_once(site, buyer):
    _, intent = site.funded(buyer)
    refund = site.processor.refund(intent, status="pending")
    site.hear()
    assert (balance(buyer), Refund.objects.get().state) == (0, "pending")
    site.processor.succeed_refund(refund["id"])
    site.hear()
    assert (balance(buyer), Refund.objects.get().state) == (0, "succeeded")


@pytest.mark.parametrize("type_", ["refund.created", "charge.refunded"])
def test_told_before_its_payment(site, buyer, type_):
    deposit = site.start(buyer)
    intent = site.pay(deposit)
    site.processor.refund(intent, 4_000)
    site.hear(type_)
    assert balance(buyer) == 6_000
    site.hear(times=2)
    assert balance(buyer) == 6_000


def test_of_a_bank_payment(site, buyer):
    deposit = site.start(buyer)
    intent = site.processor.async_payment(deposit.session_id)["id"]
    site.processor.async_succeeded(deposit.session_id)
    refund = site.processor.refund(intent, 1_000)
    assert refund["id"].startswith("pyr_")
    site.hear(seed=4)
    assert balance(buyer) == 9_000


def test_of_money_in_suspense(site, buyer, owner):
    intent = site.processor.stray_payment(4_200)["id"]
    site.hear()
    refund = site.processor.refund(intent, 1_200)
    site.hear(times=2)
    assert suspense() == 3_000
    site.processor.fail_refund(refund["id"])
    site.hear()
    site.look_again()
    assert suspense() == 4_200
    assert f"suspense-refund:{refund['id']}" in alerts()
    assert not Refund.objects.exists()


def test_of_money_in_suspense_told_before_its_payment(site, buyer, owner):
    intent = site.processor.stray_payment(4_200)["id"]
    site.processor.refund(intent)
    site.hear("charge.refunded")
    assert suspense() == 0
    assert in_the_books("processor_fees") > 0


def test_states_only_rise(site, buyer):
    """A worker that looked earlier and writes later changes nothing."""
    _, intent = site.funded(buyer)
    refund = site.processor.refund(intent, 5_000)
    site.processor.fail_refund(refund["id"])
    site.hear()
    for stale in ("pending", "succeeded"):
        refunds.apply_refund(RefundFact(refund["id"], intent, 5_000, "usd", stale, 5_000))
    assert (Refund.objects.get().state, balance(buyer)) == ("failed", 10_000)


def test_of_a_payment_nobody_knows(db, buyer):
    with pytest.raises(refunds.PaymentNotKnown):
        refunds.apply_refund(RefundFact("re_1", "pi_unknown", 100, "usd", "succeeded", 100))
    assert not Transfer.objects.exists()


@pytest.mark.parametrize(
    ("module", "book", "fact"),
    [
        (refunds, refunds.apply_refund, RefundFact("re_1", "pi_1", 4_000, "usd", "succeeded", 4_000)),
        (disputes, disputes.apply_dispute, DisputeFact("du_1", "pi_1", 4_000, "lost", 4_000, 0, 0)),
    ],
)
def test_of_a_payment_credited_a_moment_after_the_look(buyer, monkeypatch, module, book, fact):
    """It is the member's money that goes back, never that of suspense."""
    now = clock.now()
    deposit = Deposit.objects.create(buyer=buyer, amount_cents=10_000, created_at=now, expires_at=now)
    look = module.lock_payment

    payment = Payment("pi_1", "succeeded", 10_000, "usd", deposit.public_id, 10_000, 320)

    def credited_then(intent_id):
        found = look(intent_id)
        deposits.settle(payment)
        return found

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(module, "lock_payment", credited_then)
        with pytest.raises(refunds.PaymentNotKnown):
            book(fact)
    deposits.settle(payment)
    book(fact)
    assert (balance(buyer), suspense()) == (6_000, 0)
    assert list(checks.findings()) == []


def test_every_refund_of_a_charge_is_read_to_the_last_page(site, buyer):
    _, intent = site.funded(buyer, 500_000)
    for _ in range(101):
        site.processor.refund(intent, 10)
    charge = site.processor.get("payment_intent", intent)["latest_charge"]
    site.miss()
    inbox.apply("charge.refunded", charge)
    assert (Refund.objects.count(), balance(buyer)) == (101, 500_000 - 1_010)
