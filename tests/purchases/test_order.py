"""`/orders/<id>/`: what an order bought, and what it did not and why, however often it is looked at."""

import html

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from marketplace.core import clock
from marketplace.leads.models import Consent, Lead
from marketplace.purchases.models import Order, RefusedLine
from marketplace.purchases.services import Wanted, buy_lead, buy_leads, new_key
from tests.stock import make_lead


def buy(buyer, *leads, seen=None):
    """Buy these leads in one order; ``seen`` are prices the buyer saw instead of the present ones, by lead."""
    return buy_leads(buyer, [Wanted(one, (seen or {}).get(one, one.price_cents)) for one in leads], key=new_key())


def url(order):
    return f"/orders/{order.public_id}/"


def text_of(response):
    return html.unescape(response.content.decode())


def test_it_works(as_alice, alice, bob):
    first = make_lead(price_cents=2450, first_name="Priya", last_name="Raman", phone="+16145550142")
    second, gone = make_lead(price_cents=1250), make_lead(price_cents=500)
    buy(bob, gone)
    order = buy(alice, first, second, gone).order
    similar = make_lead(price_cents=600)

    page = text_of(as_alice.get(url(order)))

    assert "You bought 2 leads" in page
    assert "$37.00" in page
    assert order.public_id in page
    for purchase in order.purchases.all():
        assert reverse("purchases:my_lead", args=[purchase.public_id]) in page
    assert "Priya Raman" in page
    assert "(614) 555-0142" in page
    assert "Not bought: 1" in page
    assert "You were not charged for it." in page
    assert "Somebody else bought it a moment before you." in page
    assert f'name="lead" value="{similar.public_id}"' in page
    assert page == text_of(as_alice.get(url(order)))


def test_every_reason_is_said(alice, bob, as_alice):
    free, sold, withdrawn, dearer = (make_lead(price_cents=500) for _ in range(4))
    earlier = buy(alice, make_lead(price_cents=500, phone="+16145550177")).purchases[0]
    again = make_lead(price_cents=500, phone="+16145550177")
    mine = make_lead(price_cents=500, buyers=2)
    owned = buy(alice, mine).purchases[0]
    too_dear = make_lead(price_cents=10_000_00)
    buy(bob, sold)
    Lead.objects.filter(pk=withdrawn.pk).update(status=Lead.Status.WITHDRAWN)

    order = buy(alice, free, sold, withdrawn, dearer, again, mine, too_dear, seen={dearer: 400}).order

    assert dict(order.refused.values_list("lead", "reason")) == {
        sold.pk: "sold",
        withdrawn.pk: "withdrawn",
        dearer.pk: "price",
        again.pk: "before",
        mine.pk: "before",
        too_dear.pk: "money",
    }
    page = text_of(as_alice.get(url(order)))
    for said in (
        "Somebody else bought it a moment before you.",
        "It was withdrawn and is not for sale any more.",
        "Its price changed while you were reading. You saw $4.00.",
        "Your balance did not cover it any more. It cost $10,000.00.",
        "You own this lead.",
        "You bought this person before",
        "You were not charged for these.",
    ):
        assert said in page, said
    for purchase in (earlier, owned):
        assert reverse("purchases:my_lead", args=[purchase.public_id]) in page
    for lead in (dearer, too_dear):
        assert f'name="lead" value="{lead.public_id}"' in page
    assert f'name="lead" value="{again.public_id}"' not in page


def test_the_same_person_within_one_order(alice, as_alice):
    first, second = (make_lead(price_cents=500, phone="+16145550177") for _ in range(2))
    order = buy(alice, first, second).order
    line = order.refused.get()
    assert (line.lead, line.earlier) == (second, order.purchases.get())
    assert "You bought this person before" in text_of(as_alice.get(url(order)))


def test_what_was_bought_later_is_not_offered_again(alice, as_alice):
    free, dearer = make_lead(price_cents=500), make_lead(price_cents=500)
    order = buy(alice, free, dearer, seen={dearer: 400}).order
    assert "Still on sale" in text_of(as_alice.get(url(order)))
    buy(alice, dearer)
    assert "Still on sale" not in text_of(as_alice.get(url(order)))


def test_an_order_of_one(alice, as_alice):
    purchase = buy_lead(alice, make_lead(price_cents=500), price_seen=500, key=new_key())
    page = text_of(as_alice.get(url(purchase.order)))
    assert "You bought 1 lead" in page
    assert "Not bought" not in page
    assert "<script" not in page


def test_the_person_who_took_their_consent_back_is_not_to_be_called(alice, as_alice):
    lead = make_lead(price_cents=500, phone="+16145550142")
    order = buy(alice, lead).order
    Consent.objects.filter(pk=lead.consent_id).update(revoked_at=clock.now())
    page = text_of(as_alice.get(url(order)))
    assert "Consent taken back: do not call" in page
    assert "tel:" not in page


def test_it_is_the_owners_alone(alice, bob, client):
    order = buy(alice, make_lead(price_cents=500)).order
    assert client.get(url(order))["Location"] == f"{reverse('account_login')}?next={url(order)}"
    client.force_login(bob)
    assert client.get(url(order)).status_code == 404
    assert client.get("/orders/nothere/").status_code == 404


def test_other_methods_are_refused(alice, as_alice):
    order = buy(alice, make_lead(price_cents=500)).order
    assert as_alice.post(url(order)).status_code == 405


@pytest.mark.parametrize("number", [4, 40])
def test_as_many_queries_for_40_leads_as_for_4(alice, bob, as_alice, number, django_assert_num_queries):
    states = ["OH", "TX", "CA", "NY"]
    leads = [make_lead(price_cents=500, state=states[index // 2 % 4]) for index in range(number)]
    for lead in leads[::2]:
        Lead.objects.filter(pk=lead.pk).update(status=Lead.Status.WITHDRAWN)
    order = buy(alice, *leads).order
    with django_assert_num_queries(8):
        assert as_alice.get(url(order)).status_code == 200


def test_the_page_of_a_lead_leads_to_its_order(alice, as_alice):
    purchase = buy(alice, make_lead(price_cents=500), make_lead(price_cents=500)).purchases[0]
    page = text_of(as_alice.get(reverse("purchases:my_lead", args=[purchase.public_id])))
    assert f'href="{url(purchase.order)}"' in page


def test_support_sees_what_was_refused_and_why(alice, bob, charlie, client):
    free, gone = make_lead(price_cents=500), make_lead(price_cents=500)
    buy(bob, gone)
    order = buy(alice, free, gone).order
    client.force_login(charlie)
    page = text_of(client.get(reverse("admin:purchases_order_change", args=[order.pk])))
    assert f"Lead {gone.public_id}: Sold to somebody else" in page


# --- what the database keeps ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({}, "purchases_refused_once"),
        ({"reason": "whim"}, "purchases_refusal_known"),
        ({"reason": "twice"}, "purchases_refusal_known"),
        ({"reason": "before"}, "purchases_refusal_known"),
        ({"price_seen_cents": 0}, "purchases_price_seen_positive"),
    ],
)
def test_a_refusal_is_of_one_known_kind(alice, bob, changes, constraint):
    gone, other = make_lead(price_cents=500), make_lead(price_cents=500)
    buy(bob, gone)
    order = buy(alice, gone, make_lead(price_cents=500)).order
    values = {"order": order, "lead": gone if not changes else other, "reason": "sold", "price_seen_cents": 500}
    with pytest.raises(IntegrityError) as error, transaction.atomic():
        RefusedLine.objects.create(**values | changes)
    assert constraint in str(error.value) or "UNIQUE" in str(error.value)


def test_nothing_is_kept_of_an_order_that_bought_nothing(alice, bob):
    gone = [make_lead(price_cents=500), make_lead(price_cents=500)]
    buy(bob, *gone)
    with pytest.raises(Exception, match="Somebody else bought it"):
        buy(alice, *gone)
    assert not Order.objects.filter(buyer=alice).exists()
    assert not RefusedLine.objects.exists()
