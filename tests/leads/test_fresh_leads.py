"""`/leads/fresh/`: what was listed since a list was shown, without moving the list."""

from datetime import timedelta

import pytest

from marketplace.core import clock
from marketplace.leads import views
from marketplace.leads.models import Lead
from tests.stock import make_lead

URL = "/leads/fresh/"


def ago(**time):
    return int((clock.now() - timedelta(**time)).timestamp())


def test_it_works(client, db):
    for state in ("OH", "OH", "TX"):
        make_lead(state=state)
    old = make_lead()
    Lead.objects.filter(pk=old.pk).update(listed_at=clock.now() - timedelta(hours=1))

    page = client.get(f"{URL}?state=OH&sort=price&since={ago(minutes=5)}").content.decode()

    assert "2 new leads." in page
    assert 'href="/leads/?state=OH" data-hx-boost="true">Show them</a>' in page, (
        "the latest first, or they are not seen"
    )
    assert "<html" not in page


def test_one_is_it(client, db):
    make_lead()
    assert "Show it</a>" in client.get(f"{URL}?since={ago(minutes=5)}").content.decode()


def test_none_is_an_empty_line(client, db):
    make_lead()
    page = client.get(f"{URL}?since={ago(minutes=-5)}").content.decode()
    assert page.strip().startswith('<p id="fresh"')
    assert "new lead" not in page


def test_many_are_not_counted_to_the_end(client, db, monkeypatch):
    monkeypatch.setattr(views, "COUNTED", 2)
    for _ in range(4):
        make_lead()
    assert "More than 1,000 new leads." in client.get(f"{URL}?since={ago(minutes=5)}").content.decode()


@pytest.mark.parametrize("since", ["", "x", "-", "1e9", "99999999999999999999", "%00", "nan"])
def test_a_made_up_moment_is_404(client, db, since):
    assert client.get(f"{URL}?since={since}").status_code == 404


def test_a_bad_filter_is_left_out(client, db):
    make_lead()
    assert "1 new lead." in client.get(f"{URL}?state=ZZ&since={ago(minutes=5)}").content.decode()


def test_the_list_asks_for_its_own_filters(client, db):
    make_lead()
    page = client.get("/leads/?state=OH&sort=price").content.decode()
    assert 'data-hx-get="/leads/fresh/?state=OH&amp;sort=price&amp;since=' in page


def test_one_query_and_no_cookie(client, db, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert not client.get(f"{URL}?since={ago(minutes=5)}").cookies
    assert client.post(URL).status_code == 405
