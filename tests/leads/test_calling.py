"""The clock of the person, and from when to when they may be called (8 am to 9 pm there)."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
import time_machine

from marketplace.leads.calling import call_time, next_morning
from marketplace.leads.models import Lead
from tests.stock import make_lead

OPEN = "They may be called now, until 9 pm."
EARLY, LATE = (f"They may not be called before {day} at 8 am." for day in ("today", "tomorrow"))


@pytest.mark.parametrize(
    ("utc", "zone", "there", "said"),
    [
        ("2026-01-15T12:59", "America/New_York", "7:59 am (EST)", EARLY),
        ("2026-01-15T13:00", "America/New_York", "8:00 am (EST)", OPEN),
        ("2026-01-16T01:59", "America/New_York", "8:59 pm (EST)", OPEN),
        ("2026-01-16T02:00", "America/New_York", "9:00 pm (EST)", LATE),
        ("2026-01-15T13:00", "America/Los_Angeles", "5:00 am (PST)", EARLY),
        ("2026-07-15T12:00", "America/New_York", "8:00 am (EDT)", OPEN),
        ("2026-07-15T16:00", "America/Phoenix", "9:00 am (MST)", OPEN),
        ("2026-07-15T17:05", "America/Chicago", "12:05 pm (CDT)", OPEN),
        ("2026-07-15T05:05", "America/Chicago", "12:05 am (CDT)", EARLY),
    ],
)
def test_it_works(client, db, utc, zone, there, said):
    lead = make_lead(time_zone=zone)
    with time_machine.travel(datetime.fromisoformat(f"{utc}+00:00"), tick=False):
        page = client.get(f"/leads/{lead.public_id}/").text
    assert f"It is {there} where they are. {said}" in page


def test_where_the_time_is_not_known_nothing_is_said(client, db):
    lead = make_lead()
    assert call_time(lead) is None
    assert "where they are" not in client.get(f"/leads/{lead.public_id}/").text


@pytest.mark.parametrize("state", ["sold", "withdrawn"])
def test_of_a_lead_that_is_gone_nobody_is_told_to_call(client, db, state):
    """Least of all if it went because the consent was taken back."""
    lead = make_lead(time_zone="America/New_York")
    Lead.objects.filter(pk=lead.pk).update(status=state, slots_sold=1 if state == "sold" else 0)
    assert "where they are" not in client.get(f"/leads/{lead.public_id}/").text


def test_another_moment(db):
    there = call_time(make_lead(time_zone="America/Los_Angeles"), datetime(2026, 1, 15, 15, 59, tzinfo=UTC))
    assert (there.clock, there.is_open) == ("7:59 am (PST)", False)


@pytest.mark.parametrize(
    ("utc", "morning"),
    [
        ("2026-01-15T13:00", "2026-01-16T14:00"),
        ("2026-01-16T04:59", "2026-01-16T14:00"),  # it is still the 15th there
        ("2026-03-07T18:00", "2026-03-08T13:00"),  # the clocks go forward in between
    ],
)
def test_the_next_morning_is_nine_there(utc, morning):
    with time_machine.travel(datetime.fromisoformat(f"{utc}+00:00"), tick=False):
        found = next_morning(ZoneInfo("America/New_York"))
    assert found.astimezone(UTC) == datetime.fromisoformat(f"{morning}+00:00")
