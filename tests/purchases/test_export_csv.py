"""`/my-leads/export.csv`: the current filter as a file no spreadsheet computes (B46)."""

import csv
import io
from datetime import timedelta

import pytest
from django.urls import reverse

from marketplace.core import clock
from marketplace.leads.models import LeadContact
from marketplace.purchases import exports
from marketplace.purchases.calls import log_call, plan_call
from marketplace.purchases.notes import add_note
from marketplace.purchases.services import new_key
from marketplace.purchases.stages import set_stage
from tests.core.test_csv_export import FORMULAS
from tests.people import give

from .conftest import bought

URL = "/my-leads/export.csv"


def read(response):
    """The rows of the file, by the names in its first line."""
    body = b"".join(response.streaming_content)
    assert body.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")))


def test_it_works(as_alice, alice, purchase):
    add_note(purchase, "call after six")
    add_note(purchase, "has two cars")

    response = as_alice.get(URL)

    assert response.status_code == 200
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="my-leads.csv"'
    assert response["Cache-Control"] == "no-store"
    [row] = read(response)
    assert tuple(row) == exports.HEADER
    assert row["lead_id"] == purchase.lead.public_id
    assert row["stage"] == "New"
    assert row["vertical"] == "Auto insurance"
    assert (row["first_name"], row["last_name"]) == ("Priya", "Raman")
    assert row["phone_1"] == "(614) 555-0142"
    assert row["email"] == "priya@example.org"
    assert row["address_1"] == "1 Test St"
    assert (row["city"], row["state"], row["postal_code"]) == ("Columbus", "OH", "43215")
    assert row["answers"] == "Vehicles: 2"
    assert row["price_usd"] == "5.00"
    assert row["origin"] == "quotes.example.net"
    assert row["consent_page"] == "https://quotes.example.net/auto"
    assert row["consent_sha256"] == purchase.lead.consent.wording.sha256
    assert row["notes"] == "call after six\nhas two cars"


def test_who_may_not_be_called_is_marked_and_has_no_planned_call(as_alice, alice, purchase):
    asked, other = bought(alice, first_name="Ada"), purchase
    for one in (asked, other):
        plan_call(one, clock.now() + timedelta(hours=1))
    log_call(asked, "asked_not", key=new_key())
    rows = {row["first_name"]: row for row in read(as_alice.get(URL))}
    assert (rows["Ada"]["do_not_call"], rows["Ada"]["next_call_at"]) == ("yes", "")
    assert rows["Priya"]["do_not_call"] == ""
    assert rows["Priya"]["next_call_at"]


def test_the_filter_of_the_list_applies(as_alice, alice, purchase):
    won = bought(alice, first_name="Ada")
    set_stage(won, "won")
    assert [row["first_name"] for row in read(as_alice.get(URL))] == ["Ada", "Priya"]
    assert [row["first_name"] for row in read(as_alice.get(f"{URL}?stage=won"))] == ["Ada"]
    assert [row["first_name"] for row in read(as_alice.get(f"{URL}?q=Priya"))] == ["Priya"]
    assert read(as_alice.get(f"{URL}?stage=won&q=Priya")) == []


def test_the_list_links_the_file_of_its_filter(as_alice, purchase):
    assert (
        'href="/my-leads/export.csv?stage=new&amp;q=Priya"'
        in as_alice.get("/my-leads/?stage=new&q=Priya").content.decode()
    )


def test_a_bad_filter_is_marked(as_alice, purchase):
    response = as_alice.get(f"{URL}?stage=sold")
    assert response.status_code == 422
    assert "There is a problem" in response.content.decode()


@pytest.mark.parametrize("formula", [text for text in FORMULAS if text.strip()])
def test_no_cell_is_a_formula(as_alice, alice, formula):
    purchase = bought(alice, first_name=formula, last_name=formula, city=formula, attributes={"x": formula})
    add_note(purchase, formula)
    [row] = read(as_alice.get(URL))
    for name in ("first_name", "last_name", "city", "notes"):
        assert row[name].startswith("'"), (name, row[name])


def test_numbers_stay_numbers(as_alice, alice, purchase):
    [row] = read(as_alice.get(URL))
    assert float(row["price_usd"]) == 5.0
    assert row["postal_code"].isdigit()


@pytest.mark.parametrize(
    ("phone", "written"), [("+16145550142", "(614) 555-0142"), ("+442079460958", "'+44 20 7946 0958"), ("x", "x")]
)
def test_no_phone_is_computed(as_alice, alice, phone, written):
    bought(alice, phone=phone)
    assert read(as_alice.get(URL))[0]["phone_1"] == written


def test_a_contact_that_cannot_be_opened_is_named_unavailable(as_alice, alice, purchase):
    LeadContact.objects.filter(pk=purchase.lead_id).update(sealed="gone.AAAA")
    bought(alice, first_name="Ada")
    assert [row["first_name"] for row in read(as_alice.get(URL))] == ["Ada", "unavailable"]


def test_bob_gets_his_own_only(client, bob, purchase):
    client.force_login(bob)
    assert read(client.get(URL)) == []


def test_a_visitor_signs_in(client, db):
    assert client.get(URL)["Location"] == f"{reverse('account_login')}?next={URL}"


def test_as_many_queries_for_200_rows_as_for_20(as_alice, alice, django_assert_num_queries):
    give(alice, 1_000_000)
    for _ in range(20):
        add_note(bought(alice), "x")
    with django_assert_num_queries(5):
        assert len(read(as_alice.get(URL))) == 20
    for _ in range(180):
        bought(alice)
    with django_assert_num_queries(5):
        assert len(read(as_alice.get(URL))) == 200


def test_only_reading(as_alice):
    assert as_alice.post(URL).status_code == 405
