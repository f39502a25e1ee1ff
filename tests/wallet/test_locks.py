"""Every verb that moves money takes its locks in one order: the deposit, the unexplained payment, the buyer's
accounts."""

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
    with CaptureQueriesContext(connection) as captured:
        VERBS[verb](deposit)
    said = [query["sql"] for query in captured if not re.match(r"SAVEPOINT|RELEASE", query["sql"])]
    places = {
        what: [index for index, sql in enumerate(said) if re.search(pattern, sql)]
        for what, pattern in {
            "deposit": r'^SELECT .*FROM "?wallet_deposit"?',
            "unexplained": r'^SELECT .*FROM "wallet_unexplainedpayment".*"intent_id" = ',
            "accounts": r"^SELECT .*FROM ledger_account",
            "change": r'INSERT INTO ledger_transfer|^UPDATE "wallet_|INSERT INTO "wallet_',
        }.items()
    }
    locks = [places[what][0] for what in ("deposit", "unexplained", "accounts") if places[what]]
    assert locks[0] == 0
    assert locks == sorted(locks)
    assert len(locks) == (3 if verb in {"refund", "dispute"} else 2)
    assert min(places["change"], default=len(said)) > locks[-1]
    if connection.vendor == "postgresql":
        assert all("FOR NO KEY UPDATE" in said[place] for place in locks)


@pytest.mark.django_db(transaction=True)
def test_no_lock_holds_outside_a_transaction(buyer):
    with pytest.raises(RuntimeError, match="transaction"):
        ledger.lock(buyer.pk)
