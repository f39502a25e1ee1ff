"""`/help/prices/`: the figures on it are those that prices are made from."""

import pytest

from marketplace.core.money import dollars
from marketplace.leads import pricing
from marketplace.leads.models import Vertical
from marketplace.leads.services import make_verticals

pytestmark = pytest.mark.django_db
URL = "/help/prices/"


def test_it_works(client):
    make_verticals()
    Vertical.objects.update(exclusive_percent=200)
    Vertical.objects.filter(slug="solar").update(low_cents=41_25, high_cents=987_00, exclusive_percent=350)
    page = client.get(URL)
    assert (page.status_code, page.cookies) == (200, {})
    assert "$41.25 to $987.00" in page.text
    assert "2 to 3.5 times as much" in page.text
    for band in pricing.AGE_BANDS:
        assert f'<td>{band.label}</td><td class="r">{band.percent} %</td>' in page.text
    assert dollars(pricing.MINIMUM_CENTS) in page.text


def test_the_points_add_up_to_a_hundred():
    best = max(number for what, number in pricing.POINTS if "grade" in what)
    assert best + sum(number for what, number in pricing.POINTS if "grade" not in what) == 100


def test_without_any_line_of_business(client):
    Vertical.objects.all().delete()
    assert client.get(URL).status_code == 200
