"""Every check of the books finds what it is for. What the database refuses has to be allowed first."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection

from marketplace.ledger import checks
from marketplace.ledger import services as ledger
from marketplace.ledger.models import Account, Adjustment, Transfer
from tests.guards import lifted
from tests.people import make_member

pytestmark = pytest.mark.django_db


@contextmanager
def anything_goes() -> Iterator[None]:
    """Neither triggers nor constraints refuse anything until the test is over."""
    with lifted(), connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints = ON")
        else:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            for table in ("ledger_account", "ledger_transfer", "ledger_adjustment"):
                for name, found in connection.introspection.get_constraints(cursor, table).items():
                    if found["check"]:
                        cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}")
        try:
            yield
        finally:
            if connection.vendor == "sqlite":
                cursor.execute("PRAGMA ignore_check_constraints = OFF")


def insert(**values: object) -> None:
    newest = Transfer.objects.latest("id")
    row = {"debit_id": newest.debit_id, "credit_id": newest.credit_id, "amount": 7, "kind": "deposit"}
    row |= {"reference": "odd", "line": 0, "reverses_id": None, "created_at": newest.created_at} | values
    Transfer.objects.bulk_create([Transfer(**row)])


def account(kind: str):
    return Account.objects.filter(owner__isnull=False, kind=kind)


def owes_with_cash() -> None:
    account("owed").update(debits=5)


def reversed_by_half() -> None:
    newest = Transfer.objects.latest("id")
    half = {"debit_id": newest.credit_id, "credit_id": newest.debit_id, "amount": newest.amount // 2}
    insert(**half, kind="reversal", reverses_id=newest.pk)


def adjustment(**values: object) -> Adjustment:
    """One that was approved, and moved the money of a member."""
    owner = account("cash").get().owner
    row = {"maker": owner, "checker": owner, "owner": owner, "kind": "put_in", "amount_cents": 7, "state": "approved"}
    made = Adjustment(**row | values)
    Adjustment.objects.bulk_create([made])
    insert(kind="adjustment", reference=f"adjustment:{made.public_id}")
    return made


FAULTS = {
    "account {}: its totals are not the sum of its transfers": lambda: account("cash").update(credits=1),
    "account {}: below zero": lambda: account("cash").update(debits=100_001),
    "buyer {}: has cash and owes at the same time": owes_with_cash,
    "transfer {}: no positive amount between two accounts": lambda: insert(amount=0),
    "transfer {}: not the mirror of what it reverses": reversed_by_half,
    "adjustment {}: what was approved is not what was moved": lambda: adjustment(amount_cents=8),
    "adjustment {}: moves the money of another member": lambda: adjustment(owner=make_member("Bea")),
    "transfer {}: no approved adjustment explains it": lambda: adjustment(state="asked"),
    "transfer {}: a line before it is missing": lambda: insert(line=2),
}


@pytest.mark.parametrize("sentence", FAULTS)
def test_each_finds_its_fault(alice, sentence):
    assert list(checks.findings()) == []
    with anything_goes():
        FAULTS[sentence]()
        words = sentence.partition("{}: ")[2]
        assert any(finding.endswith(words) for finding in checks.findings())


@pytest.mark.parametrize("kind", ["bonus", "owed"])
def test_no_account_of_a_buyer_leaves_its_side_of_zero(alice, kind):
    with anything_goes():
        account(kind).update(**{"credits" if kind == "owed" else "debits": 5})
        assert f"ledger: account {account(kind).get().pk}: below zero" in list(checks.findings())


@pytest.mark.parametrize("side", ["debit_id", "credit_id"])
def test_money_that_goes_round_is_found(alice, side):
    newest = Transfer.objects.latest("id")
    with anything_goes():
        insert(debit_id=getattr(newest, side), credit_id=getattr(newest, side))
        assert any("between two accounts" in finding for finding in checks.findings())


def test_none_is_left_out():
    assert set(FAULTS) == set(checks._QUERIES)


def test_a_correct_reversal_is_sound(alice):
    mistake = Transfer.objects.latest("id")
    ledger.lock(alice.pk)
    ledger.reverse(mistake, reference="correction:1")
    assert list(checks.findings()) == []
