"""Where the card page comes back to: the processor's word counts, never the address."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from marketplace.core import clock
from marketplace.wallet.models import Deposit
from tests.people import make_bob
from tests.stock import make_lead
from tests.wallet.conftest import again, balance

pytestmark = pytest.mark.django_db


def url(deposit: Deposit, query: str = "") -> str:
    return reverse("wallet:deposit", args=[deposit.public_id]) + query


def look(as_buyer, deposit: Deposit, query: str = "") -> str:
    response = as_buyer.get(url(deposit, query))
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.django_db(transaction=True)
def test_it_works(site, as_buyer, buyer):
    """The member is back before any notice: we ask, credit once, and show the new balance and the receipt."""
    deposit = site.start(buyer)
    site.pay(deposit)
    page = look(as_buyer, deposit)
    assert "$100.00 added" in page
    assert reverse("wallet:receipt", args=[deposit.public_id]) in page
    assert balance(buyer) == 10_000
    look(as_buyer, deposit)
    site.hear(times=2)
    assert balance(buyer) == 10_000


def test_the_chosen_lead_is_confirmed_here(site, as_buyer, buyer):
    lead = make_lead(price_cents=2_450)
    deposit = site.start(buyer)
    Deposit.objects.filter(pk=deposit.pk).update(lead_ids=lead.public_id)
    site.pay(deposit)
    page = look(as_buyer, deposit)
    assert "Pay $24.50 and show contact" in page
    assert reverse("purchases:buy_lead", args=[lead.public_id]) in page


def test_all_the_chosen_leads_are_confirmed_here(site, as_buyer, buyer):
    leads = [make_lead(price_cents=2_450) for _ in range(3)]
    deposit = site.start(buyer)
    Deposit.objects.filter(pk=deposit.pk).update(lead_ids=" ".join(lead.public_id for lead in leads))
    site.pay(deposit)
    page = look(as_buyer, deposit)
    assert "Pay $73.50 and show 3 contacts" in page
    assert f'action="{reverse("purchases:buy_leads")}"' in page


@pytest.mark.parametrize("lead_id", ["", "bcdfghjkmnpqrs"])
def test_no_lead_or_one_that_is_gone(site, as_buyer, buyer, lead_id):
    deposit = site.start(buyer)
    Deposit.objects.filter(pk=deposit.pk).update(lead_ids=lead_id)
    site.pay(deposit)
    page = look(as_buyer, deposit)
    assert "show contact" not in page
    assert "$100.00 added" in page


def test_cancelled(site, as_buyer, buyer):
    deposit = site.start(buyer)
    Deposit.objects.filter(pk=deposit.pk).update(lead_ids="bcdfgh")
    page = look(as_buyer, deposit, "?cancelled=1")
    assert "<title>You cancelled - Deposit - Leadfair</title>" in page
    assert "<h1>You cancelled</h1>" in page
    assert "Nothing was charged." in page
    assert f"{reverse('wallet:add_money')}?amount=%24100.00&amp;lead=bcdfgh" in page
    assert again(deposit).state == "open"


def test_cancelled_with_several_leads(site, as_buyer, buyer):
    deposit = site.start(buyer)
    Deposit.objects.filter(pk=deposit.pk).update(lead_ids="bcdfgh bcdfgj")
    page = look(as_buyer, deposit, "?cancelled=1")
    assert f"{reverse('wallet:add_money')}?amount=%24100.00&amp;lead=bcdfgh&amp;lead=bcdfgj" in page
    assert '<a class="btn btn-line" href="/leads/buy/?lead=bcdfgh&amp;lead=bcdfgj">Back to the leads</a>' in page


def test_cancelled_in_the_address_and_paid_in_truth(site, as_buyer, buyer):
    deposit = site.start(buyer)
    site.pay(deposit)
    assert "$100.00 added" in look(as_buyer, deposit, "?cancelled=1")


@pytest.mark.parametrize("query", ["", "?session_id=cs_made_up", "?paid=1&state=paid&amount=100000", "?success=true"])
def test_nothing_in_the_address_pays(site, as_buyer, buyer, query):
    deposit = site.start(buyer)
    page = look(as_buyer, deposit, query)
    assert "Not paid yet" in page
    assert (again(deposit).state, balance(buyer)) == ("open", 0)


def test_on_its_way(site, as_buyer, buyer):
    deposit = site.start(buyer)
    site.processor.async_payment(deposit.session_id)
    response = as_buyer.get(url(deposit))
    page = response.content.decode()
    assert "Your deposit is on its way" in page
    assert "You can leave this page" in page
    assert response["Refresh"] == "5"
    still = as_buyer.get(url(deposit, "?still=1"))
    assert "Refresh" not in still
    site.processor.async_succeeded(deposit.session_id)
    done = as_buyer.get(url(deposit))
    assert "$100.00 added" in done.content.decode()
    assert "Refresh" not in done


def test_another_currency(site, as_buyer, buyer):
    site.processor.faults.receive(currency="eur")
    deposit = site.start(buyer)
    intent = site.pay(deposit)
    answer = as_buyer.get(url(deposit))
    assert "Your deposit is being looked at" in answer.text
    assert "Try again" not in answer.text
    assert "Refresh" not in answer
    site.processor.refund(intent)
    page = look(as_buyer, deposit)
    assert "The payment was sent back" in page
    assert "Nothing was added and nothing is owed." in page
    assert "Try again" in page
    site.miss()


def test_a_page_left_open_stops_asking(site, as_buyer, buyer):
    deposit = site.start(buyer)
    site.processor.async_payment(deposit.session_id)
    with time_machine.travel(clock.now() + timedelta(minutes=20)):
        as_buyer.force_login(buyer)
        assert "Refresh" not in as_buyer.get(url(deposit))


def test_failed(site, as_buyer, buyer):
    deposit = site.start(buyer)
    site.processor.async_payment(deposit.session_id)
    site.processor.async_failed(deposit.session_id)
    page = look(as_buyer, deposit)
    assert "The payment did not come through" in page
    assert "Try again" in page


def test_expired(site, as_buyer, buyer):
    deposit = site.start(buyer)
    site.processor.expire(deposit.session_id)
    page = look(as_buyer, deposit)
    assert "The card page has closed" in page
    assert "Try again" in page


def test_never_started(db, as_buyer, buyer):
    deposit = Deposit.objects.create(
        buyer=buyer, amount_cents=10_000, created_at=clock.now(), expires_at=clock.now() + timedelta(minutes=35)
    )
    assert "The card page was never opened. Nothing was charged." in look(as_buyer, deposit)


def test_another_amount_than_asked(site, as_buyer, buyer):
    site.processor.faults.receive(amount=7_000)
    deposit = site.start(buyer)
    site.pay(deposit)
    page = look(as_buyer, deposit)
    assert "$70.00 added" in page
    assert "You asked for" in page


def test_what_is_paid_or_over_is_not_asked_about_again(site, as_buyer, buyer):
    paid, _ = site.funded(buyer)
    expired = site.start(buyer)
    site.processor.expire(expired.session_id)
    site.hear()
    asked = len(site.processor.requests)
    look(as_buyer, paid)
    look(as_buyer, expired)
    assert len(site.processor.requests) == asked


def test_a_processor_that_is_away(site, as_buyer, buyer, impatient):
    deposit = site.start(buyer)
    site.pay(deposit)
    site.processor.faults.fail_before("GET", times=None)
    response = as_buyer.get(url(deposit))
    page = response.content.decode()
    assert response.status_code == 200
    assert response["Refresh"] == "5"
    assert "We could not ask the card processor" in page
    assert "Try again" not in page  # it may have been paid
    site.processor.faults.clear()
    assert "$100.00 added" in look(as_buyer, deposit)


def test_a_restless_visitor_does_not_wear_the_processor_out(site, as_buyer, buyer):
    deposit = site.start(buyer)
    with time_machine.travel(clock.now().replace(second=5), tick=False):
        as_buyer.force_login(buyer)
        before = len(site.processor.requests)
        for _ in range(40):
            assert as_buyer.get(url(deposit)).status_code == 200
        assert len(site.processor.requests) - before == 30


def test_what_is_not_yours_does_not_exist(site, buyer):
    deposit = site.start(buyer)
    site.pay(deposit)
    bob = Client()
    bob.force_login(make_bob())
    theirs = bob.get(url(deposit))
    missing = bob.get("/wallet/deposits/bcdfghjkmnpqrs/")
    assert (theirs.status_code, missing.status_code) == (404, 404)
    assert theirs.content.replace(deposit.public_id.encode(), b"") == missing.content.replace(b"bcdfghjkmnpqrs", b"")
    assert again(deposit).state == "open"  # nor was it settled for him
    site.hear()


@pytest.mark.parametrize("public_id", ["1", "cs_test_1", "x" * 300, "%00", "..%2f"])
def test_made_up_numbers(as_buyer, public_id):
    assert as_buyer.get(f"/wallet/deposits/{public_id}/").status_code == 404


def test_looking_only(as_buyer, buyer, site):
    deposit = site.start(buyer)
    assert as_buyer.post(url(deposit)).status_code == 405
