"""The check of the books: a row a look, and the owners told of what does not add up."""

import pytest
from django.contrib.auth.models import Group
from django.db import DatabaseError, IntegrityError, connection, transaction

from marketplace import checks
from marketplace.checks import check_books
from marketplace.ledger.models import Transfer
from marketplace.mail.models import OutgoingEmail
from marketplace.mail.services import render
from marketplace.models import CheckRun
from marketplace.tasks import check_books as task
from tests.guards import lifted
from tests.people import give, make_member

pytestmark = pytest.mark.django_db


def test_it_works(alice, charlie):
    give(alice, 5_000)
    task()
    run = CheckRun.objects.get()
    assert (run.what, run.findings_count, run.first_findings) == ("ledger", 0, [])
    assert run.started_at <= run.ended_at
    assert not OutgoingEmail.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_what_does_not_add_up_is_kept_and_told(alice, charlie):
    give(alice, 5_000)
    with lifted():
        Transfer.objects.update(amount=1)
    found = check_books()
    run = CheckRun.objects.get()
    assert run.findings_count == len(found) > 0
    assert run.first_findings == found
    mail = render(OutgoingEmail.objects.get())
    assert mail.to == [charlie.email]
    assert mail.subject == "The site needs a look: the books do not add up"
    assert f"The first: {found[0]}." in mail.body


def test_every_owner_is_told_once_a_day(alice, charlie, monkeypatch, time_machine):
    group, _ = Group.objects.get_or_create(name="owner")
    dora, gone = make_member("Dora", is_staff=True), make_member("Gone", is_staff=True, is_active=False)
    for member in (dora, gone, charlie):
        member.groups.add(group)
    monkeypatch.setattr(checks.ledger_checks, "findings", lambda: iter(["ledger: account 1: below zero"]))
    time_machine.move_to("2026-11-26T10:00:00Z")
    check_books()
    check_books()
    assert set(OutgoingEmail.objects.values_list("user", "category")) == {
        (charlie.pk, "operator"),
        (dora.pk, "operator"),
    }
    assert OutgoingEmail.objects.count() == 2
    time_machine.move_to("2026-11-27T10:00:00Z")
    check_books()
    assert OutgoingEmail.objects.count() == 4


def test_of_many_the_first_are_kept(charlie, monkeypatch):
    monkeypatch.setattr(
        checks.ledger_checks, "findings", lambda: (f"ledger: account {n}: below zero" for n in range(99))
    )
    assert len(check_books()) == 99
    run = CheckRun.objects.get()
    assert (run.findings_count, len(run.first_findings)) == (99, checks.KEPT)


def test_a_look_that_breaks_off_leaves_no_row(charlie, monkeypatch):
    def broken():
        raise DatabaseError
        yield

    monkeypatch.setattr(checks.wallet_checks, "findings", broken)
    with pytest.raises(DatabaseError):
        check_books()
    assert not CheckRun.objects.exists()


def test_the_books_are_asked_with_patience(monkeypatch):
    def findings():
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout" if connection.vendor == "postgresql" else "SELECT '10min'")
            asked.append(cursor.fetchone()[0])
        return iter(())

    asked = []
    monkeypatch.setattr(checks.purchase_checks, "findings", findings)
    check_books()
    assert asked == ["10min"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.sqlite
def test_on_sqlite_nobody_waits_for_it(monkeypatch):
    monkeypatch.setattr(checks.ledger_checks, "findings", lambda: iter([str(connection.in_atomic_block)]))
    assert check_books() == ["False"]


def test_the_database_knows_what_is_looked_at():
    row = CheckRun(
        what="nothing",
        started_at="2026-01-01T00:00Z",
        ended_at="2026-01-01T00:00Z",
        findings_count=0,
        first_findings=[],
    )
    with pytest.raises(IntegrityError, match="marketplace_check_known"), transaction.atomic():
        row.save()
