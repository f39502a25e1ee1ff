"""Counting what is on sale: every minute by its sort, every hour for the plots."""

import itertools
import random
from datetime import timedelta

import pytest
from django.db import connection

from marketplace.core import clock
from marketplace.leads import market, pricing
from marketplace.leads.models import ANY, Lead, Market, Tally, Vertical
from marketplace.leads.services import make_verticals, take_slot
from marketplace.leads.tasks import count, look_around
from tests.stock import make_lead

WHOLE = {"age": ANY, "price": ANY, "exclusive": ANY, "certified": ANY}


def test_it_works(db):
    make_lead(price_cents=2400, hours_old=2, is_certified=True)
    make_lead(price_cents=2500, hours_old=30, buyers=3, state="TX")

    assert market.count() > 0

    assert Tally.objects.get(vertical="", state="", **WHOLE).count == 2
    assert Tally.objects.get(vertical="auto-insurance", state="", **WHOLE).count == 2
    assert Tally.objects.get(vertical="", state="TX", **WHOLE).count == 1
    sort = {"age": 0, "price": 1, "exclusive": 1, "certified": 1}
    assert Tally.objects.get(vertical="auto-insurance", state="OH", **sort).count == 1
    sort = {"age": 1, "price": 2, "exclusive": 0, "certified": 0}
    assert Tally.objects.get(vertical="auto-insurance", state="TX", **sort).count == 1
    assert market.count() == 0, "nothing changed, so nothing is written"


def test_what_is_gone_counts_no_more(db):
    sold, withdrawn = make_lead(), make_lead(state="TX")
    market.count()
    take_slot(sold.pk, sold.price_cents)
    Lead.objects.filter(pk=withdrawn.pk).update(status=Lead.Status.WITHDRAWN)

    market.count()

    assert list(Tally.objects.values_list("vertical", "state", "count")) == [("", "", 0)]


def test_nothing_on_sale_is_a_count_too(db):
    market.count()
    assert Tally.objects.get(vertical="", state="", **WHOLE).count == 0


def test_every_group_is_the_sum_of_its_sorts(db):
    dice = random.Random(7)
    for _ in range(60):
        make_lead(
            vertical=dice.choice(["solar", "roofing", "hvac"]),
            state=dice.choice(["OH", "TX"]),
            buyers=dice.choice([1, 2, 3]),
            price_cents=dice.choice([100, 999, 1000, 5000, 30_000]),
            hours_old=dice.choice([1, 30, 100, 24 * 20, 24 * 60, 24 * 150, 24 * 300]),
            is_certified=dice.random() < 0.5,
        )
    market.count()

    kinds = {f"{name}__gte": 0 for name in WHOLE}
    sorts = Tally.objects.filter(**kinds).exclude(vertical="").exclude(state="")
    assert sum(sorts.values_list("count", flat=True)) == 60
    for vertical, state in itertools.product(["", "solar", "roofing", "hvac"], ["", "OH", "TX"]):
        leads = Lead.objects.filter(**({"vertical__slug": vertical} if vertical else {}))
        leads = leads.filter(**({"state": state} if state else {}))
        whole = Tally.objects.get(vertical=vertical, state=state, **WHOLE)
        assert whole.count == leads.count()
        rows = Tally.objects.filter(vertical=vertical, state=state)
        assert sum(rows.filter(**kinds).values_list("count", flat=True)) == leads.count()
        for name in WHOLE:
            alone = rows.filter(**(WHOLE | {name: 1})).values_list("count", flat=True)
            sorts_of_it = rows.filter(**(kinds | {name: 1})).values_list("count", flat=True)
            assert sum(alone) == sum(sorts_of_it)


@pytest.mark.parametrize(
    ("cents", "band"), [(100, 0), (999, 0), (1000, 1), (2499, 1), (2500, 2), (20_000, 5), (99_999, 5)]
)
def test_the_band_of_a_price(db, cents, band):
    lead = make_lead(price_cents=cents)
    assert Lead.objects.annotate(band=market.in_price_bands()).get(pk=lead.pk).band == band


def test_the_band_of_an_age_is_that_of_its_price(db):
    """A lead counts in the band it would be priced by, to the microsecond."""
    now = clock.now()
    lead = make_lead()
    for band, up_to in enumerate(pricing.AGE_BANDS):
        for asked_at in (now - up_to.up_to, now - up_to.up_to - timedelta(microseconds=1)):
            Lead.objects.filter(pk=lead.pk).update(asked_at=asked_at)
            seen = Lead.objects.annotate(band=market.in_age_bands(now)).get(pk=lead.pk).band
            last = len(pricing.AGE_BANDS) - 1
            known = pricing.age_band(asked_at, now)
            assert seen == (last if known is None else known), band


def test_few_statements_whatever_the_number_of_leads(db, django_assert_max_num_queries):
    for number in range(30):
        make_lead(price_cents=1000 + number)
    with django_assert_max_num_queries(8):
        market.count()


def test_two_counts_at_once_do_no_harm(db, monkeypatch):
    """The second wrote the very rows that the first is about to write."""
    make_lead()
    wanted = market._with_groups(market._count_sorts(Lead.objects.on_sale(), clock.now()))
    market._write_tallies(wanted)
    kept = list(Tally.objects.values_list())
    monkeypatch.setattr(market.Tally.objects, "values_list", lambda *columns: [])
    market._write_tallies(wanted)
    monkeypatch.undo()
    assert list(Tally.objects.values_list()) == kept


# --- the plots' figures -----------------------------------------------------------------------------------------------


def test_prices_on_sale(db):
    for cents in (500, 100, 300, 200, 400):
        make_lead(vertical="solar", price_cents=cents)
    make_lead(vertical="hvac", price_cents=700)

    market.look_around()

    assert Market.objects.get(vertical__slug="solar").prices == [100, 200, 300, 400, 500]
    assert Market.objects.get(vertical__slug="hvac").prices == [700] * 5
    assert Market.objects.get(vertical__slug="roofing").prices == []
    assert Market.objects.count() == Vertical.objects.count()


@pytest.mark.parametrize("number", range(1, 12))
def test_the_figures_are_prices_that_occur(db, number):
    cents = sorted(random.Random(number).randrange(100, 9000) for _ in range(number))
    for price in cents:
        make_lead(vertical="solar", price_cents=price)
    market.look_around()
    figures = Market.objects.get(vertical__slug="solar").prices
    assert figures == [cents[(number - 1) * quarter // 4] for quarter in range(5)]


def test_listings_of_the_last_full_hours(db):
    hour = clock.now().replace(minute=0, second=0, microsecond=0)
    for ago in (0, 1, 30, 61, 24 * 60, 24 * 60 + 1):  # minutes before the full hour
        lead = make_lead(vertical="solar")
        Lead.objects.filter(pk=lead.pk).update(listed_at=hour - timedelta(minutes=ago), status=Lead.Status.WITHDRAWN)

    market.look_around()

    seen = Market.objects.get(vertical__slug="solar")
    assert seen.seen_at == hour
    assert seen.hours == [1] + [0] * 21 + [1, 2], "this hour is not over, and one was listed before them all"


def test_fresh_prices_by_week(db):
    make_verticals()
    monday = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    monday -= timedelta(days=monday.weekday())
    factor = Vertical.objects.get(slug="solar").exclusive_percent
    for base, buyers, days in [(4000, 3, -1), (6000, 3, -1), (5000, 3, -7), (9000, 3, -1), (4000, 1, -2), (1, 3, -100)]:
        lead = make_lead(vertical="solar", buyers=buyers)
        listed_at = monday + timedelta(days=days, hours=1)
        Lead.objects.filter(pk=lead.pk).update(listed_at=listed_at, base_cents=max(base, 100), status="withdrawn")

    market.look_around()

    weeks = Market.objects.get(vertical__slug="solar").weeks
    last = f"{monday - timedelta(days=7):%Y-%m-%d}"
    assert sorted(weeks) == [[False, last, 4, 5000], [True, last, 1, 4000 * factor // 100]]


def test_looking_again_changes_the_same_rows(db):
    make_lead(vertical="solar", price_cents=900)
    market.look_around()
    market.look_around()
    assert Market.objects.get(vertical__slug="solar").prices == [900] * 5


def test_the_tasks(db):
    make_lead()
    count()
    look_around()
    assert Tally.objects.exists()
    assert Market.objects.exists()


@pytest.mark.postgresql
def test_a_page_finds_its_rows_by_index(db):
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        cursor.execute("EXPLAIN SELECT * FROM leads_tally WHERE age = -1 AND price = -1 AND exclusive = -1")
        assert "leads_tally_once" in " ".join(row[0] for row in cursor.fetchall())
