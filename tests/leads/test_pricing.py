"""What a lead costs: base × exclusive factor × age factor, at least one dollar."""

from datetime import UTC, datetime, timedelta

import pytest

from marketplace.leads import pricing
from marketplace.leads.pricing import AGE_BANDS, MINIMUM_CENTS
from marketplace.leads.verticals import KINDS

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)


def test_it_works():
    assert pricing.points("B", is_certified=True, answered=3, asked=5) == 25 + 25 + 21
    assert pricing.base_price(1500, 7500, 71) == 5750
    assert pricing.price(5750, exclusive_percent=250, slots_total=1, band=1) == 10_063
    assert pricing.price(5750, exclusive_percent=250, slots_total=3, band=1) == 4025


@pytest.mark.parametrize(("band", "up_to"), [(band, limits.up_to) for band, limits in enumerate(AGE_BANDS)])
def test_an_age_band_ends_with_its_last_instant(band, up_to):
    assert pricing.age_band(NOW - up_to, NOW) == band
    assert pricing.age_band(NOW - up_to + INSTANT, NOW) == band
    following = band + 1 if band + 1 < len(AGE_BANDS) else None
    assert pricing.age_band(NOW - up_to - INSTANT, NOW) == following


def test_a_lead_just_asked_for_is_in_the_first_band():
    assert pricing.age_band(NOW, NOW) == 0


def test_the_older_the_cheaper():
    percents = [band.percent for band in AGE_BANDS]
    assert percents == sorted(percents, reverse=True) == [100, 70, 50, 25, 12, 7, 4]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.slug)
def test_the_points_span_the_whole_range(kind):
    low, high = kind.low * 100, kind.high * 100
    assert pricing.base_price(low, high, 0) == low
    assert pricing.base_price(low, high, 100) == high
    prices = [pricing.base_price(low, high, score) for score in range(101)]
    assert prices == sorted(prices)
    assert all(price % 25 == 0 for price in prices), "quarter dollars"


@pytest.mark.parametrize("grade", pricing.GRADE_POINTS)
def test_points_are_at_most_100(grade):
    assert 0 <= pricing.points(grade, is_certified=False, answered=0, asked=5) <= 40
    assert pricing.points(grade, is_certified=True, answered=9, asked=5) <= 100
    assert pricing.points("A", is_certified=True, answered=5, asked=5) == 100


def test_a_vertical_without_questions_leaves_nothing_open():
    assert pricing.points("C", is_certified=False, answered=0, asked=0) == 10 + pricing.COMPLETE_POINTS


@pytest.mark.parametrize(
    ("base", "band", "cents"),
    [(MINIMUM_CENTS, 0, 100), (2500, 6, 100), (2512, 6, 100), (2513, 6, 101), (1500, 6, 100), (100, 6, 100)],
)
def test_no_lead_costs_less_than_a_dollar_and_half_a_cent_is_rounded_up(base, band, cents):
    assert pricing.price(base, exclusive_percent=250, slots_total=3, band=band) == cents
