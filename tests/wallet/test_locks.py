"""Every verb that moves money takes its locks in one order: the deposit first, then the buyer's accounts."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from marketplace.core import clock
from marketplace.ledger import services as ledger
from marketplace.wallet import deposits, disputes, refunds
from marketplace.wallet.gateway import DisputeFact, Payment, RefundFact
from marketplace.wallet.models import Deposit

pytestmark = pytest.mark.django_db
PAID = Payment("pi_1", "succeeded", 10_000, "usd", "", 10_000, 320)
VERBS: dict[str, Callable[[Deposit], None]] = {
    "settle": lambda deposit: deposits.settle(replace(PAID, deposit_id=deposit.public_id)),
    "settle again": lambda deposit: deposits.settle(replace(PAID, id="pi_2", deposit_id=deposit.public_id)),
    "refund": lambda deposit: refunds.apply_refund(RefundFact("re_1", "pi_2", 100, "usd", "failed", 100)),
    "dispute": lambda deposit: disputes.apply_dispute(DisputeFact("du_1", "pi_2", 100, "won", 100, 15, 100)),
}


@pytest.fixture
def deposit(buyer) -> Deposit:
    """An open deposit; all but the first verb find it paid by pi_2."""
    return Deposit.objects.create(buyer=buyer, amount_cents=10_000, created_at=clock.now(), expires_at=clock.now())


@pytest.mark.parametrize("verb", VERBS)
def test_the_deposit_then_the_accounts_then_the_money(deposit, verb):
    if verb != "settle":
        deposits.settle(replace(PAID, id="pi_2", deposit_id=deposit.public_id))
    with CaptureQueriesContext(
        connection,
    ) as captured:
        VERBS[verb](deposit)
    said = [query["sql"] for query in captured if not re.match(r"SAVEPOINT|RELEASE", query["sql"])]
    first = {
        what: next((index for index, sql in enumerate(said) if re.search(pattern, sql)), None)
        for what, pattern in {
            "deposit": r'^SELECT .*FROM "?wallet_deposit"?',
            "accounts": r"^SELECT .*FROM ledger_account",
            "money": r"INSERT INTO ledger_transfer",
            "state": r'^UPDATE "wallet_|INSERT INTO "wallet_',
        }.items()
    }
    assert first["deposit"] == 0
    assert first["accounts"] == 1
    assert all(place is None or place > 1 for what, place in first.items() if what in {"money", "state"})
    if connection.vendor == "postgresql":
        assert "FOR NO KEY UPDATE" in said[0]
        assert "FOR NO KEY UPDATE" in said[1]


@pytest.mark.django_db(transaction=True)
def test_no_lock_holds_outside_a_transaction(buyer):
    with pytest.raises(RuntimeError, match="transaction"):
        ledger.lock(buyer.pk)
