"""`POST /my-leads/<id>/next-call/`: when to call next, typed in the member's own time zone."""

import html
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.urls import reverse

from marketplace.purchases.calls import log_call, plan_call
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import new_key

from .conftest import bought

NOW = datetime(2026, 11, 25, 15, 0, tzinfo=UTC)  # 10 am in New York, 7 am in Los Angeles


@pytest.fixture(autouse=True)
def _moment(db):
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def mine(alice):
    """A lead of Alice's, who works in New York, with a person in Los Angeles."""
    alice.time_zone = "America/New_York"
    alice.save(update_fields=["time_zone"])
    return bought(alice, state="CA", city="Los Angeles", postal_code="90001", time_zone="America/Los_Angeles")


def url(purchase):
    return reverse("purchases:plan_call", args=[purchase.public_id])


def planned():
    return Purchase.objects.get().next_call_at


def text_of(response):
    return html.unescape(response.content.decode())


def test_it_works(as_alice, mine):
    response = as_alice.post(url(mine), {"when": "at", "at": "2026-11-26T14:30"}, follow=True)

    page = text_of(response)
    assert planned() == datetime(2026, 11, 26, 19, 30, tzinfo=UTC)
    assert "Next call saved." in page
    assert "26 Nov 2026, 14:30 EST" in page
    assert "then 11:30 am (PST) where they are" in page
    assert 'value="2026-11-26T14:30"' in page
    assert "Your time, America/New_York (EST)." in page


def test_in_an_hour(as_alice, mine):
    as_alice.post(url(mine), {"when": "hour"})
    assert planned() == NOW + timedelta(hours=1)


def test_tomorrow_morning_is_nine_where_the_person_is(as_alice, mine):
    assert "Next call saved." in text_of(as_alice.post(url(mine), {"when": "morning"}, follow=True))
    assert planned() == datetime(2026, 11, 26, 17, 0, tzinfo=UTC)


def test_tomorrow_morning_is_the_members_if_we_do_not_know_where_the_person_is(as_alice, alice, mine):
    mine.lead.time_zone = ""
    mine.lead.save(update_fields=["time_zone"])
    assert "Tomorrow at 9 am your time" in text_of(as_alice.get(reverse("purchases:my_lead", args=[mine.public_id])))
    as_alice.post(url(mine), {"when": "morning"})
    assert planned() == datetime(2026, 11, 26, 14, 0, tzinfo=UTC)


def test_a_plan_that_has_passed_does_not_stand_in_the_form(as_alice, mine):
    """Saved as it stands, it would be refused."""
    plan_call(mine, NOW + timedelta(minutes=5))
    field = 'value="2026-11-25T10:05"'
    page = reverse("purchases:my_lead", args=[mine.public_id])
    assert field in as_alice.get(page).text
    with time_machine.travel(NOW + timedelta(minutes=6), tick=False):
        assert field not in as_alice.get(page).text


def test_it_is_cleared(as_alice, mine):
    plan_call(mine, NOW)
    assert "No call is planned any more." in text_of(as_alice.post(url(mine), {"when": "never"}, follow=True))
    assert planned() is None


@pytest.mark.parametrize("typed", ["2026-11-26T10:30", "2026-11-27T00:00"])
def test_a_time_at_which_nobody_may_call_is_saved_with_a_warning(as_alice, mine, typed):
    """7:30 am and 9 pm in Los Angeles."""
    page = text_of(as_alice.post(url(mine), {"when": "at", "at": typed}, follow=True))
    assert planned() is not None
    assert "People may be called from 8 am to 9 pm." in page.split('class="flashes"')[1].split("<h1>")[0]


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "Enter a day and a time."),
        ("tomorrow", "Enter a day and a time such as"),
        ("2026-11-25T09:59", "Choose a time to come"),
        ("1999-01-01T00:00", "Choose a time to come"),
        ("2030-01-01T00:00", "Choose a time to come"),
        ("9999-12-31T23:59", "Choose a time to come"),
        ("0001-01-01T00:00", "Choose a time to come"),
        ("2027-03-14T02:30", "The clocks go forward then"),
    ],
)
def test_other_times_are_refused(as_alice, mine, typed, sentence):
    response = as_alice.post(url(mine), {"when": "at", "at": typed})
    page = text_of(response)
    assert response.status_code == 422
    assert sentence in page
    assert "<title>Error: " in page
    assert 'id="id_at_error"' in page
    assert f'value="{typed}"' in page or not typed
    assert planned() is None


@pytest.mark.parametrize("when", ["", "soon"])
def test_something_has_to_be_said(as_alice, mine, when):
    assert as_alice.post(url(mine), {"when": when}).status_code == 422


def test_who_asked_not_to_be_called_gets_no_plan(as_alice, mine):
    log_call(mine, "asked_not", key=new_key())
    response = as_alice.post(url(mine), {"when": "hour"})
    assert response.status_code == 409
    assert "This person may not be called any more. No call was planned." in response.text
    assert Purchase.objects.get().next_call_at is None
    assert as_alice.post(url(mine), {"when": "never"}).status_code == 302, "clearing stays possible"


def test_others_do_not_exist(client, bob, mine):
    client.force_login(bob)
    assert client.post(url(mine), {"when": "hour"}).status_code == 404
    assert planned() is None


def test_a_visitor_signs_in(client, mine):
    assert client.post(url(mine), {"when": "hour"}).status_code == 403


def test_reading_is_refused(as_alice, mine):
    assert as_alice.get(url(mine)).status_code == 405
