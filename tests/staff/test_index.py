"""The first page of the admin: what waits and how the day goes, for whoever may see it."""

from datetime import timedelta

import pytest

from marketplace.core import clock
from marketplace.mail.models import OutgoingEmail
from marketplace.purchases import crediting
from marketplace.wallet.books import book_once
from marketplace.wallet.models import Deposit

from .conftest import browser_of

pytestmark = pytest.mark.django_db


def figures(browser) -> dict[str, str]:
    context = browser.get("/admin/").context
    return {one.what: one.value for one in [*context["queues"], *context["figures"]]}


def test_it_works(as_olga, sam, alice, purchase):
    now = clock.now()
    common = {"buyer": alice, "amount_cents": 5000, "created_at": now, "expires_at": now}
    Deposit.objects.create(**common, received_cents=5000, state="paid", paid_at=now, intent_id="pi_1")
    Deposit.objects.create(**common, state="failed")
    book_once("processor", "suspense", 1234, kind="suspense", reference="pi_odd:credit")
    crediting.ask(sam, purchase, cents=400, code="goodwill", reason="Sorry.")
    OutgoingEmail.objects.filter(user=alice).update(state="failed", claimed_at=now)
    told = figures(as_olga)
    assert told["Waiting for a second person"] == "1"
    assert told["Mails given up"] == "1"
    assert told["Mails that failed today"] == "1"
    assert told["Deposits today"] == "1, $50.00"
    assert told["Deposits that failed today"] == "1"
    assert told["Sales today"] == "1, $10.00"
    assert told["Unexplained money"] == "$12.34"
    assert told["Open disputes"] == "0"
    assert told["Oldest waiting mail"] == "none waits"


def test_the_oldest_mail_that_is_due(as_sam, alice, purchase):
    OutgoingEmail.objects.update(created_at=clock.now() - timedelta(minutes=20), available_at=clock.now())
    page = as_sam.get("/admin/").text
    assert "20 minutes old" in page
    assert "needs a look" in page


def test_each_role_sees_its_figures(as_sam, as_fay, cora):
    assert "Unexplained money" not in figures(as_sam)
    assert "Mails given up" not in figures(as_fay)
    assert "Unexplained money" in figures(as_fay)
    assert set(figures(browser_of(cora))) == {"Waiting for a second person"}
