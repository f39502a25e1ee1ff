"""The statement as a file for a spreadsheet: the same rows, the same filter, no formula."""

import csv
import io

import pytest

from tests.people import give, make_bob
from tests.wallet.conftest import spend

pytestmark = pytest.mark.django_db
URL = "/wallet/statement.csv"


def table(response) -> list[list[str]]:
    text = response.getvalue().decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


def test_it_works(as_buyer, buyer):
    give(buyer, 10_000, reference="pi_1:credit")
    spend(buyer, 2_450, reference="purchase:bcdfghjkmnpqrs")
    response = as_buyer.get(URL)
    assert response["Content-Type"].startswith("text/csv")
    assert response["Content-Disposition"] == 'attachment; filename="leadfair-statement.csv"'
    assert response["Cache-Control"] == "no-store"
    header, *rows = table(response)
    assert header == ["When (UTC)", "What", "Reference", "Amount (USD)", "Balance (USD)"]
    assert [row[1:] for row in rows] == [
        ["Lead bcdfghjkmnpqrs", "purchase:bcdfghjkmnpqrs", "-24.50", "75.50"],
        ["Deposit", "pi_1:credit", "100.00", "100.00"],
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
