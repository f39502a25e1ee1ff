"""Looking at details: nothing is shown without a record that says why."""

import pytest
from django.db import DatabaseError

from marketplace.mail.models import OutgoingEmail
from marketplace.wallet.models import BillingDetails
from privacy.declare.data_sets import data_sets
from privacy.vault import reveals
from privacy.vault.models import MoreReveals, Reveal
from tests.people import make_member
from tests.stock import make_lead

pytestmark = pytest.mark.django_db
REASON = {"reason": "Asked for a receipt, card 4242 4242 4242 4242."}


def member_url(member) -> str:
    return f"/admin/members/{member.public_id}/reveal/"


def lead_url(lead) -> str:
    return f"/admin/leads/{lead.public_id}/reveal/"


def test_it_works(as_sam, sam, alice):
    alice.phone, alice.business_name = "+16145550177", "Alice Insurance"
    alice.save()
    BillingDetails.objects.create(owner=alice, name="Alice Biller", address="7 Example Street", city="Columbus")
    page = as_sam.get(member_url(alice))
    assert alice.email not in page.text
    page = as_sam.post(member_url(alice), REASON)
    for value in (alice.email, "(614) 555-0177", "Alice Insurance", "Alice Biller", "7 Example Street, Columbus"):
        assert value in page.text, value
    assert "no-store" in page["Cache-Control"]
    look = Reveal.objects.get()
    assert (look.staff, look.about, look.subject_id) == (sam, "member", alice.public_id)
    assert "4242" not in look.reason
    assert "Looked at the details." in as_sam.get(f"/admin/accounts/user/{alice.pk}/history/").text


def test_of_a_lead(as_sam):
    lead = make_lead(first_name="Canarina", last_name="Leadson", phone="+16145550188", email="canary@example.net")
    assert lead_url(lead) in as_sam.get(f"/admin/leads/lead/{lead.pk}/change/").text
    page = as_sam.post(lead_url(lead), REASON).text
    for value in ("Canarina Leadson", "(614) 555-0188", "canary@example.net"):
        assert value in page
    assert Reveal.objects.get().subject_id == lead.public_id


def test_without_a_reason_nothing_is_shown(as_sam, alice):
    response = as_sam.post(member_url(alice), {"reason": " "})
    assert response.status_code == 422
    assert alice.email not in response.text
    assert not Reveal.objects.exists()


def test_what_cannot_be_recorded_is_not_shown(as_sam, alice, monkeypatch):
    def broken(*args, **kwargs):
        raise DatabaseError("no space left")

    monkeypatch.setattr(Reveal.objects, "create", broken)
    as_sam.raise_request_exception = False
    response = as_sam.post(member_url(alice), REASON)
    assert response.status_code == 500
    assert alice.email not in response.text


def test_fifty_one(as_sam, sam, olga, as_olga, alice, monkeypatch):
    monkeypatch.setattr(reveals, "ALONE", 2)
    for other in (make_member("Nora"), make_member("Nils")):
        assert other.email in as_sam.post(member_url(other), REASON).text
    response = as_sam.post(member_url(alice), REASON)
    assert response.status_code == 429
    assert response["Retry-After"] == "3600"
    assert alice.email not in response.text
    assert "Ask somebody else to allow 50 more" in response.text
    assert Reveal.objects.count() == 2
    mail = OutgoingEmail.objects.get(category="operator")
    assert mail.user == olga, "the owner is told"
    as_sam.post(member_url(alice), REASON)
    assert OutgoingEmail.objects.filter(category="operator").count() == 1, "once a day"
    as_sam.post("/admin/reveals/more/", {"reason": "Calling all buyers of a bad file."})
    address = f"/admin/approvals/reveals/{MoreReveals.objects.get().public_id}/"
    assert as_sam.post(address, {"decision": "approve"}).status_code == 403
    as_olga.post(address, {"decision": "approve"})
    assert alice.email in as_sam.post(member_url(alice), REASON).text


def test_each_look_is_recorded_whatever_the_page_is_loaded_by(as_sam, alice):
    for _ in range(3):
        as_sam.post(member_url(alice), REASON)
    assert Reveal.objects.count() == 3
    assert "<dt>Looks at the details</dt><dd>3</dd>" in as_sam.get(f"/admin/members/{alice.public_id}/").text


def test_looks_at_a_lead_are_part_of_what_is_held_about_it(as_sam, sam):
    looked_at, other = make_lead(), make_lead()
    held = next(one for one in data_sets() if one.key == "leads.looks")
    assert list(held.people()) == []
    as_sam.post(lead_url(looked_at), {"reason": "They called about it."})
    assert list(held.people()) == [looked_at.pk]
    (row,) = held.rows(looked_at.pk)
    assert (row["staff__handle"], row["reason"]) == (sam.handle, "They called about it.")
    assert list(held.rows(other.pk)) == []


def test_of_a_lead_one_comes_back_to_the_lead(as_sam):
    lead = make_lead()
    back = f'href="/admin/leads/lead/{lead.pk}/change/"'
    asked = as_sam.get(lead_url(lead)).text
    assert f"{back}>Cancel" in asked
    assert "The member may read it" not in asked
    assert f"{back}>Done" in as_sam.post(lead_url(lead), REASON).text


def test_of_a_member_one_comes_back_to_the_member(as_sam, alice):
    back = f'href="/admin/members/{alice.public_id}/"'
    asked = as_sam.get(member_url(alice)).text
    assert f"{back}>Cancel" in asked
    assert "Word it so that the member could read it" in asked
    assert f"{back}>Done" in as_sam.post(member_url(alice), REASON).text
