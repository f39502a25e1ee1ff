"""`/admin/members/<id>/`: one page that answers a call, without a personal detail on it."""

import re
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group
from django.db import DatabaseError
from django.urls import reverse

from accounts.factors import NotForYou
from marketplace.core import clock, two_people
from marketplace.core.two_people import TooNew
from marketplace.ledger import adjustments
from marketplace.ledger.services import wallet_of
from marketplace.mail.models import OutgoingEmail
from marketplace.purchases import crediting
from marketplace.staff import services
from marketplace.staff.models import Act
from marketplace.wallet.models import BillingDetails, Deposit
from privacy.vault.fields import unseal_from
from tests.accounts.test_admin import MEMBER
from tests.people import give, make_member, make_staff

from .conftest import browser_of

pytestmark = pytest.mark.django_db


def url(member, last: str = "") -> str:
    return f"/admin/members/{member.public_id}/{last}"


def test_it_works(as_sam, sam, alice, purchase):
    services.note(sam, alice, text="Called about a receipt.")
    page = as_sam.get(url(alice)).text
    for words in (
        "Member Alice", alice.public_id, "$990.00", "$10.00", purchase.public_id, purchase.lead.public_id,
        "Called about a receipt.", "Receipt", "Waiting", "Pause buying", "Show the details", "Look as this buyer",
        reverse("admin:ask_credit", args=[purchase.public_id]),
    ):  # fmt: skip
        assert words in page, words
    for missing in ("Send a new code", "Correct the email address", "Adjust the balance", "Change the roles"):
        assert missing not in page, missing


def test_no_personal_detail_is_on_it(as_olga, alice, purchase):
    alice.phone, alice.business_name = MEMBER["phone"], "Canary Business"
    alice.save()
    BillingDetails.objects.create(owner=alice, name="Canary Biller", address="77 Canary Street", city="Canary")
    page = as_olga.get(url(alice)).text
    for value in (alice.email, "6145550177", "555-0177", "Canary", "Quentin", "Testlead"):
        assert value not in page, value


def test_one_who_has_not_proved_their_email(as_sam):
    nora = make_member("Nora")
    nora.email_verified_at = None
    nora.save()
    page = as_sam.get(url(nora)).text
    assert "not proved" in page
    assert "Send a new code" in page
    assert "Correct the email address" in page
    assert "has not bought yet" in page


def test_why_somebody_cannot_buy(as_sam, as_fay, sam, alice):
    services.stop_buying(sam, alice, reason="Odd orders.")
    page = as_sam.get(url(alice)).text
    assert "buying paused" in page
    assert "Allow buying again" in page
    assert "Pause buying" not in page


def test_what_waits_is_said(as_fay, as_olga, as_sam, sam, fay, alice, purchase):
    crediting.ask(sam, purchase, cents=400, problem="bad_number", reason="Rings through.")
    adjustments.ask(fay, alice, "goodwill", cents=500, reason="Sorry.")
    for browser in (as_fay, as_olga):
        page = browser.get(url(alice)).text
        assert "Give $4.00 of $10.00" in page
        assert "Grant $5.00 of promotional credit to Alice" in page
        assert page.count('href="/admin/approvals/') == 2
        assert page.count("Waiting for a second person") == 2
    page = as_sam.get(url(alice)).text
    assert page.count('href="/admin/approvals/credit/') == 1
    assert "promotional credit" not in page, "support may not read adjustments"


def test_each_role_sees_its_part(as_fay, sam, alice, purchase):
    page = as_fay.get(url(alice)).text
    assert "Adjust the balance" in page
    assert "Show the details" not in page
    assert "<h2>Mails</h2>" not in page
    assert "<h2>Purchases</h2>" in page


def test_as_many_queries_for_many_rows(as_sam, alice, django_assert_max_num_queries, purchase, sam):
    for number in range(12):
        give(alice, 1000 + number)
        services.note(sam, alice, text=f"Note {number}.")
        Deposit.objects.create(
            buyer=alice, amount_cents=2500, created_at=alice.date_joined, expires_at=alice.date_joined
        )
    as_sam.get(url(alice))
    with django_assert_max_num_queries(34):
        as_sam.get(url(alice))


def test_a_list_leads_to_it(as_sam, alice):
    assert url(alice) in as_sam.get("/admin/accounts/user/").text


def test_what_makes_no_sense_now_is_not_begun(as_sam, alice):
    here = f"/admin/members/{alice.public_id}/"
    page = as_sam.get(f"{here}email/", follow=True)
    assert page.redirect_chain == [(here, 302)]
    assert "“Correct the email address” cannot be done for this member now." in page.text


def test_nobody_of_that_id(as_sam):
    assert as_sam.get("/admin/members/nobody1234567/").status_code == 404


# --- what is done for a member ----------------------------------------------------------------------------------------


@pytest.fixture
def nora():
    member = make_member("Nora")
    member.email_verified_at = None
    member.save()
    member.emailaddress_set.update(verified=False)
    return member


@pytest.mark.parametrize(
    ("address", "fields", "kind"),
    [
        ("note/", {"text": "Pays with 4242 4242 4242 4242."}, "note"),
        ("code/", {"reason": "Never got it."}, "code"),
        ("email/", {"email": "nora.right@example.com", "reason": "Mistyped."}, "email"),
        ("stop-buying/", {"reason": "Odd orders."}, "stopped"),
    ],
)
def test_each_is_done_and_written_down(as_sam, sam, nora, address, fields, kind):
    assert as_sam.get(url(nora, address)).status_code == 200
    response = as_sam.post(url(nora, address), fields)
    assert response["Location"] == url(nora)
    act = Act.objects.get()
    assert (act.kind, act.staff, act.member) == (kind, sam, nora)
    assert "4242" not in act.text
    history = as_sam.get(f"/admin/accounts/user/{nora.pk}/history/").text
    assert "Sam" in history
    assert f"{Act.Kind(kind).label}" in history or kind == "note"
    assert "Mistyped" not in history, "reasons are not in the history"
    nora.refresh_from_db()
    if kind == "email":
        assert nora.email == "nora.right@example.com"
    if kind == "stopped":
        assert nora.buying_stopped_at is not None


@pytest.mark.parametrize("address", ["note/", "code/", "email/", "stop-buying/", "adjust/", "reveal/", "view/"])
def test_without_a_reason_nothing_is_done(as_olga, nora, address):
    response = as_olga.post(url(nora, address), {"email": "typed@example.org", "cents": "7.77"})
    assert response.status_code == 422
    assert "There is a problem" in response.text
    if address == "email/":
        assert "typed@example.org" in response.text, "what was typed is kept"
    if address == "adjust/":
        assert "7.77" in response.text
    assert not Act.objects.exists()


@pytest.mark.parametrize(
    ("address", "typed", "problem"),
    [
        ("note/", {"text": "Long story. " * 90}, "Keep it to 1000 characters"),
        ("email/", {"email": "nora@localhost", "reason": "Mistyped."}, "Enter an address such as name@example.com."),
    ],
)
def test_what_cannot_be_taken_is_given_back(as_sam, nora, address, typed, problem):
    response = as_sam.post(url(nora, address), typed)
    assert response.status_code == 422
    assert problem in response.text
    assert all(words in response.text for words in typed.values())
    assert not Act.objects.exists()


def test_a_form_that_was_open_too_long_is_given_back(sam, alice):
    browser = browser_of(sam)
    browser.handler.enforce_csrf_checks = True
    response = browser.post(url(alice, "note/"), {"text": "Typed for <long>.", "key": "k234567", "password": "secret"})
    assert response.status_code == 403
    assert "Note: Typed for &lt;long&gt;." in response.text
    assert "secret" not in response.text and "k234567" not in response.text
    assert "no-store" in response["Cache-Control"]
    assert not Act.objects.exists()


def test_no_browser_cuts_a_note(as_sam, nora):
    assert "maxlength" not in re.search("<textarea[^>]*>", as_sam.get(url(nora, "note/")).text)[0]


def test_a_refusal_keeps_what_was_typed(as_sam, nora, alice):
    response = as_sam.post(url(nora, "email/"), {"email": alice.email, "reason": "Mistyped."})
    assert response.status_code == 409
    assert "Another account has this address" in response.text
    assert "Mistyped." in response.text
    assert not Act.objects.exists()


def test_a_code_too_often(as_sam, nora):
    for _ in range(5):
        assert as_sam.post(url(nora, "code/"), {"reason": "Never got it."}).status_code == 302
    response = as_sam.post(url(nora, "code/"), {"reason": "Never got it."})
    assert response.status_code == 429
    assert int(response["Retry-After"]) > 0
    assert Act.objects.count() == 5
    response = as_sam.post(url(nora, "email/"), {"email": "nora.right@example.com", "reason": "Mistyped."})
    assert response.status_code == 429
    nora.refresh_from_db()
    assert nora.email == "nora@example.com", "the address stays, as no code could follow"


@pytest.mark.parametrize(("address", "fields"), [("code/", {}), ("email/", {"email": "nora.right@example.com"})])
def test_what_cannot_be_written_down_is_not_done(as_sam, nora, monkeypatch, address, fields):
    def broken(**_fields):
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(Act.objects, "create", broken)
    as_sam.raise_request_exception = False
    assert as_sam.post(url(nora, address), {"reason": "Never got it."} | fields).status_code == 500
    nora.refresh_from_db()
    assert nora.email == "nora@example.com"
    assert not OutgoingEmail.objects.filter(key__startswith="support-code:").exists()


def test_buying_is_paused_and_allowed_again(as_sam, alice, client):
    as_sam.post(url(alice, "stop-buying/"), {"reason": "Odd orders."})
    assert as_sam.post(url(alice, "stop-buying/"), {"reason": "Again."}).status_code == 409
    client.force_login(alice)
    assert "Our support has paused buying" in client.get("/wallet/").text
    as_sam.post(url(alice, "allow-buying/"), {"reason": "Explained."})
    assert "paused buying" not in client.get("/wallet/").text
    assert [act.kind for act in Act.objects.order_by("pk")] == ["stopped", "allowed"]


# --- roles ------------------------------------------------------------------------------------------------------------


def test_an_owner_appoints(as_olga, olga, alice):
    response = as_olga.post(url(alice, "roles/"), {"roles": ["support", "content"], "reason": "Starts on Monday."})
    assert response.status_code == 302
    alice.refresh_from_db()
    assert alice.is_staff
    assert not alice.is_superuser
    assert {group.name for group in alice.groups.all()} == {"support", "content"}
    assert Act.objects.get().text == "content, support: Starts on Monday."
    assert browser_of(alice).get("/admin/").status_code == 200
    as_olga.post(url(alice, "roles/"), {"reason": "Left."})
    alice.refresh_from_db()
    assert not alice.is_staff
    assert browser_of(alice).get("/admin/", follow=True).status_code == 404


def test_who_was_given_a_role_decides_nothing_for_a_day(as_olga, olga, fay, alice, bob, monkeypatch):
    """Alone, an owner cannot make the second person for their own request: the other owners read of it first."""
    other = make_staff("Otto", "owner")
    as_olga.post(url(bob, "roles/"), {"roles": ["finance"], "reason": "Starts on Monday."})
    mails = OutgoingEmail.objects.filter(template="marketplace/email/concern")
    assert {mail.user for mail in mails} == {olga, other}
    assert "Olga changed the roles of Bob, who has the role finance now." in unseal_from(mails[0], "context")["said"]
    assert OutgoingEmail.objects.get(user=bob, template="staff/email/roles").category == "security"
    asked = adjustments.ask(olga, alice, "put_in", cents=9_000_00, reason="For a friend.")
    page = f"/admin/approvals/adjustment/{asked.public_id}/"
    as_bob = browser_of(bob)
    shown = as_bob.get(page).text
    assert "You were given a role less than a day ago" in shown and 'value="approve"' not in shown
    for decision in ({"decision": "approve"}, {"decision": "decline", "answer": "No."}):
        assert as_bob.post(page, decision).status_code == 403
    assert wallet_of(alice.pk).cash == 100_000
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(days=1))
    bob.refresh_from_db()
    adjustments.approve(bob, asked)
    assert wallet_of(alice.pk).cash == 1_000_000


def test_control_without_the_wait_one_person_is_enough(as_olga, olga, alice, bob, monkeypatch):
    as_olga.post(url(bob, "roles/"), {"roles": ["finance"], "reason": "Starts on Monday."})
    bob.refresh_from_db()
    asked = adjustments.ask(olga, alice, "put_in", cents=9_000_00, reason="For a friend.")
    with pytest.raises(TooNew):
        adjustments.approve(bob, asked)
    monkeypatch.setattr(two_people, "is_new", lambda reader: False)
    adjustments.approve(bob, asked)
    assert wallet_of(alice.pk).cash == 1_000_000


def test_the_same_roles_are_no_change(as_olga, fay):
    response = as_olga.post(url(fay, "roles/"), {"roles": ["finance"], "reason": "Just looking."})
    assert response.status_code == 409
    assert "These are the roles they have" in response.text
    fay.refresh_from_db()
    assert fay.appointed_at is None
    assert not OutgoingEmail.objects.exists() and not Act.objects.exists()


def test_who_loses_a_role_waits_for_nothing(as_olga, fay):
    fay.groups.add(Group.objects.get(name="support"))
    as_olga.post(url(fay, "roles/"), {"roles": ["finance"], "reason": "Less."})
    fay.refresh_from_db()
    assert fay.appointed_at is None


@pytest.mark.parametrize("whose", ["own", "a colleague's", "an owner's"])
def test_support_pauses_buying_for_buyers_only(as_sam, sam, fay, olga, whose):
    member = {"own": sam, "a colleague's": fay, "an owner's": olga}[whose]
    assert "Pause buying" not in as_sam.get(url(member)).text
    response = as_sam.post(url(member, "stop-buying/"), {"reason": "Odd orders."})
    assert response.status_code == 403
    member.refresh_from_db()
    assert member.buying_stopped_at is None


def test_an_owner_pauses_buying_for_a_colleague(as_olga, fay):
    assert as_olga.post(url(fay, "stop-buying/"), {"reason": "Odd orders."}).status_code == 302
    fay.refresh_from_db()
    assert fay.buying_stopped_at is not None


def test_nobody_changes_their_own_roles(as_olga, olga):
    response = as_olga.post(url(olga, "roles/"), {"roles": ["support"], "reason": "Less is more."})
    assert response.status_code == 403
    assert "Somebody else has to change your roles" in response.text
    assert [group.name for group in olga.groups.all()] == ["owner"]


@pytest.mark.parametrize("address", ["roles/", "second-factor/"])
def test_what_opens_doors_asks_for_a_fresh_password(olga, alice, address):
    Authenticator.objects.create(user=alice, type=Authenticator.Type.TOTP, data={"secret": "sealed"})
    browser = browser_of(olga, minutes_ago=16)
    assert "/accounts/reauthenticate/" in browser.get(url(alice, address))["Location"]
    response = browser.post(url(alice, address), {"roles": ["support"], "reason": "Starts on Monday."})
    assert response.status_code == 403
    assert "Starts on Monday." in response.text, "given back"
    assert Authenticator.objects.exists()
    assert not Act.objects.exists()


def test_no_role_of_ones_own_making(as_olga, alice):
    response = as_olga.post(url(alice, "roles/"), {"roles": ["superuser"], "reason": "Please."})
    assert response.status_code == 422
    alice.refresh_from_db()
    assert not alice.is_staff


# --- a second factor that was lost ------------------------------------------------------------------------------------


def test_a_lost_second_factor_is_removed(as_olga, olga, alice):
    page = url(alice, "second-factor/")
    assert as_olga.post(page, {"reason": "Lost the phone."}).status_code == 409
    Authenticator.objects.create(user=alice, type=Authenticator.Type.TOTP, data={"secret": "sealed"})
    alice_browser = browser_of(alice)
    assert alice_browser.get("/account/").status_code == 200
    assert "Remove the second factor" in as_olga.get(url(alice)).text
    assert as_olga.post(page, {"reason": "Lost the phone."})["Location"] == url(alice)
    assert not Authenticator.objects.filter(user=alice).exists()
    assert (Act.objects.get().kind, Act.objects.get().text) == ("factor", "Lost the phone.")
    assert OutgoingEmail.objects.filter(user=alice, category="security").exists()
    assert alice_browser.get("/account/").status_code == 302, "signed out everywhere"


def test_nobody_removes_their_own_here(as_olga, olga):
    Authenticator.objects.create(user=olga, type=Authenticator.Type.TOTP, data={"secret": "sealed"})
    assert Authenticator.objects.filter(user=olga).exists()
    with pytest.raises(NotForYou):
        services.remove_factor(olga, olga, reason="Lost it.")
