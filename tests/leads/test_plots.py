"""The catalogue as a map and as plots, and the price history on a lead's page."""

from datetime import timedelta

from marketplace.core import clock
from marketplace.leads import market
from marketplace.leads.models import Lead, Tally
from tests.stock import make_lead

MAP, PLOTS = "/leads/?view=map", "/leads/?view=plots"


def test_the_map_shows_the_leads_of_the_filters_by_state(client, db):
    for state in ("OH", "OH", "TX"):
        make_lead(vertical="solar", state=state)
    make_lead(vertical="hvac", state="OH")
    market.count()

    page = client.get("/leads/?vertical=solar&view=map").content.decode()

    assert "<title>Ohio: 2 leads</title>" in page
    assert "<title>Texas: 1 lead</title>" in page
    assert "<title>Nevada: 0 leads</title>" in page
    assert 'href="/leads/?vertical=solar&amp;state=OH&amp;view=map"' in page
    assert "Leads on sale by state" in page
    assert '<th scope="row">Ohio</th>' in page or "<td>Ohio</td>" in page, "the same numbers as a table"


def test_a_state_on_the_map_is_dropped_by_pressing_it_again(client, db):
    make_lead(state="OH")
    market.count()
    page = client.get("/leads/?state=OH&state=TX&view=map").content.decode()
    assert "<title>Ohio: 1 lead (selected)</title>" in page
    ohio = page.split("<title>Ohio")[0].rsplit("<a ", 1)[1]
    assert 'href="/leads/?state=TX&amp;view=map"' in ohio


def test_the_map_before_the_first_count(client, db):
    make_lead()
    Tally.objects.all().delete()
    assert "<title>Ohio: 1 lead</title>" in client.get(MAP).content.decode()


def test_a_map_of_nothing(client, db):
    market.count()
    page = client.get(MAP).content.decode()
    assert "usmap" not in page
    assert "No lead passes your filters" in page


def test_the_view_stays_while_filters_change(client, db):
    page = client.get("/leads/?state=OH&view=map").content.decode()
    assert '<input type="hidden" name="view" value="map">' in page
    assert '<a class="chip" href="/leads/?view=map">Ohio<' in page
    assert 'href="/leads/?view=map">Clear all</a>' in page
    assert 'href="/leads/?state=OH" ' not in page.split('aria-label="Show as"')[0]


def test_the_plots(client, db):
    for cents in (2000, 3000, 4000):
        make_lead(vertical="solar", price_cents=cents)
    lead = make_lead(vertical="hvac", price_cents=9900)
    hour = clock.now().replace(minute=0, second=0, microsecond=0)
    Lead.objects.filter(pk=lead.pk).update(listed_at=hour - timedelta(minutes=30))
    market.look_around()

    page = client.get(PLOTS).content.decode()
    assert "Solar" in page
    assert "$30.00" in page
    assert "Leads listed by hour" in page
    assert f"<title>{hour - timedelta(hours=1):%H}:00: 1</title>" in page
    assert "All lines of business." in page

    page = client.get("/leads/?vertical=solar&view=plots").content.decode()
    assert "$99.00" not in page.split("What leads cost now")[1]
    assert "These plots follow the line of business you chose" in page


def test_the_plots_before_anybody_looked(client, db):
    assert client.get(PLOTS).status_code == 200


def test_few_queries(client, alice, db, django_assert_max_num_queries):
    make_lead()
    market.count()
    market.look_around()
    client.force_login(alice)
    for url in (MAP, PLOTS):
        with django_assert_max_num_queries(6):
            client.get(url)


def test_a_lead_shows_what_its_kind_used_to_cost(client, db):
    lead, other = make_lead(vertical="solar", buyers=3), make_lead(vertical="solar", buyers=3)
    week = clock.now() - timedelta(days=14)
    Lead.objects.filter(pk=other.pk).update(listed_at=week, base_cents=4200)
    Lead.objects.filter(pk=lead.pk).update(base_cents=4600, listed_at=clock.now() - timedelta(hours=2))
    market.look_around()

    page = client.get(f"/leads/{lead.public_id}/").content.decode()

    assert "Median price of a fresh, shared Solar lead, by week of listing" in page
    assert "$42.00" in page
    assert "$46.00" in page


def test_a_lead_of_a_kind_that_nobody_looked_at(client, db):
    lead = make_lead()
    page = client.get(f"/leads/{lead.public_id}/").content.decode()
    assert "No lead of this kind was listed in the last 12 weeks." in page
