"""What the books refuse, on both databases."""

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from marketplace.ledger import checks, guards
from marketplace.ledger import services as ledger
from marketplace.ledger.models import Account, Transfer
from tests.guards import lifted, without

pytestmark = pytest.mark.django_db


def sql(statement: str, *values: object) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values)


def cash(user) -> Account:
    return Account.objects.get(owner=user, kind="cash")


def refuses(statement: str, *values: object) -> None:
    with pytest.raises(DatabaseError):
        sql(statement, *values)


def test_it_works(alice):
    assert ledger.wallet_of(alice.pk).cash == 100_000
    assert list(checks.findings()) == []


def test_transfers_are_never_changed_or_deleted(alice):
    refuses("UPDATE ledger_transfer SET amount = 1")
    refuses("UPDATE ledger_transfer SET reference = 'x'")
    refuses("DELETE FROM ledger_transfer")


REPLACE = """
INSERT OR REPLACE INTO ledger_transfer (id, debit_id, credit_id, amount, kind, reference, line, created_at)
SELECT {id}, debit_id, credit_id, 1, kind, reference, line, created_at FROM ledger_transfer"""


@pytest.mark.sqlite
@pytest.mark.parametrize("key", ["id", "id + 1000"], ids=["same-id", "same-fact"])
def test_nor_replaced(alice, key):
    """SQLite deletes what stands in the way of a row, and asks the triggers only on connections that are told to."""
    refuses(REPLACE.format(id=key))
    assert ledger.wallet_of(alice.pk).cash == 100_000
    assert list(checks.findings()) == []


@pytest.mark.sqlite
def test_accounts_are_not_replaced(alice):
    refuses(
        "INSERT OR REPLACE INTO ledger_account (id, kind, owner_id, debits, credits, last_transfer) "
        "SELECT id, kind, owner_id, 0, 0, 0 FROM ledger_account WHERE owner_id IS NOT NULL"
    )
    refuses("UPDATE OR REPLACE ledger_account SET kind = 'cash' WHERE kind = 'bonus'")
    assert ledger.wallet_of(alice.pk).cash == 100_000


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_control_a_connection_that_is_not_told_so_replaces(alice):
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA recursive_triggers=OFF")
        cursor.execute(REPLACE.format(id="id + 1000"))
        cursor.execute("PRAGMA recursive_triggers=ON")
    assert [finding for finding in checks.findings() if "not the sum" in finding]


def test_accounts_are_never_deleted_and_keep_kind_and_owner(alice, bob):
    with transaction.atomic():
        ledger.lock(bob.pk)
    refuses("DELETE FROM ledger_account WHERE owner_id = %s", alice.pk)
    refuses("UPDATE ledger_account SET kind = 'bonus' WHERE id = %s", cash(alice).pk)
    refuses("UPDATE ledger_account SET owner_id = %s WHERE id = %s", bob.pk, cash(alice).pk)


def test_totals_move_only_by_transfer(alice):
    refuses("UPDATE ledger_account SET credits = credits + 1 WHERE id = %s", cash(alice).pk)
    refuses("UPDATE ledger_account SET debits = debits + 1 WHERE id = %s", cash(alice).pk)
    refuses("UPDATE ledger_account SET last_transfer = last_transfer + 1 WHERE id = %s", cash(alice).pk)


def test_a_transfer_explains_a_move_only_once(alice):
    newest = Transfer.objects.latest("id")
    refuses(
        "UPDATE ledger_account SET credits = credits + %s, last_transfer = %s WHERE id = %s",
        newest.amount,
        newest.pk,
        cash(alice).pk,
    )


def test_an_account_starts_empty(bob):
    refuses(
        "INSERT INTO ledger_account (kind, owner_id, debits, credits, last_transfer) VALUES ('cash', %s, 0, 5, 0)",
        bob.pk,
    )


def test_control_without_the_guard_a_balance_can_be_edited(alice):
    name = "ledger_totals" if connection.vendor == "sqlite" else "ledger_account_guard"
    with without(name):
        sql("UPDATE ledger_account SET credits = credits + 1 WHERE id = %s", cash(alice).pk)
    findings = list(checks.findings())
    assert findings == [f"ledger: account {cash(alice).pk}: its totals are not the sum of its transfers"]


def test_a_lost_guard_is_found_and_made_again_after_migrate(alice):
    name = "ledger_totals" if connection.vendor == "sqlite" else "ledger_account_guard"
    table = "" if connection.vendor == "sqlite" else " ON ledger_account"
    sql(f"DROP TRIGGER {name}{table}")
    assert list(checks.findings()) == [f"ledger: trigger {name} is missing"]
    guards.install("default")
    assert list(checks.findings()) == []


def test_cash_never_goes_below_zero(alice):
    with pytest.raises(IntegrityError), transaction.atomic():
        wallet = ledger.lock(alice.pk)
        ledger.transfer(wallet.cash_id, "revenue", 100_001, kind="purchase", reference="too-much")


def test_owed_never_goes_above_zero(alice):
    with pytest.raises(IntegrityError), transaction.atomic():
        wallet = ledger.lock(alice.pk)
        ledger.transfer("processor", wallet.owed_id, 1, kind="deposit", reference="owes-nothing")


def test_a_fact_is_booked_once(alice):
    with pytest.raises(IntegrityError), transaction.atomic():
        wallet = ledger.lock(alice.pk)
        ledger.put_in(wallet, "processor", 5, kind="deposit", reference="pi_1:credit")
        ledger.put_in(wallet, "processor", 5, kind="deposit", reference="pi_1:credit")


def test_a_fact_split_another_way_still_counts_as_booked(alice):
    with pytest.raises(IntegrityError), transaction.atomic():
        wallet = ledger.lock(alice.pk)
        wallet = ledger.take_out(wallet, "processor", 100_500, kind="dispute", reference="dp_1:withdrawn")
        wallet = ledger.put_in(wallet, "processor", 600, kind="deposit", reference="pi_1:credit")
        ledger.put_in(wallet, "processor", 600, kind="deposit", reference="pi_1:credit")


@pytest.mark.parametrize("amount", [0, -5, 1.5, True, "5", 10**12 + 1, None])
def test_only_whole_positive_cents_are_booked(alice, amount):
    with pytest.raises((TypeError, ValueError)), transaction.atomic():
        wallet = ledger.lock(alice.pk)
        ledger.transfer("processor", wallet.cash_id, amount, kind="deposit", reference="odd")


@pytest.mark.parametrize("amount", [0, -5, 10**12 + 1])
def test_the_database_refuses_odd_amounts_too(alice, amount):
    refuses(
        "INSERT INTO ledger_transfer (debit_id, credit_id, amount, kind, reference, line, created_at) "
        "VALUES ((SELECT id FROM ledger_account WHERE kind = 'processor'), %s, %s, 'deposit', 'odd', 0, '2026-01-01')",
        cash(alice).pk,
        amount,
    )


def test_money_needs_two_accounts(alice):
    with pytest.raises(IntegrityError), transaction.atomic():
        wallet = ledger.lock(alice.pk)
        ledger.transfer(wallet.cash_id, wallet.cash_id, 5, kind="deposit", reference="round")


def test_only_known_kinds(alice):
    """Each of ours has its place, whatever the migration was made of."""
    assert set(Account.objects.values_list("kind", flat=True)) == set(Account.Kind.values)
    with transaction.atomic():
        wallet = ledger.lock(alice.pk)
        for kind in Transfer.Kind.values:
            ledger.transfer("processor", wallet.cash_id, 1, kind=kind, reference=f"kind:{kind}")
    with pytest.raises(IntegrityError, match="ledger_transfer_kind_known"), transaction.atomic():
        ledger.transfer("processor", wallet.cash_id, 1, kind="gift", reference="kind:gift")


def test_no_account_of_an_unknown_kind(db):
    with pytest.raises(IntegrityError, match="ledger_account_kind_known"), transaction.atomic():
        Account.objects.create(kind="petty_cash")


def test_house_accounts_keep_no_total(alice):
    assert not Account.objects.filter(owner=None).exclude(debits=0, credits=0).exists()


def test_lock_needs_a_transaction(transactional_db):
    with pytest.raises(RuntimeError):
        ledger.lock(1)


def test_a_mistake_is_reversed_by_a_new_row_and_once_only(alice):
    mistake = Transfer.objects.latest("id")
    with transaction.atomic():
        ledger.lock(alice.pk)
        ledger.reverse(mistake, reference="correction:1")
    assert ledger.wallet_of(alice.pk).cash == 0
    with pytest.raises(IntegrityError), transaction.atomic():
        ledger.lock(alice.pk)
        ledger.reverse(mistake, reference="correction:2")
    assert list(checks.findings()) == []


def test_the_guards_are_back_after_lifting(alice):
    with lifted():
        pass
    refuses("DELETE FROM ledger_transfer")
