"""`POST /my-leads/<id>/dnc-check/`: on which day the buyer looked into the do-not-call registry."""

from datetime import UTC, date, datetime

import pytest
import time_machine
from django.urls import reverse

from marketplace.purchases.calls import note_dnc_check
from marketplace.purchases.models import Purchase


@pytest.fixture(autouse=True)
def _moment(db):
    with time_machine.travel(datetime(2026, 11, 25, 15, 0, tzinfo=UTC), tick=False):
        yield


def url(purchase):
    return reverse("purchases:note_dnc_check", args=[purchase.public_id])


def page_of(purchase):
    return reverse("purchases:my_lead", args=[purchase.public_id])


def noted():
    return Purchase.objects.get().dnc_checked_on


def test_it_works(as_alice, purchase):
    page = as_alice.post(url(purchase), {"when": "today"}, follow=True).content.decode()
    assert noted() == date(2026, 11, 25)
    assert "Do-not-call check saved." in page
    assert "for this number on 25 Nov 2026." in page
    undo = page.split('class="flashes"')[1].split("</form>")[0]
    assert '<input type="hidden" name="when" value="never">' in undo


def test_another_day(as_alice, purchase):
    note_dnc_check(purchase, date(2026, 11, 1))
    page = as_alice.post(url(purchase), {"when": "on", "on": "2026-11-20"}, follow=True).content.decode()
    assert noted() == date(2026, 11, 20)
    undo = page.split('class="flashes"')[1].split("</form>")[0]
    assert '<input type="hidden" name="on" value="2026-11-01">' in undo


def test_it_is_cleared(as_alice, purchase):
    note_dnc_check(purchase, date(2026, 11, 1))
    as_alice.post(url(purchase), {"when": "never"})
    assert noted() is None


def test_today_is_the_members_own(as_alice, alice, purchase):
    alice.time_zone = "Pacific/Auckland"
    alice.save(update_fields=["time_zone"])
    as_alice.post(url(purchase), {"when": "today"})
    assert noted() == date(2026, 11, 26)


@pytest.mark.parametrize(("day", "is_old"), [(date(2026, 10, 25), False), (date(2026, 10, 24), True)])
def test_a_check_older_than_31_days_is_pointed_out(as_alice, purchase, day, is_old):
    note_dnc_check(purchase, day)
    assert ("That is more than 31 days ago" in as_alice.get(page_of(purchase)).content.decode()) == is_old


@pytest.mark.parametrize("typed", ["2026-11-26", "2003-06-26", "yesterday", "", "0000-00-00"])
def test_other_days_are_refused(as_alice, purchase, typed):
    response = as_alice.post(url(purchase), {"when": "on", "on": typed})
    assert response.status_code == 422
    assert 'id="id_on_error"' in response.content.decode()
    assert noted() is None


def test_others_do_not_exist(client, bob, purchase):
    client.force_login(bob)
    assert client.post(url(purchase), {"when": "today"}).status_code == 404
    assert noted() is None


def test_a_visitor_signs_in(client, purchase):
    assert client.post(url(purchase), {"when": "today"}).status_code == 403


def test_reading_is_refused(as_alice, purchase):
    assert as_alice.get(url(purchase)).status_code == 405
