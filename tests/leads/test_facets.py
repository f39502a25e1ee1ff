"""The numbers beside the filters say what choosing a value would find."""

import random

import pytest
from django.http import QueryDict

from marketplace.leads import facets, forms, market
from marketplace.leads.addresses import canonical
from marketplace.leads.forms import CatalogueForm
from marketplace.leads.models import Lead, Tally, ZipCode
from tests.stock import make_lead

URL = "/leads/"


@pytest.fixture
def stock(db):
    dice = random.Random(11)
    ZipCode.objects.create(code="43215", city="Columbus", state="OH", latitude=39.96, longitude=-83.0)
    for _ in range(80):
        near = dice.random() < 0.5
        make_lead(
            vertical=dice.choice(["solar", "roofing", "hvac"]),
            state=dice.choice(["OH", "TX", "CA"]),
            buyers=dice.choice([1, 3]),
            price_cents=dice.choice([500, 999, 1000, 2400, 5000, 30_000]),
            hours_old=dice.choice([1, 30, 100, 24 * 20, 24 * 60, 24 * 150, 24 * 300]),
            is_certified=dice.random() < 0.5,
            latitude=40.0 if near else 30.0,
            longitude=-83.0,
        )
    market.count()


def form_of(query):
    form = CatalogueForm(canonical(QueryDict(query)))
    form.is_valid()
    return form


def found(query):
    return form_of(query).found(Lead.objects.on_sale()).count()


QUERIES = [
    "",
    "vertical=solar",
    "vertical=solar&vertical=hvac&state=OH",
    "state=OH&state=TX",
    "age=7d",
    "mode=exclusive&certificate=1",
    "mode=shared&state=CA&vertical=roofing&age=30d&certificate=1",
    "min=10&max=24.99",
    "max=9.99&vertical=solar",
    "min=200",
    "min=0&max=49.99",
    "min=9&max=60",
    "min=10&max=20&state=OH&mode=shared",
    "place=43215&miles=50",
    "place=43215&state=OH&vertical=solar&age=30d&min=5",
]


@pytest.mark.parametrize("query", QUERIES)
def test_each_number_is_what_the_value_finds(stock, query):
    """Beside all other filters in use; a value of a filter with several values is counted alone."""
    form = form_of(query)
    counted = form.count()
    numbers = form.numbers(counted)
    assert (counted.total, counted.is_capped) == (found(query), False)
    for name in ("vertical", "state", "age", "mode", "certificate"):
        values = [value for value, _ in getattr(form.fields[name], "choices", [("1", "")]) if value]
        for value in values:
            asked = QueryDict(query, mutable=True)
            asked.setlist(name, [value])
            assert numbers[name].get(value, 0) == found(asked.urlencode()), (name, value)
    for index, band in enumerate(form.price_bands()):
        asked = QueryDict(band.query if not band.is_chosen else query)
        assert numbers["price"].get(str(index), 0) == found(asked.urlencode()), band.label


def test_one_query(stock, django_assert_num_queries):
    for query in QUERIES:
        form = form_of(query)
        with django_assert_num_queries(1):
            form.count()


def test_the_last_count_is_asked_where_it_knows_the_filters(stock):
    Tally.objects.update(count=7)
    assert set(form_of("mode=shared").count().counts["state"].values()) != {0}
    for query, is_counted_before in [("min=10", True), ("min=11", False), ("max=9.99", True), ("max=10", False)]:
        numbers = form_of(query).count().counts["vertical"]
        assert all(number % 7 == 0 for number in numbers.values()) == is_counted_before, query


def test_a_list_of_one_page_is_counted_as_it_is(stock, client):
    Tally.objects.update(count=7)
    page = client.get(f"{URL}?vertical=solar&state=OH&mode=exclusive").content.decode()
    number = found("vertical=solar&state=OH&mode=exclusive")
    assert f'<b class="strong">{number}</b>' in page


def test_a_longer_list_says_the_last_count(stock, client):
    Tally.objects.filter(age=-1, price=-1, exclusive=-1, certified=-1).update(count=12_345)
    assert '<b class="strong">37,035</b> on sale now.' in client.get(URL).content.decode(), "of three lines of business"


def test_too_many_to_count_on_the_spot(stock, monkeypatch, client):
    monkeypatch.setattr(facets, "COUNTED", 10)
    counted = form_of("place=43215&miles=50").count()
    assert (counted.total, counted.is_capped, counted.said) == (10, True, "10+")
    assert "state" not in counted.counts
    page = client.get(f"{URL}?place=43215&miles=50").content.decode()
    assert '<span class="n">' not in page.split('id="id_vertical"')[1].split("</fieldset>")[0]


def test_before_the_first_count_they_are_counted_on_the_spot(stock):
    before = form_of("state=OH").count()
    Tally.objects.all().delete()
    assert form_of("state=OH").count() == before


def test_the_page_shows_them(stock, client):
    page = client.get(f"{URL}?state=OH").content.decode()
    solar = page.split('value="solar"')[1].split("</label>")[0]
    assert f'<span class="n">{found("state=OH&vertical=solar")}</span>' in solar
    texas = page.split('value="TX"')[1].split("</label>")[0]
    assert f'<span class="n">{found("state=TX")}</span>' in texas
    assert '<option value="NV">Nevada (0)</option>' in page


def test_the_chosen_states_and_those_with_most_leads_are_boxes(stock, client):
    page = client.get(f"{URL}?state=NV").content.decode()
    fieldset = page.split('id="id_state"')[1].split("</fieldset>")[0]
    boxes = fieldset.split("<select")[0]
    assert [code for code in ("CA", "NV", "OH", "TX") if f'value="{code}"' in boxes] == ["CA", "NV", "OH", "TX"]
    assert boxes.count("<input") == 4
    assert 'value="NV"' not in fieldset.split("<select")[1]


def test_a_price_band_can_be_chosen_and_dropped(stock, client):
    page = client.get(f"{URL}?state=OH").content.decode()
    assert f'href="{URL}?state=OH&amp;min=10&amp;max=24.99"><span>$10.00 to $24.99</span>' in page
    assert f'href="{URL}?state=OH&amp;max=9.99"><span>Under $10.00</span>' in page
    assert f'href="{URL}?state=OH&amp;min=200"><span>$200.00 and more</span>' in page
    page = client.get(f"{URL}?state=OH&min=10&max=24.99").content.decode()
    assert f'href="{URL}?state=OH" aria-current="true"><span>$10.00 to $24.99</span>' in page


def test_a_wider_circle_is_a_way_out(stock, client):
    Lead.objects.filter(latitude=40.0).update(latitude=40.5)
    page = client.get(f"{URL}?place=43215&miles=10").content.decode()
    number = Lead.objects.filter(latitude=40.5).count()
    assert f'href="{URL}?place=43215&amp;miles=50">Within 50 miles: {number} leads' in page
    assert "Within 100 miles:" not in page, "the smallest circle that finds something is enough"
    assert forms.MILES == (10, 25, 50, 100)
