"""A canary's details are on no page of the admin, whoever looks, unless a record says who looked and why."""

import re

import pytest
from django.contrib import admin
from django.urls import reverse

from marketplace.core.ids import new_id
from marketplace.purchases import notes
from marketplace.purchases.services import buy_lead
from marketplace.wallet.models import BillingDetails, Deposit
from privacy.vault.models import Reveal
from tests.people import give, make_member
from tests.stock import make_lead

from .test_roles import addresses

pytestmark = pytest.mark.django_db
SECRETS = (
    "canary.member", "Canary Business", "Canary Biller", "77 Canary", "0177", "canary.lead", "Canarina", "Leadson",
    "0188", "Canary note", "@example.com",
)  # fmt: skip


@pytest.fixture
def birds():
    """A member and a lead with details that would be known anywhere, in every table that can hold them."""
    member = make_member("Birdie", phone="+16145550177", business_name="Canary Business")
    member.email = "canary.member@example.net"
    member.save()
    member.emailaddress_set.update(email=member.email)
    give(member, 100_00)
    BillingDetails.objects.create(owner=member, name="Canary Biller", address="77 Canary Street")
    lead = make_lead(
        price_cents=1000, phone="+16145550188", email="canary.lead@example.net", first_name="Canarina",
        last_name="Leadson",
    )  # fmt: skip
    purchase = buy_lead(member, lead, price_seen=1000, key=new_id())
    notes.add_note(purchase, "Canary note for myself.", key=new_id())
    now = member.date_joined
    Deposit.objects.create(buyer=member, amount_cents=2500, created_at=now, expires_at=now)
    return member, purchase


def every_page(browser, member, purchase) -> list[str]:
    """Each task page about the member, each list, each row of each list with its history, and what completes names."""
    pages = [address for name, address in addresses(member.public_id) if name and not name.endswith("_change")]
    pages += [
        f"/admin/purchases/{purchase.public_id}/credit/", f"/admin/leads/{purchase.lead.public_id}/reveal/",
        "/admin/search/?q=birdie", f"/admin/search/?q={purchase.lead.public_id}", "/admin/search/?q=canary",
    ]  # fmt: skip
    for model in admin.site._registry:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        pages.append(reverse(f"admin:{name}_changelist") + "?_popup=1&_to_field=email")
        for row in model._default_manager.all()[:3]:
            pages += [reverse(f"admin:{name}_{what}", args=[row.pk]) for what in ("change", "history")]
        of = f"app_label={model._meta.app_label}&model_name={model._meta.model_name}"
        pages += [
            f"/admin/autocomplete/?term=canary&{of}&field_name={f.name}" for f in model._meta.fields if f.is_relation
        ]
    return pages


@pytest.mark.parametrize("who", ["as_sam", "as_fay", "as_olga"])
def test_no_page_shows_a_detail(request, birds, who):
    member, purchase = birds
    request.getfixturevalue("as_sam").post(f"/admin/members/{member.public_id}/note/", {"text": "Called."})
    browser = request.getfixturevalue(who)
    for path in every_page(browser, member, purchase):
        answer = browser.get(path)
        assert answer.status_code < 500, path
        body = re.sub(r'value="canary"|“canary”', "", answer.text)  # what was searched for stays in its box
        for secret in SECRETS:
            assert secret not in body, (path, secret)
    assert not Reveal.objects.exists()


def test_control_a_reveal_shows_them_with_its_record(as_sam, birds):
    member, purchase = birds
    page = as_sam.post(f"/admin/members/{member.public_id}/reveal/", {"reason": "Asked for a receipt."}).text
    assert "canary.member@example.net" in page
    page = as_sam.post(f"/admin/leads/{purchase.lead.public_id}/reveal/", {"reason": "Disputes the number."}).text
    assert "Canarina Leadson" in page
    assert Reveal.objects.count() == 2
