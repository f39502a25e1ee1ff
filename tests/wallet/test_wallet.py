"""The wallet page: what there is, what is owed, what is on its way, and why."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import transaction
from django.urls import reverse

from marketplace.core import clock
from marketplace.ledger import adjustments
from marketplace.ledger import services as ledger
from marketplace.ledger.models import Transfer
from marketplace.purchases.services import buy_lead, new_key
from marketplace.wallet.disputes import apply_dispute
from marketplace.wallet.forms import StatementForm
from marketplace.wallet.gateway import DisputeFact
from marketplace.wallet.models import Deposit
from tests.people import give, make_bob, make_member
from tests.stock import make_lead
from tests.wallet.conftest import spend

pytestmark = pytest.mark.django_db
URL = "/wallet/"


def a_deposit(buyer, cents: int = 10_000, state: str = "processing", **more: object) -> Deposit:
    now = clock.now()
    return Deposit.objects.create(
        buyer=buyer, amount_cents=cents, state=state, created_at=now, expires_at=now + timedelta(minutes=35), **more
    )


def rows(response) -> list[tuple[str, int, int]]:
    return [(line.cause.what, line.entry.delta, line.entry.balance) for line in response.context["lines"]]


def history(buyer, number: int) -> None:
    for index in range(number):
        give(buyer, 100 + index, reference=f"pi_{index}:credit")


def test_it_works(as_buyer, buyer):
    deposit = a_deposit(buyer, state="paid", intent_id="pi_1", paid_at=clock.now(), received_cents=10_000)
    give(buyer, 10_000, reference="pi_1:credit")
    purchase = buy_lead(buyer, make_lead(price_cents=2_450), price_seen=2_450, key=new_key())
    response = as_buyer.get(URL)
    assert response.status_code == 200
    assert rows(response) == [("Auto insurance, Columbus OH", -2_450, 7_550), ("Deposit", 10_000, 10_000)]
    page = response.content.decode()
    assert f"Purchase {purchase.public_id}" in page
    assert f"Receipt {deposit.public_id}" in page
    assert reverse("purchases:my_lead", args=[purchase.public_id]) in page
    assert reverse("wallet:receipt", args=[deposit.public_id]) in page
    assert page.index("−$24.50") < page.index("+$100.00")
    assert "$75.50" in page


def test_nothing_yet(as_buyer):
    page = as_buyer.get(URL).content.decode()
    assert "No money has moved yet" in page
    assert "<table" not in page


def test_owed(as_buyer, buyer):
    give(buyer, 5_000, reference="pi_1:credit")
    spend(buyer, 4_000)
    deposit = disputed_deposit(buyer)
    apply_dispute(DisputeFact("du_1", "pi_1", 5_000, "lost", 5_000, 1_500, 0))
    response = as_buyer.get(URL)
    assert rows(response)[0] == ("Card payment taken back", -5_000, -4_000)
    assert (response.context["purse"].available, response.context["purse"].owed) == (0, 4_000)
    page = response.content.decode()
    assert "You owe $40.00 for a card payment that went back." in page
    assert "your next deposit repays it first" in page
    (line, *_) = re.findall(r'<td data-label="What">.*?</td>', page)
    assert reverse("wallet:receipt", args=[deposit.public_id]) in line
    assert "of the deposit of <time" in line
    assert "20 Nov 2026, 12:00 UTC" in line


def disputed_deposit(buyer) -> Deposit:
    """A deposit of $50.00 that was paid on 20 Nov 2026, by the payment pi_1."""
    paid = datetime(2026, 11, 20, 12, tzinfo=UTC)
    return a_deposit(buyer, 5_000, state="paid", intent_id="pi_1", paid_at=paid, received_cents=5_000)


def test_disputed(as_buyer, buyer):
    give(buyer, 9_000, reference="pi_1:credit")
    deposit = disputed_deposit(buyer)
    apply_dispute(DisputeFact("du_1", "pi_1", 5_000, "needs_response", 5_000, 1_500, 0))
    for address in (URL, "/wallet/add/"):
        page = as_buyer.get(address).text
        notice = page.split('<div class="flash flash-warn">')[1]
        assert "One of your card payments is disputed. Buying is off until that is decided." in notice
        assert f'<a href="{reverse("wallet:receipt", args=[deposit.public_id])}">The deposit of $50.00, <time' in notice
        assert "20 Nov 2026, 12:00 UTC" in notice
        assert "Adding money does not turn buying on" in notice
        assert "You owe" not in page
    apply_dispute(DisputeFact("du_1", "pi_1", 5_000, "won", 5_000, 1_500, 5_000))
    assert "disputed." not in as_buyer.get(URL).text


def test_disputed_and_owed(as_buyer, buyer):
    """The dispute first: whoever pays what is owed may still not buy."""
    disputed_deposit(buyer)
    other = a_deposit(buyer, 2_500, state="paid", intent_id="pi_2", paid_at=clock.now(), received_cents=2_000)
    for number in (1, 2):
        apply_dispute(DisputeFact(f"du_{number}", f"pi_{number}", 2_000, "needs_response", 2_000, 1_500, 0))
    page = as_buyer.get(URL).text
    assert "2 of your card payments are disputed. Buying is off until that is decided." in page
    assert "You also owe $40.00" in page
    assert "Paying it does not turn buying on" in page
    assert reverse("wallet:receipt", args=[other.public_id]) in page


def test_on_its_way(as_buyer, buyer):
    deposits = [a_deposit(buyer, 10_000), a_deposit(buyer, 2_500)]
    a_deposit(buyer, 7_777, state="open")
    a_deposit(make_bob(), 8_888)
    response = as_buyer.get(URL)
    page = response.content.decode()
    assert response.context["coming_cents"] == 12_500
    assert "2 deposits, not arrived yet" in page
    assert all(reverse("wallet:deposit", args=[deposit.public_id]) in page for deposit in deposits)
    assert "$77.77" not in page
    assert "$88.88" not in page


def test_what_is_looked_at_is_neither_here_nor_on_its_way(as_buyer, buyer):
    deposit = a_deposit(buyer, 7_500, state="review")
    response = as_buyer.get(URL)
    page = response.content.decode()
    assert response.context["coming_cents"] == 0
    assert reverse("wallet:deposit", args=[deposit.public_id]) in page
    assert "being looked at" in page
    assert "not arrived yet" not in page


def test_every_credit_has_its_reason(as_buyer, buyer):
    with transaction.atomic():
        wallet = ledger.lock(buyer.pk)
        wallet = ledger.put_in(wallet, "processor", 1_000, kind="deposit", reference="pi_9:credit")
        wallet = ledger.take_out(wallet, "processor", 400, kind="refund", reference="re_1:out")
        wallet = ledger.put_in(wallet, "processor", 400, kind="refund", reference="re_1:back")
        ledger.put_in(wallet, "processor", 50, kind="reinstated", reference="du_1:reinstated")
    deposit = a_deposit(buyer, 2_500, state="paid", intent_id="pi_9", paid_at=clock.now(), received_cents=1_000)
    deposit.refunds.create(processor_id="re_1", amount_cents=400, state="failed", seen_at=clock.now())
    lines = as_buyer.get(URL).context["lines"]
    assert [line.cause.numbers.get("Receipt") for line in lines] == [None, *[deposit.public_id] * 3]
    assert [line.cause.what for line in lines] == [
        "Disputed payment returned",
        "Refund your bank did not take, back on your balance",
        "Refund to card",
        "Deposit",
    ]


@pytest.mark.parametrize("number", [20, 200])
def test_as_many_queries_for_200_rows_as_for_20(as_buyer, buyer, django_assert_num_queries, number):
    history(buyer, number)
    with django_assert_num_queries(5):  # session, member, balance, statement, deposits
        assert as_buyer.get(URL).context["lines"]


@pytest.mark.parametrize("number", [1, 8])
def test_as_many_queries_whatever_moved(as_buyer, buyer, django_assert_num_queries, number):
    for index in range(number):
        a_deposit(buyer, state="paid", intent_id=f"pi_{index}", paid_at=clock.now(), received_cents=10_000)
        give(buyer, 10_000, reference=f"pi_{index}:credit")
        buy_lead(buyer, make_lead(price_cents=100), price_seen=100, key=new_key())
        apply_dispute(DisputeFact(f"du_{index}", f"pi_{index}", 100, "lost", 100, 1_500, 0))
    with django_assert_num_queries(6):  # the purchases too
        lines = as_buyer.get(URL).context["lines"]
    assert len(lines) == 3 * number
    assert all(line.cause.url for line in lines)


# --- pages and filters ------------------------------------------------------------------------------------------------


def test_pages(as_buyer, buyer):
    history(buyer, 60)
    seen: list[int] = []
    address = URL
    for _ in range(3):
        page = as_buyer.get(address).context["page"]
        seen += [row.number for row in page.rows]
        address = f"{URL}?after={page.older}"
    assert seen == list(range(60, 0, -1))
    assert page.older is None
    back = as_buyer.get(f"{URL}?before={page.newer}").context["page"]
    assert [row.number for row in back.rows] == list(range(35, 10, -1))


def test_pages_keep_the_filter(as_buyer, buyer):
    history(buyer, 30)
    page = as_buyer.get(f"{URL}?kind=deposit").content.decode()
    assert "?kind=deposit&amp;after=6" in page


def test_by_kind(as_buyer, buyer):
    give(buyer, 1_000, reference="pi_1:credit")
    spend(buyer, 400)
    assert [delta for _, delta, _ in rows(as_buyer.get(f"{URL}?kind=purchase"))] == [-400]
    assert [delta for _, delta, _ in rows(as_buyer.get(f"{URL}?kind=deposit"))] == [1_000]
    empty = as_buyer.get(f"{URL}?kind=refund")
    assert rows(empty) == []
    assert "Nothing in this part of the statement" in empty.content.decode()


def test_by_day_where_the_member_is(as_buyer, buyer):
    for hour, name in ((9, "before"), (11, "on the day"), (34, "after")):
        with time_machine.travel(datetime(2026, 11, 21, tzinfo=UTC) + timedelta(hours=hour), tick=False):
            give(buyer, 100 + hour, reference=name)
    as_buyer.force_login(buyer)
    assert len(rows(as_buyer.get(f"{URL}?from=2026-11-21&to=2026-11-21"))) == 2
    buyer.time_zone = "Pacific/Honolulu"  # the day begins at 10:00 UTC and ends a day later
    buyer.save()
    assert [delta for _, delta, _ in rows(as_buyer.get(f"{URL}?from=2026-11-21&to=2026-11-21"))] == [111]
    assert len(rows(as_buyer.get(f"{URL}?from=2026-11-21"))) == 2
    assert len(rows(as_buyer.get(f"{URL}?to=2026-11-20"))) == 1


def test_what_was_put_right_is_told_and_found(as_buyer, buyer):
    maker, checker = make_member("Mia", is_staff=True), make_member("Chen", is_staff=True)
    asked = adjustments.ask(maker, buyer, "goodwill", cents=500, reason="Counted twice.")
    adjustments.approve(checker, asked)
    page = as_buyer.get(f"{URL}?kind=adjustment").text
    assert "Promotional credit granted" in page
    assert "Counted twice" not in page, "the reason is for our staff"


def test_every_kind_that_moves_a_balance_can_be_asked_for():
    ours = {"fee", "suspense", "payout"}  # between accounts of the house, or before anybody's name is on it
    assert set(StatementForm.KINDS) == set(Transfer.Kind.values) - ours


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("from=yesterday", 'value="yesterday"'),
        ("to=2026-02-30", 'value="2026-02-30"'),
        ("from=9999-12-31", 'value="9999-12-31"'),
        ("to=0001-01-01", 'value="0001-01-01"'),
        ("from=2026-11-22&to=2026-11-21", 'value="2026-11-22"'),
        ("kind=fees", "Select a valid choice"),
        ("from=%3Cscript%3E", "&lt;script&gt;"),
    ],
)
def test_what_is_no_filter_is_refused_and_kept(as_buyer, buyer, query, kept):
    history(buyer, 3)
    response = as_buyer.get(f"{URL}?{query}")
    assert response.status_code == 422
    page = response.content.decode()
    assert "<title>Error: Wallet" in page
    assert kept in page


@pytest.mark.parametrize("query", ["after=-1", "after=junk", "after=x%00", "before=9223372036854775808", "before=0"])
def test_a_made_up_cursor_is_404(as_buyer, buyer, query):
    history(buyer, 3)
    assert as_buyer.get(f"{URL}?{query}").status_code == 404
    assert as_buyer.get(f"/wallet/statement.csv?{query}").status_code == 404


@pytest.mark.parametrize("day", ["2028-02-29", "2026-03-29", "2026-11-01", "2099-12-31", "2000-01-01"])
def test_days_of_every_sort(as_buyer, buyer, day):
    buyer.time_zone = "America/New_York"
    buyer.save()
    assert as_buyer.get(f"{URL}?from={day}&to={day}").status_code == 200


# --- whose it is ------------------------------------------------------------------------------------------------------


def test_somebody_else_sees_their_own(as_buyer, buyer):
    give(make_bob(), 4_242, reference="pi_bob:credit")
    assert "$42.42" not in as_buyer.get(URL).content.decode()


def test_visitors_sign_in_first(client):
    for address in (URL, "/wallet/add/", "/wallet/billing/", "/wallet/statement.csv", "/wallet/deposits/bcdfg/"):
        response = client.get(address)
        assert response.status_code == 302
        assert response["Location"].startswith("/accounts/login/?next=")


def test_nothing_is_stored_by_the_browser(as_buyer):
    assert as_buyer.get(URL)["Cache-Control"] == "no-store"


def test_no_primary_key_in_an_address(as_buyer, buyer):
    other = make_bob()
    give(other, 100, reference="x")
    history(buyer, 30)
    page = as_buyer.get(URL).context["page"]
    assert page.older == 6  # the sixth of this member, not the key of a row
