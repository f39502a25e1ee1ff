"""Every comparison of the wallet with the books finds what it is for."""

import re
from datetime import timedelta

import pytest
from django.core.management import call_command

from marketplace.core import clock
from marketplace.ledger import services as ledger
from marketplace.ledger.models import Transfer
from marketplace.wallet import checks, deposits, disputes, refunds, suspense
from marketplace.wallet.gateway import DisputeFact, Payment, RefundFact
from marketplace.wallet.models import Deposit, Dispute, Refund, UnexplainedPayment
from tests.guards import lifted
from tests.people import make_bob, make_member

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _books_are_sound() -> None:
    """Not in this file."""


@pytest.fixture
def life(buyer) -> Deposit:
    """A deposit of $100.00 with a refund, one that came back, and a dispute that was won."""
    now = clock.now()
    deposit = Deposit.objects.create(
        buyer=buyer, amount_cents=10_000, created_at=now, expires_at=now + timedelta(minutes=35)
    )
    deposits.settle(Payment("pi_1", "succeeded", 10_000, "usd", deposit.public_id, 10_000, 320))
    refunds.apply_refund(RefundFact("re_1", "pi_1", 1_000, "usd", "succeeded", 1_000))
    refunds.apply_refund(RefundFact("re_2", "pi_1", 500, "usd", "failed", 500))
    disputes.apply_dispute(DisputeFact("du_1", "pi_1", 2_000, "won", 2_000, 1_500, 2_000))
    return deposit


def test_it_works(life):
    assert list(checks.findings()) == []


def test_money_in_suspense_and_out_of_it(life, owner):
    deposits.settle(Payment("pi_2", "succeeded", 700, "usd", "", 700, 0))
    refunds.apply_refund(RefundFact("re_9", "pi_2", 200, "usd", "succeeded", 200))
    assert list(checks.findings()) == []
    suspense.approve(
        make_member("Dana", is_superuser=True),
        suspense.ask(owner, UnexplainedPayment.objects.get(), member=life.buyer, reason="It is theirs"),
    )
    assert list(checks.findings()) == []


def amount_of(reference: str, cents: int) -> None:
    Transfer.objects.filter(reference=reference).update(amount=cents)


def to_bob(reference: str) -> None:
    wallet = ledger.lock(make_bob().pk)
    Transfer.objects.filter(reference=reference).update(credit=wallet.cash_id)


def unexplained(**values: int) -> None:
    deposits.settle(Payment("pi_2", "succeeded", 700, "usd", "", 700, 0))
    UnexplainedPayment.objects.update(**values)


FAULTS = {
    "deposit {}: what it received is not what was credited": lambda: amount_of("pi_1:credit", 9_999),
    "deposit {}: paid without money, or money without being paid": lambda: Deposit.objects.update(state="expired"),
    "refund {}: what left is not what was refunded": lambda: amount_of("re_1:out", 1),
    "refund {}: what came back is not what did not arrive": lambda: Refund.objects.update(state="failed"),
    "dispute {}: what was withdrawn is neither nothing nor what is disputed": lambda: amount_of("du_1:withdrawn", 1),
    "dispute {}: more came back than was withdrawn": lambda: amount_of("du_1:reinstated", 2_001),
    "dispute {}: of another member than its deposit": lambda: Dispute.objects.update(buyer=make_bob()),
    "unexplained payment {}: what was received or given away is not what was booked": lambda: unexplained(
        received_cents=800, returned_cents=100
    ),
    "suspense: {} cents more than is left of the unexplained payments": lambda: unexplained(returned_cents=1),
    "transfer {}: no deposit, refund or dispute explains it": lambda: Dispute.objects.all().delete(),
    "transfer {}: moves the money of another member": lambda: to_bob("pi_1:credit"),
}


@pytest.mark.parametrize("sentence", FAULTS)
def test_each_finds_its_fault(life, sentence):
    with lifted():
        FAULTS[sentence]()
    words = re.sub(r"^.*\{\}:? ", "", sentence)
    assert any(finding.startswith("wallet: ") and finding.endswith(words) for finding in checks.findings())


def test_none_is_left_out():
    assert set(FAULTS) == set(checks._QUERIES)


MISSING = {
    "pi_1:credit": "deposit",
    "re_1:out": "refund",
    "re_2:back": "refund",
    "du_1:withdrawn": "dispute",
}


@pytest.mark.parametrize("reference", MISSING)
def test_a_movement_that_is_missing_is_found(life, reference):
    with lifted():
        Transfer.objects.filter(reference=reference).delete()
    (finding,) = checks.findings()
    assert finding.startswith(f"wallet: {MISSING[reference]} ")


@pytest.mark.parametrize("fact", ["pi_9:credit", "re_9:out", "re_9:back", "du_9:withdrawn", "du_9:reinstated"])
def test_a_movement_nobody_knows_is_found(life, fact):
    kinds = {"credit": "deposit", "out": "refund", "back": "refund", "withdrawn": "dispute", "reinstated": "reinstated"}
    wallet = ledger.lock(life.buyer_id)
    ledger.transfer("processor", wallet.cash_id, 5, kind=kinds[fact.partition(":")[2]], reference=fact)
    booked = Transfer.objects.latest("id")
    assert list(checks.findings()) == [f"wallet: transfer {booked.pk}: no deposit, refund or dispute explains it"]


def test_ledger_check_asks_for_them(life, capsys):
    with lifted():
        Transfer.objects.filter(reference="re_1:out").delete()
    with pytest.raises(SystemExit):
        call_command("ledger_check")
    assert f"wallet: refund {Refund.objects.get(processor_id='re_1').pk}: " in capsys.readouterr().out
