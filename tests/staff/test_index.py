"""The first page of the admin: what waits and how the day goes, for whoever may see it."""

from datetime import timedelta

import pytest
import time_machine

from marketplace.core import clock
from marketplace.core.charts import Chart
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
    crediting.ask(sam, purchase, cents=400, problem="goodwill", reason="Sorry.")
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


def test_the_figures_lead_to_their_rows(as_olga, alice, purchase):
    now = clock.now()
    for ago in (0, 1):
        at = now - timedelta(days=ago)
        Deposit.objects.create(
            buyer=alice, amount_cents=5000, received_cents=5000, state="paid", paid_at=at, created_at=at,
            expires_at=at, intent_id=f"pi_{ago}",
        )  # fmt: skip
        Deposit.objects.create(buyer=alice, amount_cents=5000, state="failed", created_at=at, expires_at=at)
    OutgoingEmail.objects.filter(user=alice).update(state="failed", claimed_at=now)
    found = {one.what: one.address for one in as_olga.get("/admin/").context["figures"]}
    assert len(found) == 4
    for what, address in found.items():
        assert as_olga.get(address).context["cl"].result_count == 1, what


def test_money_by_day(as_olga, alice, purchase):
    now = clock.now()
    for ago, cents in ((0, 50_00), (1, 20_00), (1, 30_00), (13, 70_00), (14, 999_00)):
        at = now - timedelta(days=ago)
        Deposit.objects.create(
            buyer=alice, amount_cents=cents, received_cents=cents, state="paid", paid_at=at, created_at=at,
            expires_at=at, intent_id=f"pi_{cents}",
        )  # fmt: skip
    deposits, sales = plots(as_olga)
    assert len(deposits.rows) == len(sales.rows) == 14
    assert deposits.rows[0] == (day(13), "$70.00")
    assert deposits.rows[-2:] == ((day(1), "$50.00"), (day(0), "$50.00"))
    assert {row[1] for row in deposits.rows[1:-2]} == {"$0.00"}
    assert sales.rows[-1] == (day(0), "$10.00")
    page = as_olga.get("/admin/").text
    assert f"Most: {day(13)} with $70.00; least: {day(12)} with $0.00." in page


def test_money_by_day_of_a_new_site(as_olga, as_fay, as_sam, cora):
    assert [chart.finding for chart in plots(as_olga)] == ["Nobody deposited anything.", "No lead was sold."]
    assert "No lead was sold." in as_olga.get("/admin/").text
    assert [len(plots(browser)) for browser in (as_sam, as_fay, browser_of(cora))] == [2, 2, 0]


def plots(browser) -> list[Chart]:
    return browser.get("/admin/").context["plots"]


def day(ago: int) -> str:
    then = clock.now() - timedelta(days=ago)
    return f"{then.day} {then:%b}"


def test_the_oldest_mail_that_is_due(as_sam, alice, purchase):
    OutgoingEmail.objects.update(created_at=clock.now() - timedelta(minutes=20), available_at=clock.now())
    page = as_sam.get("/admin/").text
    assert "20 minutes old" in page
    assert "needs a look" in page


def test_each_role_sees_its_figures(as_sam, as_fay, cora):
    assert "Last check of the books" not in figures(as_sam)
    assert "Mails given up" not in figures(as_fay)
    assert "Unexplained money" in figures(as_fay)
    assert set(figures(browser_of(cora))) == {"Waiting for a second person"}


def test_who_settles_unexplained_money_sees_how_much_there_is(as_sam):
    book_once("processor", "suspense", 1234, kind="suspense", reference="pi_odd:credit")
    assert figures(as_sam)["Unexplained money"] == "$12.34"


def test_books_that_nobody_ever_looked_at(olga, purchase):
    def looks() -> dict[str, bool]:
        queues = browser_of(olga).get("/admin/").context["queues"]
        return {one.what: one.needs_a_look for one in queues if one.value == "never"}

    assert looks() == {"Last check of the books": False, "Last reconciliation": False}, "it may yet come"
    with time_machine.travel(clock.now() + timedelta(hours=27)):
        assert looks() == {"Last check of the books": True, "Last reconciliation": True}
