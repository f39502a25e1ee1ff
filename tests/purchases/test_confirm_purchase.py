"""The tag that puts the confirmation of the chosen lead on the page one comes back to with money."""

import html
import re

import pytest
from django.contrib.auth.models import AnonymousUser
from django.template import Context, Template
from django.test import RequestFactory
from django.urls import reverse

from marketplace.leads.models import Lead
from marketplace.purchases.services import buy_lead, new_key
from tests.people import give, make_member
from tests.stock import make_lead


def panel(user, *lead_ids):
    request = RequestFactory().get("/wallet/deposits/x/")
    request.user = user
    template = Template("{% load purchases %}{% confirm_purchase lead_ids %}")
    return html.unescape(template.render(Context({"request": request, "lead_ids": lead_ids, "csrf_token": "t"})))


def test_it_works(as_alice, alice):
    lead = make_lead(price_cents=2450)

    page = panel(alice, lead.public_id)

    assert "Pay $24.50 and show contact" in page
    assert "$975.50" in page
    assert 'name="csrfmiddlewaretoken" value="t"' in page
    fields = dict(re.findall(r'name="(key|price_seen)" value="([^"]+)"', page))
    action = page.split('action="')[1].split('"')[0]
    assert action == reverse("purchases:buy_lead", args=[lead.public_id])
    assert "/my-leads/" in as_alice.post(action, fields)["Location"]


def test_what_i_own_already(alice):
    lead = make_lead()
    purchase = buy_lead(alice, lead, price_seen=lead.price_cents, key=new_key())
    page = panel(alice, lead.public_id)
    assert "You own this contact." in page
    assert reverse("purchases:my_lead", args=[purchase.public_id]) in page
    assert "<form" not in page


def test_sold_meanwhile(alice, bob):
    lead = make_lead()
    buy_lead(bob, lead, price_seen=lead.price_cents, key=new_key())
    page = panel(alice, lead.public_id)
    assert "Somebody else bought it meanwhile. You were not charged for it" in page
    assert reverse("leads:lead", args=[lead.public_id]) in page
    assert "<form" not in page


def test_still_not_enough(db):
    carol = make_member("Carol", cents=1000)
    lead = make_lead(price_cents=2450)
    page = panel(carol, lead.public_id)
    assert "Your balance does not cover it yet." in page
    assert "You need $14.50 more." in page
    assert f"{reverse('wallet:add_money')}?lead={lead.public_id}" in page
    give(carol, 1450)
    assert "Pay $24.50 and show contact" in panel(carol, lead.public_id)


def test_the_state_outside_the_license_is_said_here_too(alice):
    alice.licensed_states = ["TX"]
    assert "not among the states of your license" in panel(alice, make_lead().public_id)


@pytest.mark.parametrize("lead_id", ["", "nothere"])
def test_no_such_lead_shows_nothing(alice, lead_id):
    assert panel(alice, lead_id).strip() == ""


def test_a_lead_held_back_shows_nothing(alice):
    lead = make_lead()
    Lead.objects.update(status=Lead.Status.HELD)
    assert panel(alice, lead.public_id).strip() == ""


def test_a_visitor_sees_nothing(db):
    assert panel(AnonymousUser(), make_lead().public_id).strip() == ""


# --- several leads ----------------------------------------------------------------------------------------------------


def test_several_are_confirmed_together(as_alice, alice, bob):
    first, second, gone = make_lead(price_cents=2450), make_lead(price_cents=1000), make_lead()
    buy_lead(bob, gone, price_seen=gone.price_cents, key=new_key())

    page = panel(alice, first.public_id, second.public_id, gone.public_id)

    assert "Pay $34.50 and show 2 contacts" in page
    assert "It is sold out." in page
    assert 'name="csrfmiddlewaretoken" value="t"' in page
    fields = {
        "key": re.search(r'name="key" value="(\w+)"', page)[1],
        "seen": re.findall(r'name="seen" value="([\w:]+)"', page),
        "lead": re.findall(r'name="lead" value="(\w+)"', page),
    }
    assert "/orders/" in as_alice.post(reverse("purchases:buy_leads"), fields)["Location"]


def test_still_not_enough_for_several(db):
    carol = make_member("Carol", cents=1000)
    leads = [make_lead(price_cents=700), make_lead(price_cents=800)]
    page = panel(carol, *(lead.public_id for lead in leads))
    assert "$5.00 more" in page
    assert f"{reverse('wallet:add_money')}?lead={leads[0].public_id}&lead={leads[1].public_id}&amount=%245.00" in page


def test_of_several_one_that_does_not_exist_any_more_is_passed_over(alice):
    assert "Pay $5.00 and show the contact" in panel(alice, "nothere", make_lead(price_cents=500).public_id)


def test_a_visitor_sees_nothing_of_several(db):
    assert panel(AnonymousUser(), make_lead().public_id, make_lead().public_id).strip() == ""
