"""Buyers are told when a person they bought takes the consent back (DX-16)."""

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.core import mail
from django.db import connection

from marketplace.core import clock
from marketplace.leads.models import Consent
from marketplace.leads.services import revoke_consents
from marketplace.mail.models import Category, OutgoingEmail
from marketplace.mail.services import deliver_due
from marketplace.purchases import emails, exports, revocations
from marketplace.purchases.models import Purchase
from marketplace.purchases.revocations import tell_of_revocations
from marketplace.purchases.services import buy_lead, new_key
from tests.stock import make_lead

from .conftest import bought

LEGAL = OutgoingEmail.objects.filter(category=Category.LEGAL)


@pytest.fixture
def taken_back(purchase):
    """A purchase of Alice's whose person took the consent back."""
    revoke_consents({purchase.lead_id: clock.now()})
    return purchase


def test_it_works(alice, bob, taken_back):
    bought(bob)
    assert tell_of_revocations() == 1
    assert LEGAL.get().user == alice
    OutgoingEmail.objects.exclude(category=Category.LEGAL).delete()
    deliver_due()
    [message] = mail.outbox
    assert message.to == [alice.email]
    assert f"/my-leads/{taken_back.public_id}/" in message.body
    assert "Auto insurance, Columbus OH" in message.body
    for private in ("Priya", "555-0142", "priya@example.org"):
        assert private not in message.body + message.subject + message.alternatives[0][0]


def test_once_is_enough(taken_back):
    assert (tell_of_revocations(), tell_of_revocations()) == (1, 0)
    assert LEGAL.count() == 1
    assert Purchase.objects.get().revocation_told_at


def test_only_what_was_taken_back_since_is_looked_at(alice, taken_back, django_assert_num_queries):
    """However much was bought or taken back before: one question, answered by an index of what is new."""
    for _ in range(3):
        bought(alice)
    tell_of_revocations()
    assert Consent.objects.get(lead=taken_back.lead).buyers_told_at
    with django_assert_num_queries(1) as asked:
        assert tell_of_revocations() == 0
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")  # it reads four rows without any index otherwise
        cursor.execute(("EXPLAIN " if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN ") + asked[0]["sql"])
        assert "leads_revocations_to_tell" in str(cursor.fetchall())


def test_many_are_told_in_portions(alice, monkeypatch):
    monkeypatch.setattr(revocations, "AT_ONCE", 2)
    revoke_consents({bought(alice).lead_id: clock.now() for _ in range(5)})
    assert tell_of_revocations() == 5
    assert not Consent.objects.revocations_to_tell().exists()


def test_one_that_fails_stops_no_other_and_is_told_the_next_time(alice, taken_back, monkeypatch):
    monkeypatch.setattr(revocations, "AT_ONCE", 2)
    others = [bought(alice).lead_id for _ in range(4)]
    revoke_consents(dict.fromkeys(others, clock.now()))
    real = emails.consent_taken_back

    def fail(purchase):
        if purchase == taken_back:
            raise RuntimeError
        real(purchase)

    with monkeypatch.context() as broken:
        broken.setattr(emails, "consent_taken_back", fail)
        assert tell_of_revocations() == 4
    assert Consent.objects.revocations_to_tell().get() == taken_back.lead.consent
    assert tell_of_revocations() == 1
    assert not Consent.objects.revocations_to_tell().exists()


def test_when_the_job_has_to_end_it_ends(taken_back, monkeypatch):
    def end(purchase):
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(emails, "consent_taken_back", end)
    with pytest.raises(SoftTimeLimitExceeded):
        tell_of_revocations()
    assert Purchase.objects.get().revocation_told_at is None


def test_every_buyer_of_a_shared_lead_is_told(alice, bob):
    lead = make_lead(buyers=3)
    for buyer in (alice, bob):
        buy_lead(buyer, lead, price_seen=lead.price_cents, key=new_key())
    revoke_consents({lead.pk: clock.now()})
    assert tell_of_revocations() == 2
    assert {mail.user for mail in LEGAL} == {alice, bob}


def test_consent_that_ran_out_is_no_revocation(purchase):
    Consent.objects.update(expires_at=clock.now())
    assert tell_of_revocations() == 0


def test_the_list_gives_no_number_to_call(as_alice, alice, taken_back):
    bought(alice, phone="+16145550143")
    page = as_alice.get("/my-leads/").text
    assert "tel:+16145550143" in page
    assert "tel:+16145550142" not in page
    assert "do not call" in page


def test_the_file_says_so(alice, taken_back):
    bought(alice)
    column = exports.HEADER.index("consent_revoked_at")
    moments = [cells[column] for cells in exports.rows(Purchase.objects.for_user(alice))]
    taken_back.lead.consent.refresh_from_db()
    assert moments == [None, taken_back.lead.consent.revoked_at]
