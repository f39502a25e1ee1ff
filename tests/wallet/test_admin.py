"""Staff look at money in the admin: states and amounts, by handle, and change nothing."""

from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from marketplace.core import clock
from marketplace.wallet.models import BillingDetails, Deposit, Dispute, Refund, StripeEvent

pytestmark = pytest.mark.django_db
REGISTERED = ["deposit", "refund", "dispute", "stripeevent"]


@pytest.fixture
def as_owner(owner) -> Client:
    """The owner's browser."""
    client = Client()
    client.force_login(owner)
    return client


@pytest.fixture
def rows(buyer) -> dict[str, int]:
    """One row of each kind; the keys by model."""
    now = clock.now()
    BillingDetails.objects.create(owner=buyer, name="Zelda Quill")
    deposit = Deposit.objects.create(
        buyer=buyer,
        amount_cents=10_000,
        received_cents=9_900,
        state="paid",
        session_id="cs_1",
        intent_id="pi_1",
        created_at=now,
        paid_at=now,
        expires_at=now + timedelta(minutes=35),
    )
    moved = {"deposit": deposit, "amount_cents": 4_200, "seen_at": now}
    event = StripeEvent.objects.create(
        event_id="evt_1",
        type="refund.created",
        object_id="re_1",
        happened_at=now,
        received_at=now,
        available_at=now,
        state="dead",
        attempts=12,
        problem="RuntimeError",
    )
    return {
        "deposit": deposit.pk,
        "refund": Refund.objects.create(processor_id="re_1", state="pending", **moved).pk,
        "dispute": Dispute.objects.create(processor_id="du_1", state="lost", is_open=False, buyer=buyer, **moved).pk,
        "stripeevent": event.pk,
    }


def listed(client: Client, model: str) -> str:
    return client.get(reverse(f"admin:wallet_{model}_changelist")).content.decode()


def test_it_works(as_owner, rows, buyer):
    page = listed(as_owner, "deposit")
    for words in ("Paid", "$100.00", "$99.00", buyer.handle):
        assert words in page
    assert "$42.00" in listed(as_owner, "refund")
    assert "Lost" in listed(as_owner, "dispute")
    assert "Given up" in listed(as_owner, "stripeevent")


@pytest.mark.parametrize("model", REGISTERED)
def test_no_email_and_no_billing_details(as_owner, rows, buyer, model):
    for page in (
        listed(as_owner, model),
        as_owner.get(reverse(f"admin:wallet_{model}_change", args=[rows[model]])).content.decode(),
    ):
        assert buyer.email not in page
        assert "Zelda" not in page


@pytest.mark.parametrize("model", REGISTERED)
def test_nothing_is_added_changed_or_deleted(as_owner, rows, model):
    assert as_owner.get(reverse(f"admin:wallet_{model}_add")).status_code == 403
    assert as_owner.post(reverse(f"admin:wallet_{model}_change", args=[rows[model]]), {"state": "x"}).status_code == 403
    assert (
        as_owner.post(reverse(f"admin:wallet_{model}_delete", args=[rows[model]]), {"post": "yes"}).status_code == 403
    )
    as_owner.post(
        reverse(f"admin:wallet_{model}_changelist"), {"action": "delete_selected", "_selected_action": [rows[model]]}
    )
    assert apps.get_model("wallet", model).objects.filter(pk=rows[model]).exists()


def test_an_event_that_was_given_up_is_tried_again(as_owner, rows):
    response = as_owner.post(
        reverse("admin:wallet_stripeevent_changelist"),
        {"action": "try_again", "_selected_action": [rows["stripeevent"]]},
        follow=True,
    )
    assert "1 of them will be tried again." in response.content.decode()
    event = StripeEvent.objects.get()
    assert (event.state, event.attempts, event.problem) == ("new", 0, "")


def test_billing_details_have_no_page():
    assert not admin.site.is_registered(BillingDetails)


@pytest.mark.parametrize("model", REGISTERED)
def test_members_stay_outside(as_buyer, rows, model):
    assert as_buyer.get(reverse(f"admin:wallet_{model}_changelist")).status_code == 302


def test_the_processors_words_are_written_as_people_write(as_owner, rows):
    Dispute.objects.update(state="needs_response")
    page = listed(as_owner, "dispute")
    assert page.count("Needs response") == 2, "in the row and in the filter"
    assert ">needs_response<" not in page
    address = reverse("admin:wallet_dispute_changelist")
    assert "du_1" in as_owner.get(address, {"state": "needs_response"}).content.decode()


@pytest.mark.parametrize("model", ["deposit", "refund", "dispute"])
def test_money_is_found_by_member(as_owner, rows, buyer, model):
    for words in (buyer.handle, buyer.public_id):
        page = as_owner.get(reverse(f"admin:wallet_{model}_changelist"), {"q": words})
        assert page.context["cl"].result_count == 1


@pytest.mark.parametrize("model", REGISTERED)
def test_searching(as_owner, rows, model):
    response = as_owner.get(reverse(f"admin:wallet_{model}_changelist"), {"q": "1"})
    assert response.status_code == 200
