"""`/my-leads/call-sheet/`: whom to call, on paper."""

import html
from datetime import UTC, datetime

import time_machine
from django.urls import reverse

from marketplace.leads.models import Consent
from marketplace.purchases.calls import log_call, note_dnc_check, plan_call
from marketplace.purchases.notes import add_note, remove_note
from marketplace.purchases.services import new_key
from marketplace.purchases.stages import set_stage
from marketplace.purchases.views import my_leads
from tests.people import give

from .conftest import bought

URL = "/my-leads/call-sheet/"


def text_of(response):
    return html.unescape(response.content.decode())


def test_it_works(as_alice, alice):
    with time_machine.travel(datetime(2026, 11, 25, 15, 0, tzinfo=UTC), tick=False):
        mine = bought(alice, first_name="Priya", last_name="Raman", phone="+16145550142", time_zone="America/New_York")
        early = bought(alice, first_name="Lee", time_zone="America/Los_Angeles")
        add_note(mine, "Left a voicemail.\nCall after six\n")
        remove_note(mine, add_note(mine, "not this one").public_id)
        note_dnc_check(mine, datetime(2026, 11, 20, tzinfo=UTC).date())
        as_alice.force_login(alice)

        page = text_of(as_alice.get(URL))

    for said in (
        "2 of 2 leads, made on <time",
        "25 Nov 2026, 15:00 UTC",
        "<h2>Priya Raman</h2>",
        '<a href="tel:+16145550142">(614) 555-0142</a>',
        "Auto insurance, Columbus OH",
        "10:00 am (EST) there: may be called until 9 pm",
        "7:00 am (PST) there: not before 8 am",
        "Do-not-call check: 20 Nov 2026",
        "Last note: Call after six<",
    ):
        assert said in page, said
    assert "not this one" not in page
    assert page.index("Lee") < page.index("Priya"), "newest first"
    assert early.public_id not in page


def test_who_may_not_be_called_is_left_out_and_counted(as_alice, alice, purchase):
    revoked, asked_not = bought(alice, first_name="Ada"), bought(alice, first_name="Grace")
    Consent.objects.filter(lead=revoked.lead).update(revoked_at=datetime(2026, 11, 21, tzinfo=UTC))
    log_call(asked_not, "asked_not", key=new_key())
    page = text_of(as_alice.get(URL))
    assert "Priya" in page
    assert "Ada" not in page
    assert "Grace" not in page
    assert "2 leads left out" in page


def test_the_filter_of_the_list_applies(as_alice, alice, purchase):
    won = bought(alice, first_name="Ada")
    set_stage(won, "won")
    assert "Priya" not in text_of(as_alice.get(f"{URL}?stage=won"))
    assert "Ada" not in text_of(as_alice.get(f"{URL}?q=Priya"))
    plan_call(won, datetime(2026, 11, 1, tzinfo=UTC))
    assert "1 of 1 lead," in text_of(as_alice.get(f"{URL}?due=today"))


def test_the_list_links_the_sheet_of_its_filter(as_alice, purchase):
    assert 'href="/my-leads/call-sheet/?stage=new&q=Priya"' in text_of(as_alice.get("/my-leads/?stage=new&q=Priya"))


def test_sheets(as_alice, alice, monkeypatch):
    monkeypatch.setattr(my_leads, "SHEET_SIZE", 2)
    for name in ("Ada", "Grace", "Hedy"):
        bought(alice, first_name=name)
    first = text_of(as_alice.get(URL))
    assert "2 of 3 leads," in first
    second = text_of(as_alice.get(URL + first.split('" rel="next"')[0].rsplit('href="', 1)[1]))
    assert "Ada" in second
    assert "Hedy" not in second


def test_nobody_to_call(as_alice):
    assert "Nobody to call" in text_of(as_alice.get(URL))


def test_bad_addresses(as_alice, purchase):
    assert as_alice.get(f"{URL}?stage=sold").status_code == 422
    assert as_alice.get(f"{URL}?after=x").status_code == 404


def test_bob_sees_his_own_only(client, bob, purchase):
    client.force_login(bob)
    assert "Priya" not in text_of(client.get(URL))


def test_a_visitor_signs_in(client, db):
    assert client.get(URL)["Location"] == f"{reverse('account_login')}?next={URL}"


def test_as_many_queries_for_200_rows_as_for_20(as_alice, alice, django_assert_num_queries):
    give(alice, 1_000_000)
    for number in (20, 200):
        for _ in range(number - alice.purchases.count()):
            add_note(bought(alice), "x")
        with django_assert_num_queries(6):
            as_alice.get(URL)


def test_only_reading(as_alice):
    assert as_alice.post(URL).status_code == 405
