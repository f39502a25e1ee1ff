"""`/leads/buy/`: several leads in one order. GET confirms what was ticked, POST buys what is still free of it; what was
not shown is never charged, and what is left out is named."""

import html
import re
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from accounts.models import User
from marketplace.core import clock
from marketplace.leads.models import Consent, Lead
from marketplace.ledger import services as ledger
from marketplace.mail.models import OutgoingEmail
from marketplace.purchases.models import Order, Purchase, RefusedLine
from marketplace.purchases.services import buy_lead, new_key
from tests.people import give, make_member
from tests.stock import make_lead

URL = "/leads/buy/"


def address(*leads):
    return f"{URL}?{urlencode([('lead', lead.public_id) for lead in leads])}"


def text_of(response):
    return html.unescape(response.content.decode())


def fields_of(response, **changes):
    """What the form on the page sends: hidden fields, and the leads that are ticked."""
    page = response.content.decode().partition("<main")[2]
    form = page.split(f'action="{URL}"')[1].split("</form>")[0]
    return {
        "key": re.search(r'name="key" value="(\w+)"', form)[1],
        "seen": re.findall(r'name="seen" value="([\w:]+)"', form),
        "lead": re.findall(r'name="lead" value="(\w+)"[^>]* checked', form),
    } | changes


def balance(user):
    return ledger.wallet_of(user.pk).available


def sell(lead, buyer):
    return buy_lead(buyer, lead, price_seen=lead.price_cents, key=new_key())


def test_it_works(as_alice, alice):
    leads = [make_lead(price_cents=cents) for cents in (2450, 1250, 3000)]

    confirmation = as_alice.get(address(*leads))
    page = text_of(confirmation)
    assert confirmation.status_code == 200
    for said in ("3 leads", "$24.50", "$12.50", "$30.00", "$67.00", "$1,000.00", "$933.00", "/terms/"):
        assert said in page
    assert "Pay $67.00 and show 3 contacts" in page

    response = as_alice.post(URL, fields_of(confirmation))

    order = Order.objects.get(buyer=alice)
    assert response.status_code == 303
    assert response["Location"] == reverse("purchases:order", args=[order.public_id])
    assert set(order.purchases.values_list("lead", flat=True)) == {lead.pk for lead in leads}
    assert balance(alice) == 100_000 - 6700
    assert OutgoingEmail.objects.filter(user=alice, key__startswith="purchase:").count() == 1


def test_one_is_sold_meanwhile(as_alice, alice, bob):
    first, gone, last = (make_lead(price_cents=cents) for cents in (2450, 1250, 3000))
    fields = fields_of(as_alice.get(address(first, gone, last)))
    sell(gone, bob)

    response = as_alice.post(URL, fields)

    assert response.status_code == 303
    order = Order.objects.get(buyer=alice)
    assert set(order.purchases.values_list("lead", flat=True)) == {first.pk, last.pk}
    line = order.refused.get()
    assert (line.lead_id, line.reason, line.price_seen_cents) == (gone.pk, "sold", 1250)
    assert balance(alice) == 100_000 - 5450


def test_only_what_is_ticked_is_bought(as_alice, alice):
    wanted, other = make_lead(price_cents=500), make_lead(price_cents=700)
    fields = fields_of(as_alice.get(address(wanted, other)), lead=[wanted.public_id])
    assert as_alice.post(URL, fields).status_code == 303
    assert Purchase.objects.get().lead_id == wanted.pk
    assert balance(alice) == 100_000 - 500


def test_update_shows_the_sum_of_what_is_ticked(as_alice, alice):
    wanted, other = make_lead(price_cents=500), make_lead(price_cents=700)
    fields = fields_of(as_alice.get(address(wanted, other)), lead=[wanted.public_id], update="1")
    response = as_alice.post(URL, fields)
    assert response.status_code == 303
    assert response["Location"] == address(wanted)
    assert balance(alice) == 100_000
    assert "Pay $5.00 and show the contact" in text_of(as_alice.get(response["Location"]))


def test_a_double_press_is_one_order(as_alice, alice, bob):
    """Also when a lead was refused: the answer stays what it was."""
    first, gone, last = (make_lead(buyers=1) for _ in range(3))
    fields = fields_of(as_alice.get(address(first, gone, last)))
    sell(gone, bob)
    answers = [as_alice.post(URL, fields) for _ in range(3)]
    assert len({answer["Location"] for answer in answers}) == 1
    assert Order.objects.filter(buyer=alice).count() == 1
    assert RefusedLine.objects.count() == 1
    assert balance(alice) == 100_000 - first.price_cents - last.price_cents


def test_the_same_form_with_other_leads_buys_nothing(as_alice, alice):
    first, second = make_lead(price_cents=500), make_lead(price_cents=700)
    fields = fields_of(as_alice.get(address(first, second)))
    as_alice.post(URL, fields | {"lead": [first.public_id]})

    response = as_alice.post(URL, fields)

    assert response.status_code == 409
    assert "This form was already used for another purchase. Nothing was charged." in text_of(response)
    assert balance(alice) == 100_000 - 500
    assert as_alice.post(URL, fields_of(response)).status_code == 303  # the page holds a fresh form for the rest
    assert balance(alice) == 100_000 - 1200


def test_who_goes_back_after_an_order_is_told_and_led_to_it(as_alice, alice, bob):
    leads = [make_lead(price_cents=500), make_lead(price_cents=700)]
    fields = fields_of(as_alice.get(address(*leads)))
    order = as_alice.post(URL, fields)["Location"]

    page = text_of(as_alice.get(address(*leads)))

    assert "<h1>You have ordered these already</h1>" in page
    assert f'href="{order}">Open the order' in page
    assert 'method="post" action="/leads/buy/"' not in page
    assert as_alice.post(URL, fields)["Location"] == order, "the page that the browser kept does no harm"
    assert balance(alice) == 100_000 - 1200
    free = text_of(as_alice.get(address(*leads, make_lead(price_cents=900))))
    assert "You have ordered 2 of these leads already." in free
    assert "Pay $9.00 and show the contact" in free


def test_the_order_of_ticking_is_no_other_order(as_alice):
    leads = [make_lead() for _ in range(3)]
    fields = fields_of(as_alice.get(address(*leads)))
    first = as_alice.post(URL, fields)
    again = as_alice.post(URL, fields | {"lead": fields["lead"][::-1], "seen": fields["seen"][::-1]})
    assert first["Location"] == again["Location"]


# --- who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "door"), [("get", "account_signup"), ("post", "account_login")])
def test_a_visitor_signs_up_or_in_and_comes_back_to_the_selection(client, db, method, door):
    leads = [make_lead(), make_lead()]
    ids = [lead.public_id for lead in leads]
    response = getattr(client, method)(URL, {"lead": ids})
    assert response.status_code == 302
    assert response["Location"] == f"{reverse(door)}?{urlencode({'next': address(*leads)}, safe='/')}"
    assert not response.cookies
    assert not Purchase.objects.exists()


@pytest.mark.parametrize("method", ["get", "post"])
def test_nobody_buys_before_their_email_is_proved(client, db, method):
    alice = make_member("Alice", cents=100_000)
    alice.email_verified_at = None
    alice.save()
    client.force_login(alice)
    lead = make_lead(price_cents=500)
    fields = {"lead": [lead.public_id], "seen": [f"{lead.public_id}:500"], "key": new_key()}
    response = getattr(client, method)(URL, fields)
    assert response.status_code == 403
    assert "Please confirm your email address first." in text_of(response)
    assert balance(alice) == 100_000


@pytest.mark.parametrize("method", ["get", "post"])
def test_nobody_buys_without_having_accepted_the_terms(client, db, method):
    carol = User.objects.create_superuser("carol@example.com", "Carol", "correct horse battery")
    give(carol, 100_000)
    client.force_login(carol)
    lead = make_lead(price_cents=500)
    fields = {"lead": [lead.public_id], "seen": [f"{lead.public_id}:500"], "key": new_key()}
    response = getattr(client, method)(URL, fields)
    assert response.status_code == 403
    assert "Please accept the terms of use before you buy." in text_of(response)
    assert balance(carol) == 100_000


@pytest.mark.parametrize("method", ["get", "post"])
def test_who_owes_does_not_buy(as_alice, alice, method, django_capture_on_commit_callbacks):
    ledger.take_out(ledger.lock(alice.pk), "processor", 100_100, kind="dispute", reference="test:owed")
    lead = make_lead(price_cents=500)
    fields = {"lead": [lead.public_id], "seen": [f"{lead.public_id}:500"], "key": new_key()}
    response = getattr(as_alice, method)(URL, fields)
    assert response.status_code == 403
    assert "You owe $1.00 for a card payment that went back." in text_of(response)
    assert not Purchase.objects.exists()


def test_the_form_needs_its_token(alice):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    lead = make_lead(price_cents=500)
    fields = {"lead": [lead.public_id], "seen": [f"{lead.public_id}:500"], "key": new_key()}
    assert browser.post(URL, fields).status_code == 403
    assert not Purchase.objects.exists()


def test_other_methods_are_refused(as_alice):
    lead = make_lead()
    assert as_alice.head(address(lead)).status_code == 200
    assert as_alice.put(URL).status_code == 405
    assert as_alice.delete(URL).status_code == 405


# --- what is ticked ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("fields", [{}, {"lead": [""]}])
def test_none_is_ticked(client, db, method, fields):
    """Visitors are not sent to sign up for nothing."""
    response = getattr(client, method)(URL, fields)
    assert response.status_code == 422
    assert "Select at least one lead" in text_of(response)
    assert reverse("leads:catalogue") in text_of(response)
    assert not response.cookies


def test_more_than_one_order_holds(as_alice, alice):
    lead = make_lead()
    ids = [lead.public_id] + [new_key() for _ in range(settings.LEADS_AT_ONCE)]
    for response in (as_alice.get(URL, {"lead": ids}), as_alice.post(URL, {"lead": ids, "key": new_key()})):
        page = text_of(response)
        assert response.status_code == 422
        assert "You selected 51 leads. At most 50 can be bought in one order." in page
        assert f"{URL}?{urlencode([('lead', text) for text in ids[:50]])}" in page
    assert balance(alice) == 100_000


def test_a_lead_named_twice_is_one(as_alice):
    lead = make_lead(price_cents=500)
    page = text_of(as_alice.get(address(lead, lead)))
    assert "Pay $5.00 and show the contact" in page


@pytest.mark.parametrize("odd", ["nothere", "<script>", "x" * 3000, "a\x00b", "١٢"])
def test_ids_of_nothing_are_left_out_with_a_word(as_alice, odd):
    lead = make_lead(price_cents=500)
    response = as_alice.get(URL, {"lead": [lead.public_id, odd]})
    page = text_of(response)
    assert response.status_code == 200
    assert "1 of the leads you named does not exist and is left out." in page
    assert "Pay $5.00" in page
    assert "<script>" not in page


@pytest.mark.parametrize("odd", ["nothere", "<script>", "a\x00b"])
def test_only_ids_of_nothing(as_alice, odd):
    for response in (as_alice.get(URL, {"lead": [odd]}), as_alice.post(URL, {"lead": [odd]})):
        assert response.status_code == 404
        assert "Nothing was charged." in response.text
        assert f'href="{reverse("leads:catalogue")}">See leads for sale' in response.text


def test_a_lead_held_back_does_not_exist(as_alice):
    lead = make_lead()
    Lead.objects.update(status=Lead.Status.HELD)
    assert as_alice.get(address(lead)).status_code == 404


def test_what_cannot_be_bought_is_named_and_left_out_of_the_sum(as_alice, alice, bob):
    free, sold, mine, again, withdrawn, ended = (make_lead(price_cents=500) for _ in range(6))
    same = make_lead(price_cents=500, phone="+16145550177", city="Dayton")
    sell(sold, bob)
    earlier = sell(mine, alice)
    person = sell(make_lead(price_cents=500, phone="+16145550177"), alice)
    Lead.objects.filter(pk=withdrawn.pk).update(status=Lead.Status.WITHDRAWN)
    Consent.objects.filter(pk=ended.consent_id).update(revoked_at=clock.now())

    response = as_alice.get(address(free, sold, mine, again, withdrawn, ended, same))

    page = text_of(response)
    assert "Pay $10.00 and show 2 contacts" in page
    assert "5 cannot be bought" in page
    assert "It is sold out." in page
    assert page.count("It was withdrawn and is not for sale any more.") == 2
    assert "You own this lead." in page
    assert reverse("purchases:my_lead", args=[earlier.public_id]) in page
    assert "You bought this person before" in page
    assert reverse("purchases:my_lead", args=[person.public_id]) in page
    assert fields_of(response)["lead"] == [free.public_id, again.public_id]


def test_nobody_is_told_for_nothing_that_two_leads_are_the_same_person(as_alice, alice):
    """The order finds out, by id, and takes no money for the second."""
    first = make_lead(price_cents=500, phone="+16145550177")
    second = make_lead(price_cents=500, phone="+16145550177", vertical="solar")
    response = as_alice.get(address(second, first))
    assert "same person" not in text_of(response)
    order = as_alice.post(URL, fields_of(response), follow=True)
    assert [purchase.lead_id for purchase in Purchase.objects.filter(buyer=alice)] == [first.pk]
    assert "same person" in text_of(order)


def test_each_has_similar_ones_beside_it_none_twice(as_alice, alice, bob):
    gone = [make_lead(price_cents=500) for _ in range(2)]
    other = make_lead(price_cents=500, vertical="solar", state="AZ")
    mine = make_lead(price_cents=500)
    for lead in (*gone, other):
        sell(lead, bob)
    sell(mine, alice)
    similar = [make_lead(price_cents=600) for _ in range(5)]
    free = make_lead(price_cents=500)

    page = text_of(as_alice.get(address(free, *gone, other)))

    ids = re.findall(rf'href="{re.escape(address(free))}&lead=(\w+)"', page)
    assert len(ids) == 4
    assert set(ids) < {lead.public_id for lead in similar}
    assert mine.public_id not in ids


def test_nothing_is_offered_instead_of_what_the_buyer_has(as_alice, alice):
    mine, free = make_lead(price_cents=500), make_lead(price_cents=500)
    sell(mine, alice)
    make_lead(price_cents=600)
    page = text_of(as_alice.get(address(free, mine)))
    assert "You own this lead." in page
    assert f'href="{address(free)}&lead=' not in page
    fields = fields_of(as_alice.get(address(free))) | {"lead": [free.public_id, mine.public_id]}
    order = text_of(as_alice.post(URL, fields, follow=True))
    assert "You own this lead." in order
    assert "Similar:" not in order
    assert "No similar lead" not in order


def test_similar_ones_are_near_in_price(as_alice, bob):
    cheap, dear = make_lead(price_cents=1000), make_lead(price_cents=9000)
    near_dear = [make_lead(price_cents=cents) for cents in (8000, 9500)]
    near_cheap = [make_lead(price_cents=cents) for cents in (1100, 800)]
    for _ in range(3):
        make_lead(price_cents=30_000)
    for lead in (cheap, dear):
        sell(lead, bob)
    page = text_of(as_alice.get(address(cheap, dear)))
    ids = re.findall(r'href="/leads/buy/\?lead=(\w+)"', page)
    assert ids == [lead.public_id for lead in (near_cheap[0], near_cheap[1], near_dear[1], near_dear[0])]


def test_nothing_of_it_can_be_bought(as_alice, bob):
    gone = [make_lead(), make_lead()]
    for lead in gone:
        sell(lead, bob)
    page = text_of(as_alice.get(address(*gone)))
    assert "2 cannot be bought" in page
    assert 'method="post" action="/leads/buy/"' not in page
    assert reverse("leads:catalogue") in page


def test_states_outside_the_license_are_marked(as_alice, alice):
    alice.licensed_states = ["TX"]
    alice.save()
    page = text_of(as_alice.get(address(make_lead(), make_lead(state="TX"))))
    assert page.count("Outside the states of your license.") == 1


@pytest.mark.parametrize("number", [4, 50])
def test_as_many_queries_for_50_leads_as_for_4(as_alice, bob, number, django_assert_num_queries):
    states = ["OH", "TX", "CA", "NY", "AZ"]
    leads = [make_lead(price_cents=500, state=states[index % 5]) for index in range(number)]
    for lead in leads[::2]:
        Lead.objects.filter(pk=lead.pk).update(status=Lead.Status.WITHDRAWN)
    with django_assert_num_queries(11):
        assert as_alice.get(address(*leads)).status_code == 200


# --- too little money -------------------------------------------------------------------------------------------------


def test_too_little_money(client, db):
    poor = make_member("Alice", cents=1000)
    client.force_login(poor)
    leads = [make_lead(price_cents=cents) for cents in (600, 300, 2450)]

    response = client.get(address(*leads))

    page = text_of(response)
    assert response.status_code == 200
    assert "$23.50 more" in page
    assert f"{reverse('wallet:add_money')}?{address(*leads).partition('?')[2]}&amount=%2423.50" in page
    assert f'href="{address(*leads[:2])}">Only what your balance covers: 2 leads' in page
    assert "Pay $" not in page

    give(poor, 2350)
    assert "Pay $33.50 and show 3 contacts" in text_of(client.get(address(*leads)))


def test_money_that_went_meanwhile_buys_what_it_covers(as_alice, alice):
    leads = [make_lead(price_cents=cents) for cents in (500, 700)]
    fields = fields_of(as_alice.get(address(*leads)))
    sell(make_lead(price_cents=99_400), alice)

    response = as_alice.post(URL, fields)

    assert response.status_code == 303
    order = Order.objects.latest("pk")
    assert order.purchases.get().lead_id == leads[0].pk
    assert order.refused.get().reason == "money"
    assert balance(alice) == 100


# --- nothing is bought ------------------------------------------------------------------------------------------------


def test_all_are_gone_meanwhile(as_alice, alice, bob):
    gone = [make_lead(price_cents=500), make_lead(price_cents=500)]
    fields = fields_of(as_alice.get(address(*gone)))
    for lead in gone:
        sell(lead, bob)
    similar = make_lead(price_cents=600)

    response = as_alice.post(URL, fields)

    page = text_of(response)
    assert response.status_code == 409
    assert "Nothing was bought" in page
    assert "None of these leads could be bought. You were not charged." in page
    assert page.count("It is sold out.") == 2
    assert f"lead={similar.public_id}" in page
    assert balance(alice) == 100_000
    assert not Order.objects.filter(buyer=alice).exists()
    assert not RefusedLine.objects.exists()


@pytest.mark.parametrize("number", [1, 2])
def test_all_prices_changed_meanwhile(as_alice, alice, number):
    leads = [make_lead(price_cents=500) for _ in range(number)]
    fields = fields_of(as_alice.get(address(*leads)))
    Lead.objects.update(price_cents=600)

    response = as_alice.post(URL, fields)

    assert response.status_code == 409
    assert text_of(response).count("The price changed: you saw $5.00.") == number
    assert balance(alice) == 100_000
    assert as_alice.post(URL, fields_of(response)).status_code == 303
    assert balance(alice) == 100_000 - 600 * number


# --- the form ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"key": ""},
        {"key": "a" * 14},
        {"key": "'; DROP TABLE"},
        {"seen": []},
        {"seen": ["1"]},
        {"seen": ["{0}:500"]},
        {"seen": ["{0}:500", "{1}:"]},
        {"seen": ["{0}:500", "{1}:0"]},
        {"seen": ["{0}:500", "{1}:-5"]},
        {"seen": ["{0}:500", "{1}:5.00"]},
        {"seen": ["{0}:500", "{1}:" + "1" * 30]},
        {"seen": ["{0}:500", "{1}:٥٠٠"]},
        {"seen": ["{0}:500", "{1}:500", "{1}:500"]},
        {"seen": ["{0}:500", "{1}:500\x00"]},
        {"lead": ["{0}", "{1}", "bcdfghjkmnpqrs"]},
    ],
)
def test_a_form_that_is_not_complete_charges_nothing(as_alice, alice, fields):
    leads = [make_lead(price_cents=500), make_lead(price_cents=500)]
    ids = [lead.public_id for lead in leads]
    whole = {"key": new_key(), "lead": ids, "seen": [f"{text}:500" for text in ids]}
    filled = {
        name: [text.format(*ids) for text in value] if isinstance(value, list) else value
        for name, value in fields.items()
    }

    response = as_alice.post(URL, whole | filled)

    assert response.status_code == 422
    assert "<title>Error: " in text_of(response)
    assert "The form did not arrive complete. Nothing was charged." in text_of(response)
    assert fields_of(response)["lead"] == ids
    assert balance(alice) == 100_000
    assert as_alice.post(URL, fields_of(response)).status_code == 303


@pytest.mark.parametrize("cents", [1, 10**10])
def test_a_price_altered_in_the_form_is_never_charged(as_alice, alice, cents):
    leads = [make_lead(price_cents=500), make_lead(price_cents=500)]
    fields = fields_of(as_alice.get(address(*leads)))
    fields["seen"][1] = f"{leads[1].public_id}:{cents}"
    assert as_alice.post(URL, fields).status_code == 303
    line = RefusedLine.objects.get()
    assert (line.reason, line.price_seen_cents) == ("price", cents)
    assert balance(alice) == 100_000 - 500
