"""`/my-leads/export.xlsx`: the current filter for Excel, with texts as texts and dates as dates."""

import io
from datetime import date, datetime, timedelta

import pytest
from django.urls import reverse
from openpyxl import load_workbook

from marketplace.core import clock
from marketplace.core.xlsx_export import xlsx_chunks
from marketplace.purchases import exports
from marketplace.purchases.calls import log_call, note_dnc_check, plan_call
from marketplace.purchases.notes import add_note
from marketplace.purchases.services import new_key
from marketplace.purchases.stages import set_stage
from tests.core.test_csv_export import FORMULAS
from tests.people import give

from .conftest import bought

URL = "/my-leads/export.xlsx"


def read(response):
    """The rows of the file, by the names in its first line, and the cells of the first."""
    sheet = load_workbook(io.BytesIO(b"".join(response.streaming_content))).active
    header, *lines = sheet.iter_rows()
    return [dict(zip([cell.value for cell in header], line, strict=True)) for line in lines]


def values(response):
    return [{name: cell.value for name, cell in row.items()} for row in read(response)]


def test_it_works(as_alice, purchase):
    add_note(purchase, "call after six\nhas <two> cars & a boat")
    log_call(purchase, "spoke", key=new_key())
    note_dnc_check(purchase, date(2026, 11, 20))
    planned = clock.now().replace(microsecond=0) + timedelta(days=1)
    plan_call(purchase, planned)

    response = as_alice.get(URL)

    assert response.status_code == 200
    assert response["Content-Disposition"] == 'attachment; filename="my-leads.xlsx"'
    assert response["Cache-Control"] == "no-store"
    [row] = read(response)
    assert tuple(row) == exports.HEADER
    assert row["lead_id"].value == purchase.lead.public_id
    assert row["phone_1"].value == "(614) 555-0142"
    assert row["price_usd"].value == 5
    assert row["postal_code"].value == "43215"
    assert row["notes"].value == "call after six\nhas <two> cars & a boat"
    assert row["last_call"].value == "Spoke"
    assert row["calls"].value == 1
    assert row["dnc_checked_on"].value == datetime(2026, 11, 20)
    assert row["dnc_checked_on"].is_date
    assert row["next_call_at"].value == planned.replace(tzinfo=None)
    assert abs(row["bought_at"].value - purchase.created_at.replace(tzinfo=None)) < timedelta(seconds=1)


@pytest.mark.parametrize("text", [*[text for text in FORMULAS if text.strip()], "007", "12345678901234567890"])
def test_a_text_is_a_text(as_alice, alice, text):
    bought(alice, last_name=text)
    [row] = read(as_alice.get(URL))
    assert row["last_name"].data_type in {"s", "inlineStr"}
    assert row["last_name"].number_format == "@"
    assert row["last_name"].value.strip() in {text.strip(), text.strip().replace("\r\n", "\n").replace("\r", "\n")}


def test_what_excel_would_read_as_a_letter_is_written_as_it_stands(as_alice, alice):
    """Excel takes ``_x0041_`` for an A; openpyxl does not, and so shows what was written."""
    bought(alice, last_name="_x0041_")
    assert values(as_alice.get(URL))[0]["last_name"] == "_x005F_x0041_"


def test_what_no_file_can_hold_is_left_out(as_alice, purchase):
    add_note(purchase, "a\x0bb\ufffec")
    assert values(as_alice.get(URL))[0]["notes"] == "abc"


def test_a_cell_holds_no_more_than_excel_takes(as_alice, purchase):
    for _ in range(17):
        add_note(purchase, "x" * 2000)
    assert len(values(as_alice.get(URL))[0]["notes"]) == 32_767


def test_the_filter_of_the_list_applies(as_alice, alice, purchase):
    won = bought(alice, first_name="Ada")
    set_stage(won, "won")
    assert [row["first_name"] for row in values(as_alice.get(URL))] == ["Ada", "Priya"]
    assert [row["first_name"] for row in values(as_alice.get(f"{URL}?stage=won"))] == ["Ada"]


def test_an_empty_file_opens(client, bob, purchase):
    client.force_login(bob)
    assert values(client.get(URL)) == []


def test_a_bad_filter_is_marked(as_alice, purchase):
    assert as_alice.get(f"{URL}?stage=sold").status_code == 422


def test_a_visitor_signs_in(client, db):
    assert client.get(URL)["Location"] == f"{reverse('account_login')}?next={URL}"


def test_as_many_queries_for_200_rows_as_for_20(as_alice, alice, django_assert_num_queries):
    give(alice, 1_000_000)
    for number in (20, 200):
        for _ in range(number - alice.purchases.count()):
            add_note(bought(alice), "x")
        with django_assert_num_queries(5):
            assert len(values(as_alice.get(URL))) == number


def test_only_reading(as_alice):
    assert as_alice.post(URL).status_code == 405


def test_a_sheet_over_2_gb(monkeypatch):
    """As text it is many times the file. The limit of the older form of a zip file is lowered here."""
    monkeypatch.setattr("zipfile.ZIP64_LIMIT", 50_000)

    def file_of(number, **how):
        rows = ([f"Ada{row}", "x" * 50] for row in range(number))
        return io.BytesIO(b"".join(xlsx_chunks(["a", "b"], rows, **how)))

    assert load_workbook(file_of(1000, is_large=True)).active["A1001"].value == "Ada999"
    assert load_workbook(file_of(10)).active["A11"].value == "Ada9"
    with pytest.raises(RuntimeError):
        file_of(1000)
