"""``manage.py import_leads FILE``: what comes in, what is refused, and what is said about it."""

import base64
import csv
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from marketplace.core import clock
from marketplace.leads import pricing
from marketplace.leads.models import Consent, ConsentWording, Lead, LeadContact, Supplier, Suppression
from marketplace.leads.services import contact_of, same_person, take_slot
from marketplace.supply import intake
from marketplace.supply.models import ImportBatch, ImportRow
from marketplace.supply.refusals import FileRefused
from marketplace.supply.services import import_file
from privacy.policy.services import sha256_of
from privacy.vault.fields import unseal_from

from .files import WORDING, row, without, write

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("zip_codes")]


def run(path, *options, **named):
    """What the command prints, line by line."""
    out, err = StringIO(), StringIO()
    call_command("import_leads", str(path), *options, stdout=out, stderr=err, **named)
    return out.getvalue().splitlines()


def reasons(path, *options):
    """The lines about rows that are not on sale."""
    return [line for line in run(path, *options) if line.startswith("line ")]


def only_reason(tmp_path, **changes):
    """What is said about one row beside a good one."""
    path = write(tmp_path, [row(**changes), row()])
    lines = run(path)
    assert "accepted: 1" in lines, lines
    (line,) = [line for line in lines if line.startswith("line ")]
    return line.removeprefix("line 2: ")


def test_it_works(tmp_path):
    asked = clock.now() - timedelta(hours=2)
    path = write(
        tmp_path,
        [
            row(
                first_name="Ana", last_name="López", email="Ana.Lopez@Example.com ", phone_1="(614) 555-0123",
                source_timestamp=asked.isoformat(), buyers="1", comments="After five\nplease", reference="=1+1",
                landing_page="https://quotes.example.net/auto?email=ana@example.com#top",
                trustedform_cert_url="https://cert.example.org/0123abc", named_sellers="Acme; Example Brokers",
                consent_provider="TrustedForm", dnc_checked_on="2026-01-05", **{"vehicle.year": "2018"},
            )
        ],
    )  # fmt: skip
    assert run(path) == ["rows: 1", "accepted: 1", "on hold: 0", "duplicates: 0", "rejected: 0"]
    lead = Lead.objects.select_related("vertical", "supplier", "consent__wording").get()
    assert (lead.status, lead.vertical.slug, lead.city, lead.state, lead.postal_code) == (
        "open", "auto-insurance", "Columbus", "OH", "43215",
    )  # fmt: skip
    assert (lead.slots_total, lead.slots_sold, lead.asked_at, lead.age_band) == (1, 0, asked, 0)
    assert clock.now() - lead.listed_at < timedelta(minutes=1)
    assert lead.attributes == {"vehicle.count": "2", "vehicle.year": "2018"}
    assert lead.supplier_reference == "=1+1", "formula-looking text is stored as it is; exports guard"
    assert lead.landing_page == "https://quotes.example.net/auto", "queries carry what a visitor typed"
    assert (lead.origin_site, lead.origin_policy_url) == ("quotes.example.net", "https://quotes.example.net/privacy")
    assert (lead.supplier.name, lead.supplier.grade) == ("Test Supply", "C")
    consent = lead.consent
    assert (consent.wording.text, consent.wording.sha256) == (WORDING, sha256_of(WORDING))
    assert (consent.page, consent.named_sellers) == ("https://quotes.example.net/auto/quote", "Acme; Example Brokers")
    assert (consent.certificate_url, consent.provider) == ("https://cert.example.org/0123abc", "TrustedForm")
    assert str(consent.dnc_checked_on) == "2026-01-05"
    assert lead.is_certified
    contact = contact_of(lead)
    assert (contact.name, contact.phone, contact.email) == ("Ana López", "+16145550123", "ana.lopez@example.com")
    assert same_person(phone="614 555 0123").get().lead_id == lead.pk
    outcome = ImportRow.objects.get()
    assert (outcome.line, outcome.outcome, outcome.lead_id) == (2, "accepted", lead.pk)


def test_the_price_is_that_of_its_age_and_answers(tmp_path):
    asked = (clock.now() - timedelta(days=10)).isoformat()
    run(write(tmp_path, [row(source_timestamp=asked, buyers="3")]))
    lead = Lead.objects.select_related("vertical").get()
    score = pricing.points("C", is_certified=False, answered=1, asked=5)
    assert lead.base_cents == pricing.base_price(lead.vertical.low_cents, lead.vertical.high_cents, score)
    assert (lead.age_band, lead.price_cents) == (
        3,
        pricing.price(lead.base_cents, exclusive_percent=250, slots_total=3, band=3),
    )


def test_a_bad_row_never_stops_the_good_ones(tmp_path):
    path = write(tmp_path, [row(), row(phone_1="555"), row(), row(email="nobody"), row()])
    assert run(path) == [
        "rows: 5", "accepted: 3", "on hold: 0", "duplicates: 0", "rejected: 2",
        "line 3: rejected: phone_1 is not a valid US phone number.",
        "line 5: rejected: email is not a valid address.",
    ]  # fmt: skip
    assert Lead.objects.count() == LeadContact.objects.count() == Consent.objects.count() == 3
    assert ConsentWording.objects.count() == 1


def test_the_same_file_twice_changes_nothing(tmp_path):
    path = write(tmp_path, [row(), row(phone_1="1"), row()])
    first = run(path)
    leads = list(Lead.objects.order_by("pk").values())
    copy = tmp_path / "other name.csv"
    copy.write_bytes(path.read_bytes())
    assert run(copy) == first
    assert list(Lead.objects.order_by("pk").values()) == leads
    assert (ImportBatch.objects.count(), ImportRow.objects.count()) == (1, 3)


def test_lines_are_counted_as_an_editor_counts(tmp_path):
    header = ",".join(row())
    good = row(comments='"one\ntwo\r\nthree"')
    lines = [header, ",".join(good.values()), "", ",,", ",".join(row(phone_1="0").values())]
    path = tmp_path / "leads.csv"
    path.write_bytes("\r\n".join(lines).encode())
    assert reasons(path) == ["line 7: rejected: phone_1 is not a valid US phone number."]
    assert ImportBatch.objects.get().total == Lead.objects.count() + 1 == 2, "empty rows are none"


@pytest.mark.parametrize(
    ("encoding", "form"),
    [
        ("utf-8", {}),
        ("utf-8-sig", {"delimiter": ";"}),
        ("utf-8", {"delimiter": "\t", "lineterminator": "\r"}),
        ("cp1252", {"delimiter": ";", "quoting": csv.QUOTE_ALL}),
        ("cp1252", {"lineterminator": "\n"}),
    ],
)
def test_every_usual_form_is_read(tmp_path, encoding, form):
    path = write(tmp_path, [row(last_name="Peña, Zoë", comments='says "hi"; twice')], encoding=encoding, **form)
    assert "accepted: 1" in run(path)
    assert contact_of(Lead.objects.get()).last_name == "Peña, Zoë"


def test_the_headers_of_other_tools_are_recognised(tmp_path):
    asked = (clock.now() - timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%S+0000")
    path = write(
        tmp_path,
        [
            {
                "id": "l:99", "created_time": asked, "platform": "ig", "Full Name": "Ana María López",
                "Phone Number": "p:+16145550123", "Email Address": "a@example.com", "Zip Code": "z:43215-1234",
                "Lead Type": "Car Insurance", "Max Buyers": "Exclusive",
            }
        ],
    )  # fmt: skip
    out, err = StringIO(), StringIO()
    call_command("import_leads", str(path), "--supplier", "Acme Leads", stdout=out, stderr=err)
    assert "on hold: 1" in out.getvalue()
    assert "Columns not imported: platform." in err.getvalue()
    lead = Lead.objects.select_related("supplier", "vertical").get()
    assert (lead.supplier.slug, lead.supplier_reference, lead.vertical.slug) == ("acme-leads", "l:99", "auto-insurance")
    assert (lead.slots_total, lead.postal_code) == (1, "43215")
    assert (lead.latitude, lead.longitude, lead.time_zone) == (39.96, -83.0, "America/New_York")
    contact = contact_of(lead)
    assert (contact.first_name, contact.last_name, contact.phone) == ("Ana María", "López", "+16145550123")


def test_vertical_and_supplier_may_stand_beside_the_file(tmp_path):
    path = write(tmp_path, [without("vertical supplier")])
    with pytest.raises(
        CommandError, match=r"lacks these columns: vertical \(or name one line of business for all rows"
    ):
        run(path)
    with pytest.raises(CommandError, match="none of ours"):
        run(path, "--vertical", "pets")
    assert not ImportBatch.objects.exists()
    assert "accepted: 1" in run(path, "--vertical", "solar")
    lead = Lead.objects.select_related("supplier", "vertical").get()
    assert (lead.vertical.slug, lead.supplier.name) == ("solar", "Unnamed supplier")


def test_without_a_word_about_buyers_a_lead_is_shared(tmp_path):
    run(write(tmp_path, [row(buyers="")]))
    assert Lead.objects.get().slots_total == 3, "exclusive would be a claim nobody made"


# --- columns ----------------------------------------------------------------------------------------------------------


def test_unknown_columns_come_in_only_when_ticked(tmp_path):
    path = write(tmp_path, [row(**{"Pet Count": "3", "Shoe": "9"})])
    run(path, "--keep", "pet count")
    assert Lead.objects.get().attributes == {"vehicle.count": "2", "pet_count": "3"}
    with pytest.raises(CommandError, match="not in the file"):
        run(write(tmp_path, [row(a="1")]), "--keep", "b")


@pytest.mark.parametrize(
    "options",
    [
        {"keep": ["b"]},
        {"keep": ["x" * 41]},
        {"keep": ["mobile 2"]},
        {"vertical": "pets"},
        {"supplier": "a@example.org"},
    ],
)
def test_what_is_refused_names_no_option_of_the_command(tmp_path, options):
    """The pages of the admin say the same sentences."""
    path = write(tmp_path, [row(supplier="", **{"mobile 2": "1", "x" * 41: "1"})])
    with pytest.raises(FileRefused) as caught:
        import_file(path, **options)
    assert "--" not in str(caught.value)


def test_a_partner_is_no_supplier(tmp_path):
    """In the files of lenders and insurers it is a person."""
    run(write(tmp_path, [row(supplier="", partner="Paula Canary")]), "--supplier", "Acme Leads")
    assert list(Supplier.objects.values_list("name", flat=True)) == ["Acme Leads"]


@pytest.mark.parametrize(
    "header",
    ["Spouse Name", "dob", "DOB1", "ip_address", "vehicle.vin", "Street 2", "user agent", "alt_phone", "DateOfBirth",
     "Birthday", "VINNumber", "VehicleVIN", "PolicyNumber", "Policy #", "MiddleName", "Middle Initial",
     "UserAgent", "AltPhone", "WorkEmail", "MailingAddress2", "IPAddress", "Lead IP", "DriversLicense", "LicensePlate",
     "AccountNumber", "Owner", "Owner 2", "OwnerName", "Applicant", "applicant_2", "Named Insured", "Insured",
     "insured 1", "insurance.insured", "Borrower", "CoBorrower", "co-borrower age", "mortgage.borrower",
     "Policy Holder", "PolicyHolder", "Title Holder", "Spouse", "spouseage", "property.zip", "ZIP+4", "Property ZIP",
     "gclid", "SessionID", "Emergency Contact", "Beneficiary"],
)  # fmt: skip
def test_personal_columns_are_never_attributes(tmp_path, header):
    path = write(tmp_path, [row(**{header: "x"})])
    with pytest.raises(CommandError, match=r"Column 22 cannot be kept"):
        run(path, "--keep", header)
    run(path)
    assert Lead.objects.get().attributes == {"vehicle.count": "2"}


@pytest.mark.parametrize(
    "header",
    ["Pet Count", "campaign_name", "AdName", "Adobe Roof", "vinyl siding", "possession date", "automobile make",
     "Business Type", "insurance.carrier", "property.lot_size", "uninsured months", "credit score"],
)  # fmt: skip
def test_staff_may_keep_what_is_not_personal(tmp_path, header):
    run(write(tmp_path, [row(**{header: "x"})]), "--keep", header)
    assert len(Lead.objects.get().attributes) == 2


def test_a_column_of_a_known_group_is_public_only_if_we_know_it_or_staff_tick_it(tmp_path):
    """Anybody can write insurance. in front of anything."""
    rows = [row(**{"insurance.carrier": "Acme", "insurance.note": "Paula Canary", "insurance.claims_5y": "0"})]
    path = write(tmp_path, rows)
    run(path, "--keep", "insurance.carrier")
    assert Lead.objects.get().attributes == {
        "vehicle.count": "2", "insurance.carrier": "Acme", "insurance.claims_5y": "0",
    }  # fmt: skip


@pytest.mark.parametrize(
    "header",
    ["SSN", "ssn", "Social Security Number", "social_security_no", "Social Security #", "borrower_ssn", "SSN Last 4",
     "last4 ssn", "tax_id", "ITIN", "Credit Card Number", "cc_number", "CVV", "card number", "SocialSecurityNumber",
     "SocialSecurity", "SocSecNo", "BorrowerSSN", "SSNLast4", "ssn#", "SSN #", "SS#", "TaxID", "TaxpayerIdNumber",
     "CreditCardNumber", "DebitCardNo", "CardNumber", "Card #", "Card#", "CC #", "CC#", "CardExpiry", "CreditCard",
     "CC Exp", "Card CVV"],
)  # fmt: skip
def test_a_column_of_identity_or_card_numbers_refuses_the_file(tmp_path, header):
    path = write(tmp_path, [row(**{header: "123-45-6789"})])
    with pytest.raises(CommandError, match="Column 22 looks like a social security, tax or card number") as caught:
        run(path)
    assert "123" not in str(caught.value)
    assert not Lead.objects.exists()


@pytest.mark.parametrize(
    "header",
    ["Business Name", "BusinessNumber", "Business No", "Social Media", "Credit Score", "credit_rating", "Postcard",
     "Property Tax", "Company", "has_credit_card", "Access Notes", "# of vehicles"],
)  # fmt: skip
def test_a_column_that_only_sounds_like_it_does_not(tmp_path, header):
    assert "accepted: 1" in run(write(tmp_path, [without("vehicle.count", **{header: "2"})]))


def test_of_two_columns_that_mean_the_same_the_usual_one_is_read(tmp_path):
    path = write(tmp_path, [{"Mobile": "702-555-0199"} | row(phone_1="614-555-0101")])
    run(path)
    assert contact_of(Lead.objects.get()).phone == "+16145550101"


# --- what a row must be -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"phone_1": ""}, "phone_1 is not a valid US phone number."),
        ({"phone_1": "+44 20 7946 0958"}, "phone_1 is not a valid US phone number."),
        ({"phone_1": "(999) 555-0123"}, "phone_1 is not a valid US phone number."),
        ({"phone_1": "614-555-012"}, "phone_1 is not a valid US phone number."),
        ({"phone_1": "6" * 119}, "phone_1 is not a valid US phone number."),
        ({"email": "a@b"}, "email is not a valid address."),
        ({"email": "a b@example.com"}, "email is not a valid address."),
        ({"email": "x" * 250 + "@example.com"}, "email is longer than 254 characters."),
        ({"postal_code": "ABCDE"}, "postal_code is not five digits."),
        ({"postal_code": "99999"}, "postal_code does not exist."),
        ({"postal_code": "00901", "state": ""}, "postal_code is not in one of the 50 states or DC."),
        ({"postal_code": "09012", "state": ""}, "postal_code is not in one of the 50 states or DC."),
        ({"postal_code": "02139"}, "state contradicts postal_code."),
        ({"state": "Ontario"}, "state is not a US state."),
        ({"first_name": "", "last_name": ""}, "The row names nobody."),
        ({"source_timestamp": ""}, "source_timestamp is not an ISO 8601 time."),
        ({"source_timestamp": "yesterday"}, "source_timestamp is not an ISO 8601 time."),
        ({"source_timestamp": "01/31/2026 10:00"}, "source_timestamp is not an ISO 8601 time."),
        ({"source_timestamp": "0001-01-01T00:00:00+14:00"}, "source_timestamp is not an ISO 8601 time."),
        ({"source_timestamp": "9999-12-31T23:59:59"}, "source_timestamp lies in the future."),
        ({"source_timestamp": "2019-01-01"}, "source_timestamp is older than 365 days."),
        ({"vertical": "pets"}, "vertical is none of ours."),
        ({"vertical": ""}, "The row says no vertical."),
        ({"buyers": "0"}, "buyers is not a number from 1 to 3."),
        ({"buyers": "4"}, "buyers is not a number from 1 to 3."),
        ({"buyers": "1000"}, "buyers is not a number from 1 to 3."),
        ({"buyers": "-1"}, "buyers is not a number from 1 to 3."),
        ({"buyers": "1e18"}, "buyers is not a number from 1 to 3."),
        ({"buyers": "२"}, "buyers is not a number from 1 to 3."),
        ({"supplier": "☃"}, "supplier is not a name of at most 80 characters."),
        ({"supplier": "ana@example.com"}, "supplier holds an email address or a phone number, and it would be public."),
        ({"landing_page": "javascript:alert(1)"}, "landing_page is not an http or https address."),
        ({"landing_page": "https://quotes.example.net/a b"}, "landing_page is not an http or https address."),
        ({"landing_page": "https://quotes.example.net/ana@example.com"}, "landing_page holds an email address."),
        ({"landing_page": "https://quotes.example.net/ana%40example.com"}, "landing_page holds an email address."),
        ({"landing_page": "https://quotes.example.net/ana%2540example.com"}, "landing_page holds an email address."),
        ({"landing_page": "https://quotes.example.net/%EF%BC%A0x/a%EF%BC%A0b"}, "landing_page holds an email address."),
        ({"consent_page": "https://quotes.example.net/ana%40example.com"}, "consent_page holds an email address."),
        ({"origin_policy_url": "https://quotes.example.net/a%40b"}, "origin_policy_url holds an email address."),
        ({"trustedform_cert_url": "https://cert.example.org/?e=a%40b"}, "trustedform_cert_url holds an email address."),
        ({"landing_page": "https://a.example/%25252525252540"}, "landing_page is not an http or https address."),
        ({"consent_page": "https://localhost/x"}, "consent_page is not an http or https address."),
        ({"consent_page": "https://user:pw@quotes.example.net/"}, "consent_page is not an http or https address."),
        ({"origin_site": "not a site"}, "origin_site is not the name of a site."),
        ({"origin_policy_url": "ftp://quotes.example.net/p"}, "origin_policy_url is not an http or https address."),
        ({"trustedform_cert_url": "none"}, "trustedform_cert_url is not an http or https address."),
        ({"universal_leadid": "123"}, "universal_leadid is not a LeadiD."),
        ({"consent_at": "9999-12-31"}, "consent_at lies in the future."),
        ({"consent_at": "soon"}, "consent_at is not an ISO 8601 time."),
        ({"consent_expires": "2020-01-01"}, "The consent has expired."),
        ({"consent_revoked_at": "2026-01-01"}, "The consent was revoked."),
        ({"consent_revoked_at": "yes"}, "The consent was revoked."),
        ({"email": "ana?bcc=eve@example.com"}, "email is not a valid address."),
        ({"email": "ana&cc@example.com"}, "email is not a valid address."),
        ({"email": "ana%40x@example.com"}, "email is not a valid address."),
        ({"dnc_checked_on": "x"}, "dnc_checked_on is not an ISO 8601 time."),
        ({"first_name": "Quen\x07tin"}, "first_name holds control characters or a line break."),
        ({"first_name": "Quen\ntin"}, "first_name holds control characters or a line break."),
        ({"comments": "a\x1bb"}, "comments holds control characters or a line break."),
        ({"last_name": "evil\u202etxt"}, "last_name holds control characters or a line break."),
        ({"vehicle.count": "2\t3"}, "vehicle.count holds control characters or a line break."),
        ({"last_name": "x" * 81}, "last_name is longer than 80 characters."),
        ({"vehicle.count": "x" * 81}, "vehicle.count is longer than 80 characters."),
        ({"reference": "x" * 81}, "reference is longer than 80 characters."),
        ({"consent_text": "x" * 10_001}, "consent_text is longer than 10000 characters."),
    ],
)  # fmt: skip
def test_a_row_is_rejected_with_its_reason(tmp_path, changes, reason):
    assert only_reason(tmp_path, **changes) == f"rejected: {reason}"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"comments": "my ssn is 123-45-6789"}, "comments looks like it holds a social security number"),
        ({"comments": "123456789"}, "comments looks like it holds a social security number"),
        ({"comments": "１２３-４５-６７８９"}, "comments looks like it holds a social security number"),
        ({"vehicle.count": "123 45 6789"}, "vehicle.count looks like it holds a social security number"),
        ({"reference": "123-45-6789"}, "reference looks like it holds a social security number"),
        ({"address_1": "123-45-6789"}, "address_1 looks like it holds a social security number"),
        ({"comments": "4242 4242 4242 4242 12/30"}, "comments looks like it holds a card number"),
        ({"vehicle.count": "4242424242424242"}, "vehicle.count looks like it holds a card number"),
        ({"vehicle.count": "x@example.com"}, "vehicle.count holds an email address or a phone number"),
        ({"vehicle.count": "(614) 555-0123"}, "vehicle.count holds an email address or a phone number"),
        ({"original_source": "614.555.0123"}, "original_source holds an email address or a phone number"),
        ({"reference": "6145550123"}, "reference holds an email address or a phone number"),
        ({"first_name": "Ana", "last_name": "Canary", "vehicle.count": "ana canary"}, "An attribute holds the person"),
        ({"address_1": "7 Canary Lane", "vehicle.count": "at 7 canary lane"}, "An attribute holds the person"),
        ({"first_name": "Ana", "vehicle.count": "ANA's two cars"}, "An attribute holds the person"),
        ({"last_name": "Canary", "vehicle.year": "Canary family"}, "An attribute holds the person"),
        ({"last_name": "Canary-Lopez", "vehicle.year": "lopez"}, "An attribute holds the person"),
        ({"last_name": "Peña", "vehicle.year": "PENA"}, "An attribute holds the person"),
        ({"last_name": "Lopez", "vehicle.year": "López, two cars"}, "An attribute holds the person"),
        ({"first_name": "Al", "last_name": "Wu", "vehicle.count": "al wu"}, "An attribute holds the person"),
        ({"phone_1": "614-555-0123", "landing_page": "https://a.example/t/6145550123"}, "landing_page holds the"),
        ({"phone_1": "614-555-0123", "landing_page": "https://a.example/614%2D555-0123"}, "landing_page holds the"),
        ({"phone_1": "614-555-0123", "consent_page": "https://a.example/614/555/0123"}, "consent_page holds the"),
        ({"phone_1": "614-555-0123", "origin_policy_url": "https://a.example/%36145550123"}, "origin_policy_url h"),
        ({"phone_1": "614-555-0123", "consent_text": "Call me at (614) 555-0123."}, "consent_text names the person"),
        ({"email": "ana@example.com", "consent_text": "Mail ana@example.com."}, "consent_text names the person"),
    ],
)  # fmt: skip
def test_what_singles_a_person_out_is_never_public(tmp_path, changes, reason):
    said = only_reason(tmp_path, **changes)
    assert said.startswith(f"rejected: {reason}")
    assert not any(value in said for value in changes.values())


@pytest.mark.parametrize(
    "changes",
    [
        {"phone_1": "1.614.555.0111"},
        {"phone_1": "+1 (614) 555-0112 ext. 5"},
        {"postal_code": "2139", "state": "massachusetts"},
        {"postal_code": "43215-0001", "state": ""},
        {"source_timestamp": "{today}"},
        {"email": ""},
        {"last_name": ""},
        {"reference": "123456789"},
        {"comments": "call (614) 555-0123, not ana@example.com"},
        {"consent_text": "Calls may come from (800) 555-0199."},
        {"address_1": "12 Test Street\nApt 4"},
        {"vehicle.count": "$250,000 to $1,000,000"},
        {"first_name": "=HYPERLINK(1)", "last_name": "<script>alert(1)</script>"},
        {"origin_site": "https://Quotes.Example.net/"},
        {"consent_expires": "2099-01-01"},
        {"consent_revoked_at": "No"},
        {"last_name": "Owner", "property.ownership": "owner"},
        {"last_name": "Good", "first_name": "Term", "mortgage.credit": "Good", "insurance.term": "Term"},
        {"first_name": "Al", "vehicle.count": "al dente"},
        {"last_name": "Count", "vehicle.count": "countless"},
        {"landing_page": "https://quotes.example.net/a%20b/1234567890"},
        {"email": "ana+x=y.o'neil@example.com"},
    ],
)
def test_a_row_is_accepted(tmp_path, changes):
    changes = {name: value.format(today=clock.now().date()) for name, value in changes.items()}
    assert run(write(tmp_path, [row(**changes)]))[1] == "accepted: 1"


def test_the_address_of_a_policy_loses_what_a_visitor_typed(tmp_path):
    """It is public, also on the page of a lead nobody bought."""
    policy = "https://quotes.example.net/privacy?email=ana%40example.com&phone=6145550123#ana"
    run(write(tmp_path, [row(origin_policy_url=policy)]))
    assert Lead.objects.get().origin_policy_url == "https://quotes.example.net/privacy"


def test_comments_are_sealed_and_nowhere_else(tmp_path):
    run(write(tmp_path, [row(comments="Canary comment", address_1="7 Canary Lane")]))
    lead = Lead.objects.get()
    assert contact_of(lead).address == "7 Canary Lane"
    assert "anary" not in str(Lead.objects.values().get()) + str(LeadContact.objects.values().get())
    assert "anary" not in str(Consent.objects.values().get()) + str(ImportRow.objects.values().get())


# --- consent and origin -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ("consent_text", "No consent record: it takes consent_text, consent_at and consent_page."),
        ("consent_at", "No consent record: it takes consent_text, consent_at and consent_page."),
        ("consent_page", "No consent record: it takes consent_text, consent_at and consent_page."),
        ("origin_policy_url", "No origin: it takes origin_site and origin_policy_url."),
        ("origin_site landing_page", "No origin: it takes origin_site and origin_policy_url."),
    ],
)
def test_without_consent_or_origin_a_lead_is_on_hold(tmp_path, missing, reason):
    """DX-16: it is imported, not on sale, and the report says so."""
    lines = run(write(tmp_path, [without(missing)]))
    assert lines[1:3] == ["accepted: 0", "on hold: 1"]
    assert lines[-1] == f"line 2: on hold: {reason}"
    lead = Lead.objects.get()
    assert (lead.status, lead.listed_at) == ("held", None)
    assert not Lead.objects.on_sale().exists()


def test_the_site_is_taken_from_the_landing_page_if_nothing_else_names_it(tmp_path):
    run(write(tmp_path, [without("origin_site", landing_page="https://www.example.org/solar?x=1")]))
    assert Lead.objects.get().origin_site == "www.example.org"


def test_a_lead_on_hold_gives_way_to_the_complete_record(tmp_path):
    """A supplier sends again what lacked its consent record."""
    person = row()
    lacking = without("consent_text", **{name: person[name] for name in ("phone_1", "email")})
    run(write(tmp_path, [lacking]))
    assert "accepted: 1" in run(write(tmp_path, [person]))
    assert sorted(Lead.objects.values_list("status", flat=True)) == ["open", "withdrawn"]
    assert "duplicates: 1" in run(write(tmp_path, [person | {"reference": "again"}]))


def test_within_one_file_too(tmp_path):
    person = row()
    lines = run(write(tmp_path, [person | {"consent_text": ""}, person]))
    assert lines[1:4] == ["accepted: 1", "on hold: 1", "duplicates: 0"]
    assert list(Lead.objects.order_by("pk").values_list("status", flat=True)) == ["withdrawn", "open"]


# --- consent that ended -----------------------------------------------------------------------------------------------


TAKEN_BACK_AT = (clock.now() - timedelta(hours=1)).replace(microsecond=0).isoformat()  # rows agreed an hour before


def took_back(person, **changes):
    """A row with word that ``person`` took their consent back."""
    return row(**{"consent_revoked_at": TAKEN_BACK_AT} | changes) | person


def states():
    """Status and moment of revocation of every lead, by reference."""
    columns = ("supplier_reference", "status", "consent__revoked_at")
    return {reference: (status, at and at.isoformat()) for reference, status, at in Lead.objects.values_list(*columns)}


TAKEN_BACK = ("withdrawn", TAKEN_BACK_AT)


@pytest.mark.parametrize("in_one_file", [True, False])
def test_word_of_a_revocation_ends_what_the_person_has_on_sale(tmp_path, in_one_file):
    """DX-16: by phone or by email, in every vertical; and the row itself is still rejected."""
    person = row()
    phone, email = {"phone_1": person["phone_1"]}, {"email": person["email"]}
    stock = [
        person | {"reference": "auto"},
        row(reference="solar", vertical="solar", **phone),
        row(reference="home", vertical="home-insurance", **email),
        row(reference="hvac", vertical="hvac", consent_page="", **phone),
        row(reference="other"),
    ]
    word = took_back(phone | {"email": person["email"].upper(), "vertical": "roofing", "reference": "word"})
    if in_one_file:
        lines = run(write(tmp_path, [*stock, word]))
    else:
        run(write(tmp_path, stock))
        lines = run(write(tmp_path, [word]))
    assert lines[-1].endswith("rejected: The consent was revoked.")
    assert states() == {
        "auto": TAKEN_BACK, "solar": TAKEN_BACK, "home": TAKEN_BACK, "hvac": ("withdrawn", None),
        "other": ("open", None),
    }  # fmt: skip
    assert "rejected: 1" in run(write(tmp_path, [person | {"reference": "again"}])), "it does not come back"


@pytest.mark.parametrize(
    "bad", [{"email": "nobody"}, {"postal_code": "x"}, {"last_name": "", "first_name": ""}, {"comments": "x" * 3000}]
)
def test_a_bad_row_brings_that_word_too(tmp_path, bad):
    person = row(reference="auto")
    run(write(tmp_path, [person]))
    run(write(tmp_path, [took_back({"phone_1": person["phone_1"]} | bad)]))
    assert states() == {"auto": TAKEN_BACK}


def test_without_phone_and_email_it_is_about_nobody(tmp_path):
    lines = run(write(tmp_path, [row(reference="auto", email=""), took_back({"phone_1": "1", "email": ""})]))
    assert lines[-1] == "line 3: rejected: The consent was revoked."
    assert states() == {"auto": ("open", None)}


@pytest.mark.parametrize("told", ["yes", "2099-01-01"])
def test_a_revocation_without_a_good_moment_counts_from_the_import(tmp_path, told):
    person = row()
    run(write(tmp_path, [person, took_back({"phone_1": person["phone_1"]}, consent_revoked_at=told)]))
    consent = Consent.objects.get()
    assert consent.revoked_at == ImportBatch.objects.get().started_at


def test_the_first_moment_of_a_revocation_stays(tmp_path):
    person = row(reference="auto")
    phone = {"phone_1": person["phone_1"]}
    later = took_back(phone, consent_revoked_at=clock.now().isoformat())
    run(write(tmp_path, [person, took_back(phone), later]))
    assert states() == {"auto": TAKEN_BACK}
    run(write(tmp_path, [later]))
    assert states() == {"auto": TAKEN_BACK}


def test_what_is_sold_stays_sold(tmp_path):
    person = row(reference="auto", buyers="1")
    run(write(tmp_path, [person]))
    take_slot(Lead.objects.get().pk, Lead.objects.get().price_cents)
    run(write(tmp_path, [took_back({"phone_1": person["phone_1"]})]))
    assert states() == {"auto": ("sold", TAKEN_BACK_AT)}


def word_comes_first(tmp_path, in_one_file: bool) -> list[str]:
    """Word that somebody took their consent back, and after it two requests of theirs on that consent and one of
    somebody else; returns what is said of the last file."""
    person = row(reference="phone", email="")
    word = took_back({name: person[name] for name in ("phone_1", "email")} | {"email": "Quentin@example.org"})
    later = [person, row(reference="email", vertical="solar", email="quentin@example.org"), row(reference="other")]
    if in_one_file:
        return run(write(tmp_path, [word, *later]))
    run(write(tmp_path, [word]))
    return run(write(tmp_path, later, name="later.csv"))


@pytest.mark.parametrize("in_one_file", [True, False])
def test_a_request_that_comes_after_the_word_is_not_sold(tmp_path, in_one_file):
    """DX-16: never sold after revocation, whichever file comes first."""
    lines = word_comes_first(tmp_path, in_one_file)
    assert [line.partition(": ")[2] for line in lines[-2:]] == ["rejected: The person took this consent back."] * 2
    assert states() == {"other": ("open", None)}


def test_control_without_a_memory_of_the_word_it_is_sold(tmp_path, monkeypatch):
    monkeypatch.setattr(intake, "_was_taken_back", lambda row, ends: False)
    word_comes_first(tmp_path, in_one_file=False)
    assert states().keys() == {"phone", "email", "other"}


def test_what_somebody_agrees_to_afterwards_is_sold(tmp_path):
    person = row()
    phone = {"phone_1": person["phone_1"], "email": ""}
    before = (clock.now() - timedelta(hours=3)).isoformat()
    run(write(tmp_path, [took_back(phone, consent_revoked_at=before)]))
    run(write(tmp_path, [row(reference="anew", **phone)], name="later.csv"))
    run(write(tmp_path, [took_back(phone, consent_revoked_at="2020-01-01")], name="old-word.csv"))
    assert states() == {"anew": ("open", None)}
    run(write(tmp_path, [took_back(phone)], name="word.csv"))
    assert states() == {"anew": TAKEN_BACK}
    assert [one.revoked_at.isoformat() for one in Suppression.objects.all()] == [TAKEN_BACK_AT]


def test_word_of_a_day_counts_to_its_end(tmp_path):
    """So that a consent of that day does not outlive it."""
    person = row(reference="auto", consent_at="2026-01-05T15:00:00Z")
    day = took_back({"phone_1": person["phone_1"]}, consent_revoked_at="2026-01-05")
    run(write(tmp_path, [person, day]))
    assert states() == {"auto": ("withdrawn", "2026-01-06T00:00:00+00:00")}


def test_whom_it_is_about_is_sealed_and_found_under_a_new_key(tmp_path, settings):
    person = row()
    run(write(tmp_path, [took_back({"phone_1": person["phone_1"]})]))
    settings.DIGEST_KEYS = "c:" + base64.b64encode(b"c" * 32).decode() + "," + settings.DIGEST_KEYS
    call_command("rotate_keys", verbosity=0)
    settings.DIGEST_KEYS = settings.DIGEST_KEYS.partition(",")[0]
    assert unseal_from(Suppression.objects.get(), "sealed")["phone_1"].startswith("+1")
    run(write(tmp_path, [person], name="later.csv"))
    assert states() == {}


@pytest.mark.parametrize("changes", [{"consent_expires": "{soon}"}, {"source_timestamp": "{almost}"}])
def test_what_ends_while_the_import_is_cut_off_never_is_on_sale(tmp_path, monkeypatch, changes):
    """The row is judged as of the beginning, so that the report is the same; the lead has no public page."""
    now = clock.now()
    times = {"soon": now + timedelta(hours=1), "almost": now - timedelta(days=364, hours=23)}
    path = write(tmp_path, [row(**{name: text.format_map(times) for name, text in changes.items()}), row()])
    monkeypatch.setattr(intake, "take_in", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(path)
    monkeypatch.undo()
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(hours=2))
    assert "accepted: 2" in run(path)
    ended, good = Lead.objects.order_by("pk")
    assert (ended.status, ended.listed_at, good.status) == ("withdrawn", None, "open")
    assert list(Lead.objects.shown()) == [good]


# --- duplicates -------------------------------------------------------------------------------------------------------


def test_the_same_phone_or_email_is_a_duplicate(tmp_path):
    one, two = row(), row()
    lines = run(write(tmp_path, [one, two, row(phone_1=one["phone_1"]), row(email=two["email"].upper())]))
    assert lines[1:] == [
        "accepted: 2", "on hold: 0", "duplicates: 2", "rejected: 0",
        "line 4: duplicate: The same phone or email is on line 2, asked for within 90 days.",
        "line 5: duplicate: The same phone or email is on line 3, asked for within 90 days.",
    ]  # fmt: skip
    lines = run(write(tmp_path, [row(phone_1=one["phone_1"])]))
    assert lines[-1] == "line 2: duplicate: The same phone or email is in stock, asked for within 90 days."


def test_another_vertical_or_another_season_is_none(tmp_path):
    person = row()
    long_ago = (clock.now() - timedelta(days=95)).isoformat()
    rows = [person, person | {"vertical": "solar"}, person | {"source_timestamp": long_ago}]
    assert run(write(tmp_path, rows))[1:4] == ["accepted: 3", "on hold: 0", "duplicates: 0"]


def test_a_rejected_row_makes_no_duplicate(tmp_path):
    person = row()
    lines = run(write(tmp_path, [person | {"postal_code": "x"}, person]))
    assert lines[1:5] == ["accepted: 1", "on hold: 0", "duplicates: 0", "rejected: 1"]


def test_a_person_is_found_under_an_old_digest_key_too(tmp_path, settings):
    person = row()
    run(write(tmp_path, [person]))
    settings.DIGEST_KEYS = "t2:" + "A" * 42 + "E=," + settings.DIGEST_KEYS
    assert "duplicates: 1" in run(write(tmp_path, [person | {"reference": "new"}]))


# --- the report -------------------------------------------------------------------------------------------------------


def test_the_report_as_a_file(tmp_path):
    path = write(tmp_path, [row(), row(phone_1="1"), without("consent_text")])
    report = tmp_path / "report.csv"
    run(path, "--report", str(report))
    with report.open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["line", "outcome", "reason"],
            ["3", "rejected", "phone_1 is not a valid US phone number."],
            ["4", "held", "No consent record: it takes consent_text, consent_at and consent_page."],
        ]


def test_the_report_never_overwrites_the_file(tmp_path):
    path = write(tmp_path, [row()])
    before = path.read_bytes()
    with pytest.raises(CommandError, match="the file that is imported"):
        run(path, "--report", str(path))
    assert path.read_bytes() == before


def test_a_report_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(CommandError, match="The import is done, but its report could not be written"):
        run(write(tmp_path, [row()]), "--report", str(tmp_path / "no" / "folder.csv"))
    assert Lead.objects.count() == 1


def test_nothing_of_a_row_is_in_the_report(tmp_path):
    canary = {
        "first_name": "Canary",
        "last_name": "Zugvogel",
        "email": "canary@example.org",
        "comments": "Canary",
    }
    bad = row(phone_1="614-555", **canary)
    lines = run(write(tmp_path, [bad, row(**canary), row(**canary), without("consent_text", **canary)]))
    assert len([line for line in lines if line.startswith("line")]) == 3
    assert not any("anary" in line or "Zugvogel" in line or "614" in line for line in lines)


# --- suppliers --------------------------------------------------------------------------------------------------------


def test_a_supplier_keeps_its_grade(tmp_path):
    Supplier.objects.create(slug="test-supply", name="Test Supply", grade="A")
    run(write(tmp_path, [row(), row(supplier="  TEST   supply ")]))
    assert Supplier.objects.count() == 1
    assert set(Lead.objects.values_list("supplier__grade", flat=True)) == {"A"}


def test_a_column_of_many_suppliers_is_not_the_supplier(tmp_path):
    path = write(tmp_path, [row(supplier=f"Person {number}") for number in range(21)])
    with pytest.raises(CommandError, match="more than 20 suppliers we do not know"):
        run(path)
    assert not Supplier.objects.filter(name__startswith="Person").exists()
    assert not ImportBatch.objects.exists()
