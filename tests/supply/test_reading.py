"""Single values, headers and the ZIP table: what the import is made of."""

import random

import pytest
from django.core.validators import validate_email
from hypothesis import given
from hypothesis import strategies as st

from marketplace.leads.models import ZipCode
from marketplace.leads.services import normal_phone
from marketplace.supply import places, values
from marketplace.supply.columns import FIELDS, plain, read_header
from marketplace.supply.refusals import FileRefused, RowRejected

from .files import AREA_CODES, row

LEAST = ["last_name", "phone_1", "postal_code", "source_timestamp", "vertical"]


def test_every_header_of_the_table_is_its_own_and_leads_to_one_field():
    known = [(alias, name) for name, aliases in FIELDS.items() for alias in [name, *aliases.split()]]
    assert len({alias for alias, _ in known}) == len(known)
    for alias, name in known:
        assert plain(alias) == alias
        header = [alias, *(other for other in LEAST if other != name)]
        assert read_header(header).fields[name] == 0


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("First Name", "first_name"), (" ZIP-Code ", "postal_code"), ("E-mail", "email"), ("PHONE NUMBER", "phone_1"),
        ("Created Time", "source_timestamp"), ("Product", "vertical"), ("TCPA Text", "consent_text"),
        ("xxTrustedFormCertUrl", "trustedform_cert_url"), ("Ｅｍａｉｌ", "email"),
    ],
)  # fmt: skip
def test_headers_are_recognised_however_they_are_written(header, name):
    assert name in read_header([header, *(other for other in LEAST if other != name)]).fields


def test_leadconduits_groups_are_known_but_not_public_unasked():
    header = [*LEAST, "insurance.carrier", "utility.electric.company", "insurance.current", "mortgage.rate."]
    columns = read_header(header)
    assert list(columns.attributes) == ["insurance.current"]
    assert columns.ignored == ("insurance.carrier", "utility.electric.company", "mortgage.rate")
    columns = read_header(header, keep=["Mortgage.Rate"])
    assert list(columns.attributes) == ["insurance.current", "mortgage.rate"]


def test_columns_without_a_name_may_be_left_out_of_rows():
    columns = read_header([*LEAST, "", ""])
    assert (columns.least, columns.most) == (5, 7)


@pytest.mark.parametrize("missing", LEAST)
def test_required_columns(missing):
    with pytest.raises(FileRefused, match=missing):
        read_header([name for name in LEAST if name != missing])


def _writing(digits: str, chance: random.Random) -> str:
    separators = ["", " ", "-", ".", "/", "--"]
    one, two, three = (chance.choice(separators) for _ in range(3))
    head = chance.choice(["", "1", "+1", "001", "+1 ", "(", "tel:", "p:"])
    area_code = chance.choice([digits[:3], "614", "212", "787", "340", "671", "416", "800", "900", "555"])
    closing, end = chance.choice(["", ")"]), chance.choice(["", "", "", three])
    return f"{head}{area_code}{closing}{one}{digits[3:6]}{two}{digits[6:]}{end}"


@given(st.from_regex(r"[0-9]{10}", fullmatch=True), st.randoms(use_true_random=False))
def test_the_short_way_reads_phones_like_the_long_way(digits, chance):
    """Most numbers are taken apart by one pattern instead of ``phonenumbers``; the answers are the same."""
    text = _writing(digits, chance)
    expected = normal_phone(text.removeprefix("p:"))
    try:
        found = values.phone(text)
    except RowRejected:
        found = ""
    assert found == expected


@given(st.from_regex(values._PLAIN_EMAIL, fullmatch=True).filter(lambda text: len(text) <= 254))
def test_what_the_short_way_takes_for_an_email_is_one(text):
    validate_email(text)
    assert values.email(text) == text.lower()


@pytest.mark.parametrize("area_code", AREA_CODES)
def test_the_numbers_of_the_tests_are_valid(area_code):
    assert values.phone(f"({area_code}) 555-0123") == f"+1{area_code}5550123"


def test_canadian_and_toll_free_numbers():
    with pytest.raises(RowRejected):
        values.phone("416-555-0123")
    assert values.phone("800-555-0199") == "+18005550199"
    assert values.phone("787-555-0123") == "+17875550123", "somebody from Puerto Rico may live in Ohio"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("HTTPS://Quotes.Example.NET/Auto#x", "https://quotes.example.net/Auto"),
        ("http://example.org", "http://example.org/"),
        ("https://example.org/a?b=c&d=%20", "https://example.org/a?b=c&d=%20"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
    ],
)
def test_addresses(text, address):
    assert values.url(text, "landing_page") == address


@pytest.mark.parametrize(
    "text",
    ["", "example.org", "//example.org/", "javascript:alert(1)", "https://", "https://example", "https://1.2.3.4/",
     "https://exa mple.org/", 'https://example.org/"onclick="x', "https://example.org/<b>", "https://a@example.org/",
     "https://example.org:8080/", "https://example.org/\n", "data:text/html,x", "https://example.org/é"],
)  # fmt: skip
def test_what_is_no_address(text):
    with pytest.raises(RowRejected):
        values.url(text, "landing_page")


@pytest.mark.django_db
def test_the_whole_zip_table():
    """42,789 codes, once."""
    found = places.places()
    assert len(found) == ZipCode.objects.count() == places.load_zip_codes() > 42_000
    assert found["43215"][:2] == ("Columbus", "OH")
    assert found["43215"].time_zone == "America/New_York"
    assert found["43215"][3:] == pytest.approx((39.99, -82.99), abs=0.01)
    assert found["43215"] == found["43201"], "the middle of the city, not of the ZIP code"
    assert found["02139"][:2] == ("Cambridge", "MA")
    assert {place.state for place in found.values()} >= set(places.SOLD_IN)
    columbus = ZipCode.objects.get(code="43215")
    assert (round(columbus.latitude), round(columbus.longitude)) == (40, -83)
    assert not ZipCode.objects.filter(latitude=0).exists()


def test_a_complete_row_has_no_unknown_column():
    assert read_header(list(row())).ignored == ()
