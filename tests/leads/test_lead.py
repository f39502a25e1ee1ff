"""`/leads/<id>/`: everything there is to see before buying."""

import pytest
from django.urls import reverse

from marketplace.leads import pricing
from marketplace.leads.models import Consent, Lead, Supplier, Vertical
from marketplace.leads.services import take_slot
from marketplace.purchases.services import buy_lead, new_key
from tests.stock import make_lead


def url(lead):
    return f"/leads/{lead.public_id}/"


def test_it_works(client, db):
    lead = make_lead(price_cents=2450, hours_old=26, is_certified=True)
    Consent.objects.filter(pk=lead.consent_id).update(provider="TrustedForm")

    response = client.get(url(lead))

    page = response.content.decode()
    assert response.status_code == 200
    for said in (
        "<h1>Auto insurance, Columbus OH</h1>",
        "1 day ago",
        f"{lead.asked_at.day} {lead.asked_at:%b %Y, %H:%M} UTC",
        "Columbus, Ohio",
        "432",
        "<dt>Vehicles</dt><dd>2</dd>",
        "Only you can buy it",
        "Buy for $24.50",
        "Test Supply",
        "B: reliable",
        "<dd>quotes.example.net</dd>",
        "Yes, by TrustedForm",
        "hidden until purchase",
        "$15.00 to $75.00",
    ):
        assert said in page, said
    assert "43215" not in page
    assert reverse("purchases:buy_lead", args=[lead.public_id]) in page


def test_a_visitor_gets_no_cookie(client, db):
    assert not client.get(url(make_lead())).cookies


def test_the_policy_of_the_collecting_site_is_linked_as_another_site(client, db):
    """AL-64, LR-31: a pointer that says where it leads, and takes no referrer along."""
    page = client.get(url(make_lead())).content.decode()
    link = page.split('<a href="https://quotes.example.net/privacy"')[1].split("</a>")[0]
    assert 'rel="noopener noreferrer external"' in link
    assert 'aria-label="leaves Leadfair"' in link


def test_an_address_that_is_no_web_address_is_no_link(client, db):
    lead = make_lead()
    Lead.objects.filter(pk=lead.pk).update(origin_policy_url="javascript:alert(1)")
    page = client.get(url(lead)).content.decode()
    assert 'href="javascript' not in page
    assert "javascript:alert(1)" in page


def test_without_a_consent_record_none_is_claimed(client, db):
    lead = make_lead()
    Lead.objects.filter(pk=lead.pk).update(status=Lead.Status.WITHDRAWN, consent=None)
    page = client.get(url(lead)).content.decode()
    assert "Consent on file" not in page
    assert "<dt>On file</dt><dd>No</dd>" in page


def test_without_a_certificate(client, db):
    page = client.get(url(make_lead())).content.decode()
    assert "<dt>Independent certificate</dt><dd>No</dd>" in page


def test_a_shared_lead_says_how_many_are_left(client, db):
    lead = make_lead(buyers=3)
    take_slot(lead.pk, lead.price_cents)
    page = client.get(url(lead)).content.decode()
    assert "2 of 3 left" in page
    assert "At most 3 buyers, for ever." in page


@pytest.mark.parametrize("state", ["", "sold", "withdrawn"])
def test_a_lead_that_is_gone_says_so_and_shows_similar_ones(client, bob, state):
    lead, similar, _elsewhere = make_lead(), make_lead(), make_lead(state="TX", city="Waco")
    if state == "sold":
        buy_lead(bob, lead, price_seen=lead.price_cents, key=new_key())
    elif state == "withdrawn":
        Lead.objects.filter(pk=lead.pk).update(status=Lead.Status.WITHDRAWN)

    response = client.get(url(lead))

    page = response.content.decode()
    assert response.status_code == 200
    words = {"sold": "This lead is sold out.", "withdrawn": "This lead was withdrawn"}
    for name, sentence in words.items():
        assert (sentence in page) == (name == state)
    assert (f'id="lead-{similar.public_id}"' in page) == bool(state)
    assert "Waco" not in page
    buttons = page.count(f'href="{reverse("purchases:buy_lead", args=[lead.public_id])}"')
    assert buttons == (0 if state else 1)


def test_of_similar_ones_at_one_price_the_newest_are_shown_and_say_whose_they_are(as_alice, alice):
    lead, *others = [make_lead(buyers=2) for _ in range(9)]
    Lead.objects.filter(pk=lead.pk).update(status=Lead.Status.WITHDRAWN)
    purchase = buy_lead(alice, others[5], price_seen=others[5].price_cents, key=new_key())
    page = as_alice.get(url(lead)).content.decode()
    shown = [part.split('"')[0] for part in page.split('<h3 id="lead-')[1:]]
    assert shown == [other.public_id for other in reversed(others[2:])]
    assert page.count(reverse("purchases:my_lead", args=[purchase.public_id])) == 1


def test_similar_ones_are_near_in_price(client, db):
    lead = make_lead(price_cents=1000)
    others = [make_lead(price_cents=cents) for cents in (900, 1500, 1100, 300, 1000, 1300, 20_000, 30_000)]
    Lead.objects.filter(pk=lead.pk).update(status=Lead.Status.WITHDRAWN)
    page = client.get(url(lead)).text
    shown = [part.split('"')[0] for part in page.split('<h3 id="lead-')[1:]]
    assert shown == [others[index].public_id for index in (4, 2, 0, 5, 1, 3)]


def test_a_gone_lead_without_similar_ones_leads_to_its_line_of_business(client, db):
    lead = make_lead()
    Lead.objects.filter(pk=lead.pk).update(status=Lead.Status.WITHDRAWN)
    page = client.get(url(lead)).content.decode()
    assert "No other Auto insurance lead in Ohio is on sale right now." in page
    assert "/leads/?vertical=auto-insurance" in page


def test_a_lead_held_back_does_not_exist(client, db):
    lead = make_lead()
    Lead.objects.filter(pk=lead.pk).update(status=Lead.Status.HELD)
    assert client.get(url(lead)).status_code == 404


def test_nor_does_one_that_was_withdrawn_before_it_was_ever_listed(client, db):
    lead = make_lead()
    Lead.objects.filter(pk=lead.pk).update(status=Lead.Status.WITHDRAWN)
    assert client.get(url(lead)).status_code == 200
    Lead.objects.filter(pk=lead.pk).update(listed_at=None)
    assert client.get(url(lead)).status_code == 404


@pytest.mark.parametrize("path", ["/leads/nothere/", "/leads/1/", "/leads/%00/", "/leads/a%00b/", "/leads/../x/"])
def test_other_ids_are_404(client, db, path):
    make_lead()
    assert client.get(path).status_code == 404


def test_what_i_own_links_my_lead(as_alice, alice):
    lead = make_lead()
    purchase = buy_lead(alice, lead, price_seen=lead.price_cents, key=new_key())
    page = as_alice.get(url(lead)).content.decode()
    assert reverse("purchases:my_lead", args=[purchase.public_id]) in page
    assert "You own this lead." in page
    assert "Similar leads" not in page


@pytest.mark.parametrize(("licensed", "warned"), [([], False), (["OH"], False), (["TX", "OH"], False), (["TX"], True)])
def test_a_state_outside_my_license_is_said(as_alice, alice, licensed, warned):
    alice.licensed_states = licensed
    alice.save()
    lead = make_lead()
    for page in (url(lead), f"{url(lead)}buy/"):
        assert ("Ohio is not among the states of your license" in as_alice.get(page).content.decode()) == warned


# --- what makes the price ---------------------------------------------------------------------------------------------


def listed(**changes):
    """A lead priced by its points as the import does it."""
    lead = make_lead(attributes={"vehicle.count": "2", "vehicle.year": "2018", "insurance.current": "No"}, **changes)
    score = pricing.points("B", is_certified=lead.is_certified, answered=3, asked=5)
    kind = lead.vertical
    base = pricing.base_price(kind.low_cents, kind.high_cents, score)
    price = pricing.price(
        base, exclusive_percent=kind.exclusive_percent, slots_total=lead.slots_total, band=lead.age_band
    )
    Lead.objects.filter(pk=lead.pk).update(base_cents=base, price_cents=price)
    return lead


def test_the_price_is_explained_and_adds_up(client, db):
    page = client.get(url(listed(hours_old=30, is_certified=True))).content.decode()

    # 25 of 40 for grade B, 25 for the certificate, 21 of 35 for three of five answers: 71 of 100 points.
    for said in ("25 of 40", "25 of 25", "3 of 5 questions answered", "21 of 35", "71 of 100"):
        assert said in page
    # $15 + 71 % of $60 = $57.60, to the quarter dollar $57.50; × 2.5 × 0.7 = $100.63
    for said in ("<dd>$57.50</dd>", "<dd>× 2.5</dd>", "Age: 1 to 3 days</dt><dd>× 0.7</dd>", ">$100.63</dd>"):
        assert said in page


def test_a_shared_lead_has_no_exclusive_factor(client, db):
    page = client.get(url(listed(buyers=2))).content.decode()
    assert "Shared with up to 2 buyers</dt><dd>× 1</dd>" in page


def test_points_that_no_longer_give_the_stored_price_are_not_shown(client, db):
    lead = listed()
    Supplier.objects.update(grade="A")
    page = client.get(url(lead)).content.decode()
    assert "of 100" not in page
    assert "This one was listed at" in page


def test_a_vertical_that_staff_made_asks_nothing(client, db):
    """It has no questions of ours: none is left open, as when it was imported."""
    lead = make_lead()
    pets = Vertical.objects.create(
        slug="pets", name="Pets", icon="shield-check", low_cents=1000, high_cents=2000, exclusive_percent=200
    )
    score = pricing.points("B", is_certified=False, answered=0, asked=0)
    Lead.objects.filter(pk=lead.pk).update(vertical=pets, base_cents=pricing.base_price(1000, 2000, score))
    page = client.get(url(lead)).content.decode()
    for said in ("25 of 40", "0 of 0 questions answered", "35 of 35", "60 of 100"):
        assert said in page


def test_the_lowest_price_is_named_as_such(client, db):
    lead = listed(hours_old=24 * 300, buyers=2)
    Lead.objects.filter(pk=lead.pk).update(price_cents=pricing.MINIMUM_CENTS)
    assert "no lead costs less" in client.get(url(lead)).content.decode()


# --- budgets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize(("who", "queries"), [("visitor", 1), ("alice", 5)])
def test_few_queries(client, alice, who, queries, gone, django_assert_num_queries):
    lead, *similar = [make_lead() for _ in range(4)]
    if gone:
        Lead.objects.filter(pk=lead.pk).update(status=Lead.Status.WITHDRAWN)
    if who == "alice":
        client.force_login(alice)
    client.get(url(lead))
    with django_assert_num_queries(queries):
        page = client.get(url(lead)).content.decode()
    assert all((f'id="lead-{one.public_id}"' in page) == gone for one in similar)


def test_only_reading(client, db):
    lead = make_lead()
    assert client.head(url(lead)).status_code == 200
    assert client.post(url(lead)).status_code == 405


def test_search_engines_read_what_is_on_sale_only(client, bob):
    lead = make_lead()
    assert "noindex" not in client.get(url(lead)).content.decode()
    buy_lead(bob, lead, price_seen=lead.price_cents, key=new_key())
    assert "noindex" in client.get(url(lead)).content.decode()
