"""``ledger_check`` and ``work``."""

from io import StringIO

import pytest
from django.core.management import call_command

from marketplace.ledger import checks
from marketplace.ledger.models import Transfer
from marketplace.mail.models import Category, OutgoingEmail
from marketplace.mail.services import send
from tests.guards import lifted
from tests.people import give

pytestmark = pytest.mark.django_db


def check():
    out = StringIO()
    call_command("ledger_check", stdout=out)
    return out.getvalue().splitlines()


def test_sound_books_have_no_findings(alice):
    give(alice, 5_000)
    assert check() == ["0 findings"]


def test_a_finding_is_printed_and_ends_with_status_1(alice, monkeypatch):
    monkeypatch.setattr(checks, "findings", lambda: iter(["ledger: account 1: below zero"]))
    out = StringIO()
    with pytest.raises(SystemExit) as caught:
        call_command("ledger_check", stdout=out)
    assert caught.value.code == 1
    assert out.getvalue().splitlines() == ["ledger: account 1: below zero", "1 finding"]


@pytest.mark.django_db(transaction=True)
def test_a_tampered_transfer_is_found(alice):
    give(alice, 5_000)
    with lifted():
        Transfer.objects.update(amount=1)
    with pytest.raises(SystemExit):
        check()


def test_work_sends_what_is_due(alice, mailoutbox):
    for number in range(3):
        send(
            alice, category=Category.RECEIPT, template="purchases/email/receipt", key=f"test:{number}",
            context={"lines": [], "total": "$0.00", "balance": "$0.00", "order": "x"},
        )  # fmt: skip
    out = StringIO()
    call_command("work", stdout=out)
    assert out.getvalue().strip() == "0 events processed, 3 mails sent, 0 exports written, 0 files taken in"
    assert len(mailoutbox) == 3
    assert not OutgoingEmail.objects.filter(state="queued").exists()
    out = StringIO()
    call_command("work", stdout=out)
    assert out.getvalue().strip() == "0 events processed, 0 mails sent, 0 exports written, 0 files taken in"
