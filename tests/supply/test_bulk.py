"""Writing and finding many rows at once, the same on both databases."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import DataError, IntegrityError, transaction

from marketplace.core import clock
from marketplace.leads.models import Consent, ConsentWording, Lead, LeadContact, Supplier, Vertical
from marketplace.leads.services import make_verticals
from marketplace.supply.bulk import insert
from privacy.policy.services import sha256_of
from tests.stock import make_lead

pytestmark = pytest.mark.django_db
HOSTILE = "tab\there, line\nbreak\r\n, back\\slash \\N \\. 'quote' \"double\" {brace} %s ünï ☃ \\u0041 \x7f"


def wording(text):
    return {"sha256": sha256_of(text), "text": text}


def consent(wording_id, **changes):
    given = {
        "wording_id": wording_id, "given_at": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), "page": "https://a.example/",
        "named_sellers": HOSTILE, "provider": "", "certificate_url": "", "expires_at": None,
        "dnc_checked_on": date(2026, 1, 3), "revoked_at": None,
    }  # fmt: skip
    return given | changes


def lead(**changes):
    make_verticals()
    supplier, _ = Supplier.objects.get_or_create(slug="s", defaults={"name": "S"})
    given = {
        "public_id": "a", "vertical_id": Vertical.objects.first().pk, "supplier_id": supplier.pk,
        "supplier_reference": HOSTILE[:80], "city": "Columbus", "state": "OH", "postal_code": "43215",
        "time_zone": "America/New_York",
        "attributes": {"question": HOSTILE, "number": 2}, "asked_at": clock.now(), "listed_at": None, "status": "held",
        "slots_total": 2, "slots_sold": 0, "base_cents": 1500, "price_cents": 1500, "age_band": 0, "origin_site": "",
        "origin_policy_url": "", "landing_page": "", "original_source": "", "is_certified": True, "consent_id": None,
    }  # fmt: skip
    return given | changes


def test_it_works():
    texts = [f"{number} {HOSTILE}" for number in range(50)]
    keys = insert(ConsentWording, [wording(text) for text in texts])
    assert [ConsentWording.objects.get(pk=key).text for key in keys] == texts
    (key,) = insert(Consent, [consent(keys[7])])
    found = Consent.objects.get(pk=key)
    assert {column: getattr(found, column) for column in consent(keys[7])} == consent(keys[7])
    (key,) = insert(Lead, [lead(consent_id=found.pk)])
    held = Lead.objects.get(pk=key)
    assert (held.attributes, held.is_certified) == ({"question": HOSTILE, "number": 2}, True)
    assert (held.supplier_reference, held.consent) == (HOSTILE[:80], found)


def test_keys_go_on_where_the_mapper_stops_and_the_other_way_round():
    first = ConsentWording.objects.create(**wording("one"))
    (second,) = insert(ConsentWording, [wording("two")])
    third = ConsentWording.objects.create(**wording("three"))
    assert first.pk < second < third.pk


def test_a_key_that_is_given_is_kept():
    one = make_lead()
    LeadContact.objects.all().delete()
    row = {"lead_id": one.pk, "sealed": "x", "phone_digest": "a", "email_digest": "", "first_name_digest": ""}
    assert insert(LeadContact, [row | {"last_name_digest": HOSTILE[:64]}]) == [one.pk]
    assert LeadContact.objects.get().last_name_digest == HOSTILE[:64]


def test_nothing_is_nothing():
    assert insert(ConsentWording, []) == []


@pytest.mark.parametrize("wrong", [{"price_cents": 99}, {"public_id": "a"}, {"city": None}])
def test_a_row_the_database_refuses_takes_the_others_with_it(wrong):
    with pytest.raises(IntegrityError), transaction.atomic():
        insert(Lead, [lead(), lead(public_id="b") | wrong])
    assert not Lead.objects.exists()
    assert len(insert(Lead, [lead()])) == 1


@pytest.mark.postgresql
def test_a_value_that_is_too_long_is_not_cut():
    with pytest.raises(DataError), transaction.atomic():
        insert(Lead, [lead(city="x" * 61)])


@pytest.mark.parametrize("many", [1, 5000])
def test_finding_one_of_many(many):
    mine, other = make_lead(), make_lead()
    LeadContact.objects.filter(pk=mine.pk).update(phone_digest=HOSTILE[:64])
    texts = [HOSTILE[:64], *(f"nobody {number}" for number in range(many))]
    assert list(LeadContact.objects.filter(phone_digest__among=texts)) == [mine.contact]
    assert list(LeadContact.objects.exclude(phone_digest__among=texts)) == [other.contact]
    assert not LeadContact.objects.filter(phone_digest__among=[]).exists()


def test_a_moment_keeps_its_zone():
    (key,) = insert(ConsentWording, [wording("words")])
    given_at = datetime.fromisoformat("2026-03-04T05:06:07+05:30")
    (key,) = insert(Consent, [consent(key, given_at=given_at, expires_at=given_at + timedelta(days=1))])
    found = Consent.objects.get(pk=key)
    assert (found.given_at, found.expires_at) == (given_at, given_at + timedelta(days=1))
