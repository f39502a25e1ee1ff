"""Looking as a buyer: reading only, bannered, recorded, and nothing sealed is opened."""

import time
from contextlib import nullcontext

import pytest
from django.urls import get_resolver

from marketplace.core.ids import new_id
from marketplace.purchases import notes
from marketplace.purchases.services import buy_lead
from marketplace.staff import viewing
from marketplace.staff.models import Act
from marketplace.wallet.models import BillingDetails
from tests.stock import make_lead

pytestmark = pytest.mark.django_db
CONTACT = {"first_name": "Canarina", "last_name": "Leadson", "phone": "+16145550188", "email": "canary@example.net"}


@pytest.fixture
def bought(alice):
    alice.phone, alice.business_name = "+16145550177", "Canary Business"
    alice.save()
    BillingDetails.objects.create(owner=alice, name="Canary Biller", address="77 Canary Street")
    purchase = buy_lead(alice, make_lead(price_cents=1000, **CONTACT), price_seen=1000, key=new_id())
    notes.add_note(purchase, "Canary note for myself.", key=new_id())
    return purchase


@pytest.fixture
def looking(as_sam, alice, bought):
    """Sam, who looks as Alice."""
    response = as_sam.post(f"/admin/members/{alice.public_id}/view/", {"reason": "Cannot find a lead."})
    assert response["Location"] == "/my-leads/"
    return as_sam


def test_it_works(looking, sam, alice, bought):
    act = Act.objects.get()
    assert (act.kind, act.staff, act.member, act.text) == ("viewed", sam, alice, "Cannot find a lead.")
    page = looking.get("/my-leads/").text
    assert "You look at the site as <b>Alice</b>" in page
    assert "Auto insurance" in page
    assert "$990.00" in looking.get("/wallet/").text
    one = looking.get(f"/my-leads/{bought.public_id}/").text
    assert "Contact hidden" in one and "cannot be opened right now" not in one
    assert "Contact hidden" in looking.get("/my-leads/").text
    admin = looking.get("/admin/").text
    assert "Signed in as <strong>Sam</strong>" in admin, "the admin stays one's own"
    assert "See your own pages again" in admin
    response = looking.post("/admin/viewing/end/")
    assert response["Location"] == f"/admin/members/{alice.public_id}/"
    assert "See your own pages again" not in looking.get("/admin/").text


SECRETS = (
    "Canarina", "Leadson", "0188", "canary@example.net", "Canary note", "alice@example.com", "0177", "Canary Business",
    "Canary Biller", "77 Canary",
)  # fmt: skip


def test_nothing_sealed_or_personal_is_on_any_page(looking, bought, alice):
    lead = make_lead(price_cents=1000)
    one, mine = lead.public_id, bought.public_id
    pages = ["/", "/leads/", f"/leads/{one}/", f"/leads/{one}/buy/", f"/leads/buy/?lead={one}", "/wallet/"]
    pages += ["/my-leads/", "/my-leads/?view=board", f"/my-leads/{mine}/", f"/orders/{bought.order.public_id}/"]
    pages += [f"/leads/{bought.lead.public_id}/"]
    for path in pages:
        response = looking.get(path)
        assert response.status_code == 200, path
        for secret in SECRETS:
            assert secret not in response.text, (path, secret)


def test_control_without_the_closed_vault_the_contact_shows(looking, bought, monkeypatch):
    monkeypatch.setattr(viewing, "closed", nullcontext)
    assert "Canarina" in looking.get(f"/my-leads/{bought.public_id}/").text


def test_searching_tells_nothing_of_the_people(looking):
    assert "Auto insurance" in looking.get("/my-leads/?q=nobody").text
    page = looking.get("/my-leads/?q=Canarina").text
    assert "Auto insurance" in page
    assert "There is no search while you look as a buyer" in page
    assert 'name="q"' not in page


def names_of_pages() -> set[str]:
    found = set()

    def walk(entries, prefix):
        for entry in entries:
            if hasattr(entry, "url_patterns"):
                space = getattr(entry, "namespace", None)
                if space != "admin":
                    walk(entry.url_patterns, f"{space}:" if space else prefix)
            elif entry.name:
                found.add(prefix + entry.name)

    walk(get_resolver().url_patterns, "")
    return found


def test_the_pages_that_are_shown_exist():
    assert names_of_pages() >= viewing.SHOWN


@pytest.mark.parametrize(
    "path",
    [
        "/account/", "/wallet/billing/", "/wallet/statement.csv", "/my-leads/export.csv", "/my-leads/export.xlsx",
        "/my-leads/call-sheet/", "/searches/", "/accounts/email/", "/accounts/password/change/",
        "/my-leads/exports/?format=csv", "/wallet/add/",
    ],
)  # fmt: skip
def test_other_pages_are_not_shown(looking, path):
    response = looking.get(path)
    assert response.status_code == 403, path
    assert "Nothing can be changed meanwhile" in response.text
    assert "$990.00" in response.text, "around it, too, are the buyer's own things"
    assert ">Admin</a></li>" not in response.text
    for secret in SECRETS:
        assert secret not in response.text


def test_nothing_can_be_changed(looking, bought, alice):
    lead = make_lead(price_cents=500)
    for path, fields in (
        (f"/leads/{lead.public_id}/buy/", {"key": new_id(), "price_seen": "500"}),
        (f"/my-leads/{bought.public_id}/notes/", {"text": "Sneaky."}),
        (f"/my-leads/{bought.public_id}/stage/", {"stage": "won"}),
        ("/account/", {"handle": "Changed"}),
        ("/theme/", {"theme": "dark"}),
        ("/wallet/add/", {"choice": "50000"}),
    ):
        assert looking.post(path, fields).status_code == 403, path
    assert alice.purchases.count() == 1
    bought.refresh_from_db()
    assert bought.stage == "new"


def test_it_ends_by_itself_and_by_a_press(looking, alice, sam):
    session = looking.session
    session["viewing_until"] = int(time.time()) - 1
    session.save()
    assert "You look at the site" not in looking.get("/leads/").text
    assert looking.get("/account/").status_code == 200, "one's own again"
    looking.post(f"/admin/members/{alice.public_id}/view/", {"reason": "Once more."})
    assert "You look at the site" in looking.get("/leads/").text
    looking.post("/admin/viewing/end/")
    assert "You look at the site" not in looking.get("/leads/").text


def test_signing_out_is_let_through(looking):
    assert looking.get("/accounts/logout/").status_code == 200
    assert looking.post("/accounts/logout/").status_code == 302
    assert "/accounts/login/" in looking.get("/admin/", follow=True).redirect_chain[-1][0]


def test_it_ends_with_the_role(looking, sam):
    sam.groups.clear()
    assert "You look at the site" not in looking.get("/leads/").text


def test_not_as_staff(as_sam, fay):
    assert as_sam.get(f"/admin/members/{fay.public_id}/view/").status_code == 404
    assert as_sam.post(f"/admin/members/{fay.public_id}/view/", {"reason": "Curious."}).status_code == 404
