"""`/leads/`: what is for sale, for everybody, filtered by the address."""

import pickle
import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.cache import caches
from django.test import Client
from django.urls import reverse

from accounts.models import User
from marketplace.core import clock
from marketplace.leads import facets, forms, market, views
from marketplace.leads.models import Lead, ZipCode
from marketplace.leads.services import take_slot
from marketplace.purchases.services import buy_lead, new_key
from tests.stock import make_lead

URL = "/leads/"


def shown(response):
    """The public ids of the tickets on the page, in order."""
    text = response.content.decode()
    return [part.split('"')[0] for part in text.split('<h3 id="lead-')[1:]]


def test_it_works(client, db):
    lead = make_lead(price_cents=2450, hours_old=2, is_certified=True)

    response = client.get(URL)

    page = response.content.decode()
    assert response.status_code == 200
    assert shown(response) == [lead.public_id]
    assert "Auto insurance, Columbus OH" in page
    assert "Buy for $24.50" in page
    assert reverse("purchases:buy_lead", args=[lead.public_id]) in page
    assert "Only you can buy it" in page
    assert "ZIP 432" in page
    assert "43215" not in page
    assert "2 vehicles" in page
    assert "2 hours ago" in page
    for tag in ("Exclusive", "Consent on file", "Certificate"):
        assert f"{tag}</span>" in page


def test_each_ticket_says_where_the_lead_was_collected(client, db):
    """AL-64: its origin, and the policy of that site."""
    make_lead()
    other = make_lead()
    policy = "https://other.example.org/privacy"
    Lead.objects.filter(pk=other.pk).update(origin_site="other.example.org", origin_policy_url=policy)

    page = client.get(URL).content.decode()

    for site in ("quotes.example.net", "other.example.org"):
        link = f'Collected on <a href="https://{site}/privacy" rel="noopener noreferrer external">'
        assert f"{link}{site} (privacy policy)<" in page


def test_a_visitor_gets_no_cookie(client, db):
    make_lead()
    assert not client.get(URL).cookies
    assert not client.get(f"{URL}?vertical=solar").cookies


def test_a_shared_lead_says_how_many_are_left(client, db):
    lead = make_lead(buyers=3)
    take_slot(lead.pk, lead.price_cents)

    page = client.get(URL).content.decode()

    assert "2 of 3 left" in page
    assert "Exclusive</span>" not in page


def test_what_is_sold_held_or_withdrawn_is_not_listed(client, alice, db):
    sold, held, withdrawn = make_lead(), make_lead(), make_lead()
    buy_lead(alice, sold, price_seen=sold.price_cents, key=new_key())
    Lead.objects.filter(pk=held.pk).update(status=Lead.Status.HELD)
    Lead.objects.filter(pk=withdrawn.pk).update(status=Lead.Status.WITHDRAWN)

    assert shown(client.get(URL)) == []


def test_a_lead_i_own_is_shown_as_mine(as_alice, alice, bob, client):
    lead = make_lead(buyers=2)
    purchase = buy_lead(alice, lead, price_seen=lead.price_cents, key=new_key())

    mine = as_alice.get(URL).content.decode()
    assert reverse("purchases:my_lead", args=[purchase.public_id]) in mine
    assert "You own this lead" in mine
    assert "Buy for" not in mine

    client.force_login(bob)
    his = client.get(URL).content.decode()
    assert purchase.public_id not in his
    assert "Buy for" in his


# --- filters ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def stock(db):
    """Four leads that differ in everything that can be filtered."""
    ZipCode.objects.create(code="43215", city="Columbus", state="OH", latitude=39.96, longitude=-83.0)
    ZipCode.objects.create(code="73301", city="Austin", state="TX", latitude=30.27, longitude=-97.74)
    austin = {"state": "TX", "city": "Austin", "latitude": 30.27, "longitude": -97.74}
    return {
        "auto": make_lead(price_cents=2000, hours_old=5, latitude=40.5, longitude=-83.0, is_certified=True),
        "solar": make_lead(vertical="solar", buyers=3, price_cents=5000, hours_old=60, **austin),
        "roof": make_lead(vertical="roofing", state="CA", city="Fresno", buyers=2, price_cents=900, hours_old=24 * 20),
        "old": make_lead(state="TX", city="Waco", price_cents=300, hours_old=24 * 100),
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "old roof solar auto"),
        ("vertical=auto-insurance", "old auto"),
        ("vertical=roofing&vertical=solar", "roof solar"),
        ("state=TX", "old solar"),
        ("state=CA&state=OH", "roof auto"),
        ("age=day", "auto"),
        ("age=3d", "solar auto"),
        ("age=7d", "solar auto"),
        ("age=30d", "roof solar auto"),
        ("age=90d", "roof solar auto"),
        ("age=180d", "old roof solar auto"),
        ("mode=exclusive", "old auto"),
        ("mode=shared", "roof solar"),
        ("min=9", "roof solar auto"),
        ("min=9.01", "solar auto"),
        ("max=20.00", "old roof auto"),
        ("min=9&max=20", "roof auto"),
        ("max=999999999", "old roof solar auto"),
        ("min=999999999", ""),
        ("sort=price", "old roof auto solar"),
        ("sort=-price", "solar auto roof old"),
        ("vertical=auto-insurance&state=TX", "old"),
        ("state=TX&age=7d&mode=shared&min=10&max=60&sort=price", "solar"),
        ("vertical=hvac", ""),
        ("certificate=1", "auto"),
        ("place=43215&miles=50", "auto"),
        ("place=43215", ""),
        ("place=Austin%2C+TX&miles=10", "solar"),
        ("place=austin&sort=price", "solar"),
    ],
)
def test_a_filter(client, stock, query, expected):
    response = client.get(f"{URL}?{query}")
    assert response.status_code == 200
    assert shown(response) == [stock[name].public_id for name in expected.split()]


@pytest.mark.parametrize(
    ("query", "canonical"),
    [
        ("vertical=&state=&age=&min=&max=&mode=", ""),
        ("min=5&max=", "min=5"),
        ("min=+5+", "min=5"),
        ("sort=newest", ""),
        ("view=list", ""),
        ("place=austin&miles=25", "place=austin"),
        ("miles=50", ""),
        ("state=TX&state=OH&state=TX&vertical=solar", "vertical=solar&state=OH&state=TX"),
        ("age=day&age=7d", "age=7d"),
        ("utm_source=mail&state=OH", "state=OH"),
        ("q=Testlead", ""),
        ("phone__startswith=614", ""),
        ("contact__phone_digest=x&_connector=OR", ""),
        ("ordering=contact__sealed", ""),
    ],
)
def test_every_list_has_one_address(client, stock, query, canonical):
    """Blanks, repetitions, defaults and unknown names are dropped; names are an allow-list (B8, B9)."""
    response = client.get(f"{URL}?{query}")
    assert response.status_code == 302
    assert response["Location"] == (f"{URL}?{canonical}" if canonical else URL)
    assert client.get(response["Location"]).status_code == 200


@pytest.mark.parametrize(
    ("query", "field", "kept"),
    [
        ("vertical=boats", "vertical", "boats is not one of"),
        ("state=ZZ", "state", "ZZ is not one of"),
        ("age=1h", "age", "1h is not one of"),
        ("mode=both", "mode", "both is not one of"),
        ("min=-5", "min", 'value="-5"'),
        ("min=1.005", "min", 'value="1.005"'),
        ("max=1e9", "max", 'value="1e9"'),
        ("max=%D9%A1%D9%A2", "max", 'value="١٢"'),
        ("max=NaN", "max", 'value="NaN"'),
        ("min=20&max=10", "max", 'value="10"'),
        ("min=9999999999", "min", 'value="9999999999"'),
        ("sort=contact__phone_digest", "sort", "contact__phone_digest is not one of"),
        ("view=globe", "view", "globe is not one of"),
        ("place=Atlantis", "place", 'value="Atlantis"'),
        ("place=99999&miles=50", "place", 'value="99999"'),
        ("place=43215&miles=7", "miles", "Choose one of the distances."),
        ("place=%00", "place", "There is a problem"),
        (f"place={'x' * 200}", "place", "x" * 200),
        ("sort=%00", "sort", "There is a problem"),
        ("min=%00", "min", "There is a problem"),
        ("state=OH%00", "state", "There is a problem"),
        ("min=%27%20OR%201=1--", "min", "OR 1=1--"),
    ],
)
def test_a_bad_value_is_marked_and_kept(client, stock, query, field, kept):
    response = client.get(f"{URL}?{query}")

    page = response.content.decode()
    assert response.status_code == 422
    assert "<title>Error: " in page
    assert f'href="#id_{field}"' in page
    assert f'id="id_{field}"' in page
    assert kept in page
    if field != "view":
        assert f'id="id_{field}_error"' in page


@pytest.mark.parametrize("query", ["place=43215", "min=Zelda", "sort=Zelda", "min=12.34"])
def test_nothing_of_a_person_is_kept_for_others(as_alice, alice, query):
    """No words that somebody typed, not what a member owns, nor the states of the license."""
    ZipCode.objects.create(code="43215", city="Columbus", state="OH", latitude=39.96, longitude=-83.0)
    User.objects.filter(pk=alice.pk).update(licensed_states=["WY"])
    mine, other = make_lead(buyers=3), make_lead()
    bought = buy_lead(alice, mine, price_seen=mine.price_cents, key=new_key())
    for address in (URL, f"{URL}?{query}"):
        as_alice.get(address, follow=True)
    kept = "".join(pickle.loads(piece) for piece in caches["fragments"]._cache.values())
    assert other.public_id in kept
    for text in ("43215", "Zelda", "12.34", bought.public_id, mine.public_id, "state=WY"):
        assert text not in kept


def test_every_page_of_a_list_shares_its_parts(client, db):
    """Nobody can push out what is kept by asking for pages that are not there."""
    make_lead()
    client.get(f"{URL}?view=map")
    kept = set(caches["fragments"]._cache)
    for number in range(3):
        client.get(f"{URL}?view=map&after={number}_x")
    assert set(caches["fragments"]._cache) == kept


def test_a_lead_is_no_longer_fresh_once_its_band_is_another(client, db):
    """Though its price and its age in words stay as they were."""
    lead = make_lead(price_cents=500, hours_old=25)
    for band, is_fresh in ((0, True), (1, False)):
        Lead.objects.filter(pk=lead.pk).update(age_band=band)
        assert ("t-age fresh" in client.get(URL).text) == is_fresh


def test_a_mistake_in_the_search_does_not_open_the_filters(client, db):
    """On a phone they would stand between the mistake and the list."""
    make_lead()
    of_search, of_filters = (client.get(f"{URL}?{query}").text for query in ("place=Atlantis", "min=cheap"))
    assert '<details class="facets">' in of_search
    assert '<details class="facets" open>' in of_filters
    for page in (of_search, of_filters):
        assert "What is marked was left out." in page
    assert "was left out" not in client.get(URL).text


def test_parts_of_the_page_are_drawn_once_and_never_out_of_date(as_alice, alice, bob, monkeypatch):
    lead = make_lead(buyers=3, price_cents=2450)
    market.count()
    as_alice.get(URL)
    drawn, real = [], forms.CatalogueForm.price_bands
    monkeypatch.setattr(forms.CatalogueForm, "price_bands", lambda form: drawn.append(1) or real(form))
    assert "3 of 3 left" in as_alice.get(URL).text
    assert drawn == [], "the filters say what they said"

    buy_lead(bob, lead, price_seen=2450, key=new_key())
    assert "2 of 3 left" in as_alice.get(URL).text
    Lead.objects.filter(pk=lead.pk).update(price_cents=1999)
    assert "Buy for $19.99" in as_alice.get(URL).text
    buy_lead(alice, lead, price_seen=1999, key=new_key())
    assert "You own this lead" in as_alice.get(URL).text
    assert "You own this lead" not in Client().get(URL).text
    monkeypatch.setattr(clock, "now", lambda now=clock.now: now() + timedelta(hours=7))
    assert "8 hours ago" in as_alice.get(URL).text
    User.objects.filter(pk=alice.pk).update(time_zone="America/New_York")
    assert re.search(r'title="[^"]* E[SD]T">8 hours ago', as_alice.get(URL).text)
    make_lead(state="TX", price_cents=500)
    market.count()
    as_alice.get(URL)
    assert drawn, "other numbers, other filters"


def test_a_bad_sort_can_be_left(client, db):
    """The form, the chips and the pages lead on without it."""
    for _ in range(21):
        make_lead()
    page = client.get(f"{URL}?state=OH&state=TX&sort=bad")
    text = page.content.decode()
    assert page.status_code == 422
    assert 'value="bad"' not in text
    assert f'<a class="chip" href="{URL}?state=OH">Texas<' in text
    assert follow(client, page, "next").status_code == 200
    assert shown(page)
    empty = client.get(f"{URL}?vertical=solar&state=OH&sort=bad").content.decode()
    assert f'href="{URL}?state=OH">Without “Solar”: 21 leads' in empty


def test_good_filters_still_apply_beside_a_bad_one(client, stock):
    response = client.get(f"{URL}?state=TX&min=cheap&max=40")

    assert response.status_code == 422
    assert shown(response) == [stock["old"].public_id]
    assert 'value="cheap"' in response.content.decode()
    assert 'value="40"' in response.content.decode()


def test_a_filter_in_use_can_be_removed(client, stock):
    page = client.get(f"{URL}?vertical=roofing&vertical=solar&state=CA&max=60&sort=price").content.decode()

    for label, rest in [
        ("Roofing", "vertical=solar&amp;state=CA&amp;max=60&amp;sort=price"),
        ("Solar", "vertical=roofing&amp;state=CA&amp;max=60&amp;sort=price"),
        ("California", "vertical=roofing&amp;vertical=solar&amp;max=60&amp;sort=price"),
        ("Up to $60.00", "vertical=roofing&amp;vertical=solar&amp;state=CA&amp;sort=price"),
    ]:
        assert f'<a class="chip" href="{URL}?{rest}">{label}<' in page


def test_a_place_and_a_certificate_in_use_can_be_removed(client, stock):
    page = client.get(f"{URL}?place=austin&miles=100&certificate=1").content.decode()
    assert f'<a class="chip" href="{URL}?certificate=1">Within 100 miles of Austin, TX<' in page
    assert f'<a class="chip" href="{URL}?place=austin&amp;miles=100">Certificate on file<' in page
    assert '<option value="100" selected>within 100 miles</option>' in page


def test_the_states_of_my_license_are_one_press_away(client, as_alice, alice, stock):
    User.objects.filter(pk=alice.pk).update(licensed_states=["TX", "CA"])
    page = as_alice.get(f"{URL}?state=OH&sort=price").content.decode()
    link = f'href="{URL}?state=CA&amp;state=TX&amp;sort=price">Only my licensed states</a>'
    assert link in page
    assert shown(as_alice.get(f"{URL}?state=CA&state=TX&sort=price")) == [
        stock[n].public_id for n in ("old", "roof", "solar")
    ]
    assert "licensed states" not in Client().get(URL).content.decode()


def test_the_form_keeps_what_is_chosen(client, stock):
    page = client.get(f"{URL}?vertical=solar&state=TX&age=7d&min=10&sort=price").content.decode()

    assert '<option value="price" selected>' in page
    assert 'value="10"' in page
    for chosen in ('value="solar"', 'value="TX"', 'value="7d"'):
        assert "checked" in page.split(chosen)[1].split(">")[0]


# --- nothing found ----------------------------------------------------------------------------------------------------


def test_an_empty_list_offers_the_nearest_change_that_works(client, stock):
    make_lead(state="TX", price_cents=5000)

    page = client.get(f"{URL}?vertical=solar&state=CA&max=60").content.decode()

    first, second = page.split('<div class="row">')[1].split("</div>")[0].split("</a>")[:2]
    assert f'href="{URL}?state=CA&amp;max=60"' in first
    assert "Without “Solar”: 1 lead" in first
    assert f'href="{URL}?vertical=solar&amp;max=60"' in second
    assert "Without “California”: 1 lead" in second
    assert "Up to $60.00”:" not in page


def test_what_a_change_finds_is_counted_up_to_a_limit(client, stock, monkeypatch):
    for _ in range(4):
        make_lead(state="TX", price_cents=5000)
    monkeypatch.setattr(facets, "COUNTED", 3)
    monkeypatch.setattr(views, "COUNTED", 3)
    monkeypatch.setitem(facets.count_each.__kwdefaults__, "most", 3)
    page = client.get(f"{URL}?vertical=auto-insurance&state=TX&min=40&max=45").content.decode()
    assert "Without “Up to $45.00”: 1,000+ leads" in page
    monkeypatch.setattr(views, "COUNTED", 1000)
    page = client.get(f"{URL}?vertical=auto-insurance&state=TX&min=40&max=45").content.decode()
    assert "Without “Up to $45.00”: 4 leads" in page, "a fourth tells that there are more than three"


def test_an_empty_list_that_no_single_change_helps(client, stock):
    page = client.get(f"{URL}?vertical=solar&state=CA&max=1").content.decode()
    assert "Dropping one of them is not enough." in page
    assert "Clear all filters" in page


def test_nothing_for_sale_at_all(client, db):
    page = client.get(URL).content.decode()
    assert "Nothing is on sale right now" in page


# --- pages ------------------------------------------------------------------------------------------------------------


def follow(client, response, rel):
    """The page behind the link ``rel``, or None."""
    text = response.content.decode()
    if f'rel="{rel}"' not in text:
        return None
    return client.get(text.split(f'" rel="{rel}"')[0].rsplit('href="', 1)[1].replace("&amp;", "&"))


@pytest.mark.parametrize("sort", ["", "price", "-price"])
def test_pages_show_every_lead_once_in_both_directions(client, db, sort):
    for number in range(45):
        make_lead(price_cents=1000 + number % 7)
    query = f"?state=OH&sort={sort}" if sort else "?state=OH"

    first = client.get(f"{URL}{query}")
    second = follow(client, first, "next")
    third = follow(client, second, "next")

    ids = shown(first) + shown(second) + shown(third)
    assert [len(shown(page)) for page in (first, second, third)] == [20, 20, 5]
    assert len(set(ids)) == 45
    assert follow(client, third, "next") is None
    assert shown(follow(client, third, "prev")) == shown(second)
    assert shown(follow(client, second, "prev")) == shown(first)
    assert follow(client, first, "prev") is None


def test_a_page_address_holds_no_primary_key(client, db):
    leads = [make_lead() for _ in range(21)]
    text = client.get(URL).content.decode()
    cursor = parse_qs(urlsplit(text.split('" rel="next"')[0].rsplit('href="', 1)[1]).query)["after"][0]
    assert cursor.split("_")[1] == leads[1].public_id


@pytest.mark.parametrize("query", ["after=x", "before=1_", "after=99999999999999999999_a", "after=1_a&before=1_a"])
def test_a_made_up_cursor_is_404(client, db, query):
    assert client.get(f"{URL}?{query}").status_code == 404


def test_a_page_that_was_bought_away_leads_back_to_the_first(client, stock):
    response = client.get(f"{URL}?state=TX&after=1_aaaaaaaaaaaaaa")
    assert response.status_code == 302
    assert response["Location"] == f"{URL}?state=TX"


def test_the_count_on_the_spot_is_capped(client, db, monkeypatch):
    for _ in range(22):
        make_lead()
    monkeypatch.setattr(facets, "COUNTED", 21)
    assert '<b class="strong">21+</b> on sale now.' in client.get(URL).content.decode()
    monkeypatch.setattr(facets, "COUNTED", 22)
    assert '<b class="strong">22</b> on sale now.' in client.get(URL).content.decode()


@pytest.mark.parametrize("who", ["visitor", "alice"])
def test_as_many_queries_for_200_rows_as_for_20(client, alice, who, django_assert_num_queries):
    if who == "alice":
        client.force_login(alice)
    queries = {"visitor": 2, "alice": 6}[who]
    for _ in range(21):
        make_lead()
    market.count()
    client.get(URL)
    with django_assert_num_queries(queries):
        client.get(URL)
    for _ in range(180):
        make_lead()
    with django_assert_num_queries(queries):
        client.get(URL)
    with django_assert_num_queries(queries):
        client.get(f"{URL}?vertical=auto-insurance&state=OH&min=1&sort=price")


def test_an_empty_list_keeps_to_the_budget_too(as_alice, stock, django_assert_max_num_queries):
    with django_assert_max_num_queries(6):
        as_alice.get(f"{URL}?vertical=solar&state=CA&age=day&mode=exclusive&min=1&max=2")


def test_only_reading(client, db):
    assert client.head(URL).status_code == 200
    assert client.post(URL).status_code == 405


def test_bars_are_the_same_for_everybody(client, db):
    make_lead(first_name="Al", last_name="Wu", email="a@example.org")
    make_lead(
        first_name="Maximiliana-Alexandrina",
        last_name="Featherstonehaugh-Cholmondeley",
        email=f"{'x' * 50}@example.org",
    )

    page = client.get(URL).content.decode()

    bars = [part.split("</div>")[0] for part in page.split('<div class="t-contact">')[1:]]
    assert len(bars) == 2
    assert bars[0] == bars[1]
    assert "style=" not in page


def test_newest_is_by_listing_not_by_asking(client, db):
    first, second = make_lead(hours_old=1), make_lead(hours_old=50)
    Lead.objects.filter(pk=first.pk).update(listed_at=clock.now() - timedelta(hours=1))
    assert shown(client.get(URL)) == [second.public_id, first.public_id]
