"""`/leads/<id>/buy/`: GET confirms, POST buys. What was not shown is never charged; every race ends in words."""

import html
import re
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from accounts.models import User
from marketplace.core import clock
from marketplace.core.money import dollars
from marketplace.leads import services as leads
from marketplace.leads.models import Consent, Lead
from marketplace.leads.services import LeadUnavailable
from marketplace.ledger import services as ledger
from marketplace.mail.models import OutgoingEmail
from marketplace.purchases.models import Order, Purchase
from marketplace.purchases.services import AlreadyBought, Wanted, buy_lead, buy_leads, new_key
from marketplace.wallet.models import Deposit, Dispute
from privacy.policy.models import Acceptance
from tests.people import give, make_member
from tests.stock import make_lead


def url(lead):
    return f"/leads/{lead.public_id}/buy/"


def hidden(response):
    """The hidden fields of the confirmation form on the page."""
    form = response.content.decode().split('action="/leads/')[1].split("</form>")[0]
    return dict(re.findall(r'name="(key|price_seen)" value="([^"]+)"', form))


def text_of(response):
    return html.unescape(response.content.decode())


def balance(user):
    return ledger.wallet_of(user.pk).available


def test_it_works(as_alice, alice):
    lead = make_lead(price_cents=2450, phone="+16145550142")

    confirmation = as_alice.get(url(lead))
    page = text_of(confirmation)
    assert confirmation.status_code == 200
    for said in ("$24.50", "$1,000.00", "$975.50", "Pay $24.50 and show contact", "/terms/"):
        assert said in page
    assert Acceptance.objects.get(user=alice).sha256 in page
    assert page.index("Pay $24.50") < page.index("Which version exactly?")  # nobody pays past a number of 64 digits

    response = as_alice.post(url(lead), hidden(confirmation))

    purchase = Purchase.objects.get(buyer=alice, lead=lead)
    assert response.status_code == 302
    assert response["Location"] == reverse("purchases:my_lead", args=[purchase.public_id])
    assert purchase.price_cents == 2450
    assert balance(alice) == 100_000 - 2450
    assert "(614) 555-0142" in text_of(as_alice.get(response["Location"]))


def test_the_form_carries_the_price_and_a_fresh_key(as_alice):
    lead = make_lead(price_cents=2450)
    first, second = hidden(as_alice.get(url(lead))), hidden(as_alice.get(url(lead)))
    assert first["price_seen"] == second["price_seen"] == "2450"
    assert first["key"] != second["key"]


def test_a_double_click_buys_once_and_shows_the_purchase(as_alice, alice):
    lead = make_lead(buyers=3)
    fields = hidden(as_alice.get(url(lead)))

    answers = [as_alice.post(url(lead), fields) for _ in range(3)]

    assert len({answer["Location"] for answer in answers}) == 1
    assert Purchase.objects.count() == 1
    assert balance(alice) == 100_000 - lead.price_cents
    assert OutgoingEmail.objects.filter(key__startswith="purchase:").count() == 1


def test_going_back_after_buying_shows_the_purchase(as_alice, alice):
    lead = make_lead()
    bought = as_alice.post(url(lead), hidden(as_alice.get(url(lead))))["Location"]
    response = as_alice.get(url(lead))
    assert response.status_code == 302
    assert response["Location"] == bought


def test_two_tabs_buy_once(as_alice, alice):
    lead = make_lead(buyers=3)
    one, two = hidden(as_alice.get(url(lead))), hidden(as_alice.get(url(lead)))
    as_alice.post(url(lead), one)

    response = as_alice.post(url(lead), two)

    assert response.status_code == 409
    assert "You bought this lead before. You were not charged again." in text_of(response)
    assert Purchase.objects.get().public_id in text_of(response)
    assert balance(alice) == 100_000 - lead.price_cents


# --- who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "door"), [("get", "account_signup"), ("post", "account_login")])
def test_a_visitor_signs_up_or_in_and_comes_back(client, db, method, door):
    """Who presses the button had the form, and so an account."""
    lead = make_lead()
    response = getattr(client, method)(url(lead))
    assert response.status_code == 302
    assert response["Location"] == f"{reverse(door)}?next={url(lead)}"
    assert not response.cookies
    assert not Purchase.objects.exists()


@pytest.mark.parametrize("method", ["get", "post"])
def test_nobody_buys_before_their_email_is_proved(client, db, method):
    """AL-07"""
    alice = make_member("Alice", cents=100_000)
    alice.email_verified_at = None
    alice.save()
    client.force_login(alice)
    lead = make_lead(price_cents=2450)

    response = getattr(client, method)(url(lead), {"key": new_key(), "price_seen": 2450})

    assert response.status_code == 403
    assert "Please confirm your email address first." in text_of(response)
    assert balance(alice) == 100_000


@pytest.mark.parametrize("method", ["get", "post"])
def test_nobody_buys_without_having_accepted_the_terms(client, db, method):
    carol = User.objects.create_superuser("carol@example.com", "Carol", "correct horse battery")
    give(carol, 100_000)
    client.force_login(carol)
    lead = make_lead(price_cents=2450)

    response = getattr(client, method)(url(lead), {"key": new_key(), "price_seen": 2450})

    assert response.status_code == 403
    assert "Please accept the terms of use before you buy." in text_of(response)
    assert reverse("privacy:terms") in text_of(response)
    assert balance(carol) == 100_000


@pytest.mark.parametrize("method", ["get", "post"])
def test_who_disputes_a_payment_does_not_buy(as_alice, alice, method):
    deposit = Deposit.objects.create(buyer=alice, amount_cents=2500, created_at=clock.now(), expires_at=clock.now())
    Dispute.objects.create(
        processor_id="du_1",
        deposit=deposit,
        buyer=alice,
        amount_cents=2500,
        state="x",
        is_open=True,
        seen_at=clock.now(),
    )
    lead = make_lead(price_cents=2450)

    response = getattr(as_alice, method)(url(lead), {"key": new_key(), "price_seen": 2450})

    assert response.status_code == 403
    assert "One of your card payments is disputed." in text_of(response)
    assert reverse("wallet:wallet") in text_of(response)
    assert balance(alice) == 100_000


@pytest.mark.parametrize("path", ["/leads/nothere/buy/", "/leads/a%00/buy/"])
def test_other_leads_are_404(as_alice, path):
    assert as_alice.get(path).status_code == 404
    assert as_alice.post(path, {"key": new_key(), "price_seen": 1}).status_code == 404


def test_who_presses_for_a_lead_that_never_was_is_told_that_nothing_was_charged(as_alice):
    response = as_alice.post("/leads/nothere/buy/", {"key": new_key(), "price_seen": 1})
    assert response.status_code == 404
    assert "Nothing was charged." in response.text
    assert f'href="{reverse("leads:catalogue")}">See leads for sale' in response.text


def test_who_goes_back_after_buying_is_told(as_alice):
    lead = make_lead(price_cents=2450)
    bought = as_alice.post(url(lead), hidden(as_alice.get(url(lead))))
    page = as_alice.get(url(lead), follow=True)
    assert page.redirect_chain == [(bought["Location"], 302)]
    assert page.text.count("You have bought this lead already. Nothing was charged again.") == 1
    as_alice.head(url(lead))
    assert "Nothing was charged again." not in as_alice.get(page.redirect_chain[0][0]).text, (
        "who only asks is told nothing"
    )


def test_a_lead_held_back_does_not_exist(as_alice, alice):
    lead = make_lead(price_cents=2450)
    Lead.objects.update(status=Lead.Status.HELD)
    assert as_alice.get(url(lead)).status_code == 404
    assert as_alice.post(url(lead), {"key": new_key(), "price_seen": 2450}).status_code == 404


def test_the_form_needs_its_token(alice):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    lead = make_lead(price_cents=2450)
    assert browser.post(url(lead), {"key": new_key(), "price_seen": 2450}).status_code == 403
    assert not Purchase.objects.exists()


def test_other_methods_are_refused(as_alice):
    lead = make_lead()
    assert as_alice.head(url(lead)).status_code == 200
    assert as_alice.put(url(lead)).status_code == 405
    assert as_alice.delete(url(lead)).status_code == 405


# --- the form ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"key": ""},
        {"key": "a" * 14},
        {"key": "b" * 15},
        {"key": "b" * 13 + "\n"},
        {"key": "'; DROP TABLE"},
        {"price_seen": ""},
        {"price_seen": "0"},
        {"price_seen": "-2450"},
        {"price_seen": "24.50"},
        {"price_seen": "1e4"},
        {"price_seen": "1" * 30},
        {"price_seen": "NaN"},
        {"price_seen": "2450\x00"},
    ],
)
def test_a_form_that_is_not_complete_charges_nothing(as_alice, alice, fields):
    lead = make_lead(price_cents=2450)
    whole = {"key": new_key(), "price_seen": "2450"} if fields else {}

    response = as_alice.post(url(lead), whole | fields)

    assert response.status_code == 422
    assert "<title>Error: " in text_of(response)
    assert "The form did not arrive complete. Nothing was charged." in text_of(response)
    assert balance(alice) == 100_000
    assert as_alice.post(url(lead), hidden(response)).status_code == 302


def test_a_price_lowered_in_the_form_is_never_charged(as_alice, alice):
    """B2"""
    lead = make_lead(price_cents=2450)
    fields = hidden(as_alice.get(url(lead))) | {"price_seen": "1"}
    response = as_alice.post(url(lead), fields)
    assert response.status_code == 409
    assert balance(alice) == 100_000


def test_a_key_that_served_another_lead_buys_nothing(as_alice, alice):
    first, second = make_lead(), make_lead()
    fields = hidden(as_alice.get(url(first)))
    as_alice.post(url(first), fields)

    response = as_alice.post(url(second), fields | {"price_seen": second.price_cents})

    assert response.status_code == 409
    assert "This form was already used for another purchase." in text_of(response)
    assert reverse("leads:lead", args=[second.public_id]) in text_of(response)
    assert balance(alice) == 100_000 - first.price_cents


def test_the_key_of_another_member_is_no_secret(as_alice, alice, bob):
    lead = make_lead(buyers=2)
    key = new_key()
    buy_lead(bob, lead, price_seen=lead.price_cents, key=key)

    response = as_alice.post(url(lead), {"key": key, "price_seen": lead.price_cents})

    mine = Purchase.objects.get(buyer=alice)
    assert response["Location"] == reverse("purchases:my_lead", args=[mine.public_id])


# --- too little money -------------------------------------------------------------------------------------------------


def test_too_little_money_goes_straight_to_adding_some(client, db):
    poor = make_member("Alice", cents=1000)
    client.force_login(poor)
    lead = make_lead(price_cents=2450)

    response = client.get(url(lead))

    assert response.status_code == 302
    assert response["Location"] == f"{reverse('wallet:add_money')}?lead={lead.public_id}&amount=%2414.50"


def test_money_that_went_meanwhile_is_named_with_the_way_back(as_alice, alice):
    lead, other = make_lead(price_cents=60_000), make_lead(price_cents=50_000)
    fields = hidden(as_alice.get(url(lead)))
    buy_lead(alice, other, price_seen=50_000, key=new_key())

    response = as_alice.post(url(lead), fields)

    page = text_of(response)
    assert response.status_code == 409
    assert "Your balance does not cover this. You were not charged." in page
    assert "This lead costs $600.00. You need $100.00 more." in page
    assert f"{reverse('wallet:add_money')}?lead={lead.public_id}" in page
    assert balance(alice) == 50_000

    give(alice, 10_000)
    assert as_alice.post(url(lead), fields).status_code == 302  # the key was not consumed
    assert balance(alice) == 0


def test_a_price_that_fell_meanwhile_is_named_before_money_is_asked_for(as_alice, alice):
    lead, other = make_lead(price_cents=60_000), make_lead(price_cents=50_000)
    fields = hidden(as_alice.get(url(lead)))
    buy_lead(alice, other, price_seen=50_000, key=new_key())
    Lead.objects.filter(pk=lead.pk).update(price_cents=40_000)

    response = as_alice.post(url(lead), fields)

    page = text_of(response)
    assert response.status_code == 409
    assert "The price changed while you were reading." in page
    assert "more." not in page
    assert as_alice.post(url(lead), hidden(response)).status_code == 302
    assert balance(alice) == 10_000


def test_nobody_is_asked_for_money_for_a_lead_that_is_gone(as_alice, alice, bob):
    lead, other = make_lead(price_cents=60_000), make_lead(price_cents=50_000)
    fields = hidden(as_alice.get(url(lead)))
    buy_lead(alice, other, price_seen=50_000, key=new_key())
    buy_lead(bob, lead, price_seen=60_000, key=new_key())

    response = as_alice.post(url(lead), fields)

    assert response.status_code == 409
    assert "Somebody else bought it a moment ago. You were not charged." in text_of(response)
    assert reverse("wallet:add_money") not in text_of(response).split("<main")[1].split("</main>")[0]
    assert balance(alice) == 50_000


# --- several at once --------------------------------------------------------------------------------------------------


def test_of_several_those_still_free_are_bought_and_paid_for(alice, bob):
    """The refused line was paid for before its lead turned out to be gone; that is undone, the others stay."""
    first, gone, dear, last = (make_lead(price_cents=cents) for cents in (500, 500, 90_000, 20_000))
    buy_lead(bob, gone, price_seen=gone.price_cents, key=new_key())
    wanted = [Wanted(lead, lead.price_cents) for lead in (last, gone, dear, first)]

    outcome = buy_leads(alice, wanted, key=new_key())

    assert {purchase.lead_id for purchase in outcome.purchases} == {first.pk, dear.pk}
    assert {pk: type(why).__name__ for pk, why in outcome.refused.items()} == {
        gone.pk: "LeadUnavailable",
        last.pk: "InsufficientFunds",
    }
    assert balance(alice) == 100_000 - first.price_cents - 90_000
    assert Order.objects.get(buyer=alice).purchases.count() == 2
    assert OutgoingEmail.objects.filter(user=alice, key__startswith="purchase:").count() == 1


def test_of_several_that_are_all_gone_nothing_is_written(alice, bob):
    gone, too = make_lead(), make_lead()
    for lead in (gone, too):
        buy_lead(bob, lead, price_seen=lead.price_cents, key=new_key())
    key = new_key()
    with pytest.raises(LeadUnavailable):
        buy_leads(alice, [Wanted(lead, lead.price_cents) for lead in (gone, too)], key=key)
    assert not Order.objects.filter(buyer=alice).exists()
    assert balance(alice) == 100_000


# --- the same person --------------------------------------------------------------------------------------------------


def test_the_same_person_after_90_days_is_sold_again(alice):
    """Inside 90 days never twice, whatever the vertical; afterwards it is a new request."""
    phone = "+16145550177"
    first = make_lead(phone=phone, price_cents=500)
    again = make_lead(phone=phone, price_cents=500, vertical="solar")
    start = clock.now()
    buy_lead(alice, first, price_seen=500, key=new_key())
    with time_machine.travel(start + timedelta(days=89, hours=23), tick=False), pytest.raises(AlreadyBought):
        buy_lead(alice, again, price_seen=500, key=new_key())
    with time_machine.travel(start + timedelta(days=90, hours=1), tick=False):
        assert buy_lead(alice, again, price_seen=500, key=new_key()).lead_id == again.pk


# --- races ------------------------------------------------------------------------------------------------------------


def test_sold_a_moment_ago(as_alice, alice, bob):
    lead, similar = make_lead(), make_lead()
    fields = hidden(as_alice.get(url(lead)))
    buy_lead(bob, lead, price_seen=lead.price_cents, key=new_key())

    response = as_alice.post(url(lead), fields)

    page = text_of(response)
    assert response.status_code == 409
    assert "Somebody else bought it a moment ago. You were not charged." in page
    assert f'id="lead-{similar.public_id}"' in page
    assert balance(alice) == 100_000
    assert not Order.objects.filter(buyer=alice).exists()


def test_at_most_six_similar_leads(as_alice, bob):
    lead = make_lead()
    for _ in range(8):
        make_lead()
    fields = hidden(as_alice.get(url(lead)))
    buy_lead(bob, lead, price_seen=lead.price_cents, key=new_key())
    assert text_of(as_alice.post(url(lead), fields)).count('<article class="ticket') == 6


def test_the_last_slot_of_a_shared_lead(as_alice, alice, bob):
    lead = make_lead(buyers=2)
    fields = hidden(as_alice.get(url(lead)))
    buy_lead(bob, lead, price_seen=lead.price_cents, key=new_key())
    buy_lead(make_member("Carol", cents=100_000), lead, price_seen=lead.price_cents, key=new_key())
    assert as_alice.post(url(lead), fields).status_code == 409
    assert balance(alice) == 100_000


def test_withdrawn_meanwhile(as_alice, alice):
    lead = make_lead()
    fields = hidden(as_alice.get(url(lead)))
    Lead.objects.filter(pk=lead.pk).update(status=Lead.Status.WITHDRAWN)
    response = as_alice.post(url(lead), fields)
    assert response.status_code == 409
    assert "This lead was withdrawn a moment ago. You were not charged." in text_of(response)
    assert balance(alice) == 100_000


@pytest.mark.parametrize("column", ["expires_at", "revoked_at"])
def test_a_lead_whose_consent_ended_is_not_sold_before_the_job_comes(as_alice, alice, column):
    """DX-16: never after revocation, nor after the consent ran out."""
    lead = make_lead(price_cents=2_000)
    form = hidden(as_alice.get(url(lead)))
    Consent.objects.filter(pk=lead.consent_id).update(**{column: clock.now()})
    for response in (as_alice.post(url(lead), form), as_alice.get(url(lead))):
        assert response.status_code == 409
        assert "This lead was withdrawn a moment ago. You were not charged." in text_of(response)
    assert balance(alice) == 100_000


def test_control_without_the_look_at_the_consent_it_is_sold(alice, monkeypatch):
    lead = make_lead(price_cents=2_000)
    Consent.objects.filter(pk=lead.consent_id).update(expires_at=clock.now())
    monkeypatch.setattr(leads, "_TAKE_SLOT", leads._TAKE_SLOT.replace(leads._CONSENT_STANDS, "%s IS NOT NULL"))
    assert buy_lead(alice, lead, price_seen=2_000, key=new_key()).pk


def test_confirming_what_is_gone_leads_to_its_page(as_alice, bob):
    lead = make_lead()
    buy_lead(bob, lead, price_seen=lead.price_cents, key=new_key())
    response = as_alice.get(url(lead))
    assert response.status_code == 302
    assert response["Location"] == reverse("leads:lead", args=[lead.public_id])


@pytest.mark.parametrize("present", [1900, 3000])
def test_the_price_changed_meanwhile(as_alice, alice, present):
    lead = make_lead(price_cents=2450)
    fields = hidden(as_alice.get(url(lead)))
    Lead.objects.filter(pk=lead.pk).update(price_cents=present)

    response = as_alice.post(url(lead), fields)

    page = text_of(response)
    assert response.status_code == 409
    assert "<dt>Price you saw</dt><dd>$24.50</dd>" in page
    assert f"<dt>Price now</dt><dd>{dollars(present)}</dd>" in page
    assert f"Pay {dollars(present)} and show contact" in page
    assert balance(alice) == 100_000

    assert as_alice.post(url(lead), hidden(response)).status_code == 302
    assert balance(alice) == 100_000 - present


def test_the_price_changed_beyond_the_balance(as_alice, alice):
    lead = make_lead(price_cents=2450)
    fields = hidden(as_alice.get(url(lead)))
    Lead.objects.filter(pk=lead.pk).update(price_cents=110_000)

    response = as_alice.post(url(lead), fields)

    assert response.status_code == 409
    assert "This lead costs $1,100.00. You need $100.00 more." in text_of(response)
    assert "Pay $" not in text_of(response)
    assert balance(alice) == 100_000


# --- the same person --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("same", [{"phone": "+16145550142"}, {"email": "same@example.org"}])
def test_the_same_person_is_not_sold_twice(as_alice, alice, same):
    first, second = make_lead(**same), make_lead(vertical="solar", **same)
    earlier = buy_lead(alice, first, price_seen=first.price_cents, key=new_key())

    for response in (
        as_alice.get(url(second)),
        as_alice.post(url(second), {"key": new_key(), "price_seen": second.price_cents}),
    ):
        assert response.status_code == 409
        assert "You bought this person before. You were not charged again." in text_of(response)
        assert reverse("purchases:my_lead", args=[earlier.public_id]) in text_of(response)
        assert "Auto insurance, Columbus OH, bought" in text_of(response)
    assert balance(alice) == 100_000 - first.price_cents


def test_the_purchase_of_another_member_does_not_count(as_alice, alice, bob):
    first, second = make_lead(phone="+16145550142"), make_lead(phone="+16145550142")
    buy_lead(bob, first, price_seen=first.price_cents, key=new_key())
    assert as_alice.get(url(second)).status_code == 200
