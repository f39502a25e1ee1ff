"""The statement as a file for a spreadsheet: the same rows, the same filter, no formula."""

import csv
import io
from datetime import UTC, datetime

import pytest

from marketplace.purchases.services import buy_lead, new_key
from marketplace.wallet import statement
from marketplace.wallet.disputes import apply_dispute
from marketplace.wallet.gateway import DisputeFact
from marketplace.wallet.models import Deposit
from tests.people import give, make_bob
from tests.stock import make_lead
from tests.wallet.conftest import spend

pytestmark = pytest.mark.django_db
URL = "/wallet/statement.csv"


def table(response) -> list[list[str]]:
    text = response.getvalue().decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


def test_it_works(as_buyer, buyer):
    paid = datetime(2026, 11, 20, 12, tzinfo=UTC)
    deposit = Deposit.objects.create(
        buyer=buyer,
        amount_cents=10_000,
        received_cents=10_000,
        state="paid",
        intent_id="pi_1",
        created_at=paid,
        paid_at=paid,
        expires_at=paid,
    )
    give(buyer, 10_000, reference="pi_1:credit")
    bought = buy_lead(buyer, make_lead(price_cents=2_450), price_seen=2_450, key=new_key())
    apply_dispute(DisputeFact("du_1", "pi_1", 1_000, "needs_response", 1_000, 1_500, 0))
    response = as_buyer.get(URL)
    assert response["Content-Type"].startswith("text/csv")
    assert response["Content-Disposition"] == 'attachment; filename="leadfair-statement.csv"'
    assert response["Cache-Control"] == "no-store"
    header, *rows = table(response)
    assert header == [
        *("When (UTC)", "What", "Reference", "Amount (USD)", "Balance (USD)"),
        *("Deposited (UTC)", "Receipt", "Purchase", "Lead", "Order"),
    ]
    ours = [bought.public_id, bought.lead.public_id, bought.order.public_id]
    back = ["2026-11-20 12:00:00", deposit.public_id, "", "", ""]
    assert [row[1:] for row in rows] == [
        ["Card payment taken back", "du_1:withdrawn", "-10.00", "65.50", *back],
        ["Auto insurance, Columbus OH", f"purchase:{bought.public_id}", "-24.50", "75.50", "", "", *ours],
        ["Deposit", "pi_1:credit", "100.00", "100.00", "", deposit.public_id, "", "", ""],
    ]


def test_the_filter_of_the_page(as_buyer, buyer):
    give(buyer, 10_000, reference="pi_1:credit")
    spend(buyer, 2_450)
    assert len(table(as_buyer.get(f"{URL}?kind=purchase"))) == 2
    assert len(table(as_buyer.get(f"{URL}?to=2001-01-01"))) == 1


def test_all_of_it_not_a_page(as_buyer, buyer):
    for index in range(60):
        give(buyer, 100, reference=f"pi_{index}:credit")
    assert len(table(as_buyer.get(f"{URL}?after=5"))) == 61


def test_many_rows_are_told_batch_by_batch(as_buyer, buyer, monkeypatch):
    give(buyer, 10_000, reference="pi_1:credit")
    bought = [buy_lead(buyer, make_lead(price_cents=100), price_seen=100, key=new_key()) for _ in range(5)]
    monkeypatch.setattr(statement, "BATCH", 2)
    assert [row[7] for row in table(as_buyer.get(URL))[1:-1]] == [purchase.public_id for purchase in bought[::-1]]


def test_a_bad_filter_is_the_page_with_what_was_typed(as_buyer):
    response = as_buyer.get(f"{URL}?from=yesterday")
    assert response.status_code == 422
    assert 'value="yesterday"' in response.content.decode()


def test_no_formula(as_buyer, buyer):
    give(buyer, 100, reference="=1+1")
    assert table(as_buyer.get(URL))[1][2] == "'=1+1"


def test_somebody_else_gets_their_own(as_buyer):
    give(make_bob(), 4_242, reference="pi_bob:credit")
    assert len(table(as_buyer.get(URL))) == 1
