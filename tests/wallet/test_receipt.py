"""A deposit to print: what was paid and what went back, and nothing of the card."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from marketplace.core import clock
from marketplace.wallet.models import BillingDetails, Deposit, Dispute, Refund
from tests.people import make_bob

pytestmark = pytest.mark.django_db


@pytest.fixture
def deposit(buyer) -> Deposit:
    """A paid deposit of $100.00."""
    now = clock.now()
    return Deposit.objects.create(
        buyer=buyer,
        amount_cents=10_000,
        received_cents=10_000,
        state="paid",
        intent_id="pi_1",
        created_at=now,
        paid_at=now,
        expires_at=now + timedelta(minutes=35),
    )


def look(as_buyer, deposit: Deposit) -> str:
    response = as_buyer.get(reverse("wallet:receipt", args=[deposit.public_id]))
    assert response.status_code == 200
    return response.content.decode()


def refund(deposit: Deposit, cents: int, state: str = "succeeded") -> None:
    number = Refund.objects.count()
    Refund.objects.create(
        deposit=deposit, processor_id=f"re_{number}", amount_cents=cents, state=state, seen_at=clock.now()
    )


def test_it_works(as_buyer, buyer, deposit, settings):
    settings.STRIPE_API_BASE = ""
    buyer.business_name = "Quill Insurance"
    buyer.save()
    BillingDetails.objects.create(
        owner=buyer, name="Zelda Quill", address="1 Test St", city="Columbus", state="OH", postal_code="43215"
    )
    page = look(as_buyer, deposit)
    for words in (deposit.public_id, "$100.00", "Quill Insurance", "Zelda Quill", "1 Test St", "Columbus, OH 43215"):
        assert words in page
    assert "<dt>Paid through</dt><dd>Stripe</dd>" in page
    assert "<dt>State</dt><dd>Paid</dd>" in page


def test_nobody_has_to_give_a_name(as_buyer, buyer, deposit):
    assert f"<dt>For</dt><dd>{buyer.handle}</dd>" in look(as_buyer, deposit)


def test_in_a_demo_it_says_so(as_buyer, deposit):
    page = look(as_buyer, deposit)
    assert "Demo card processor" in page
    assert "<dd>Stripe</dd>" not in page


def test_refunds_so_far(as_buyer, deposit):
    refund(deposit, 3_000)
    refund(deposit, 500, "pending")
    refund(deposit, 9_999, "failed")
    page = look(as_buyer, deposit)
    assert "Paid, partly refunded" in page
    assert "−$30.00" in page
    assert "under way" in page
    assert "$99.99" not in page
    assert "$65.00" in page
    refund(deposit, 6_500)
    assert "<dt>State</dt><dd>Refunded</dd>" in look(as_buyer, deposit)


@pytest.mark.parametrize(
    ("state", "is_open", "words"),
    [("needs_response", True, "Paid, disputed by your bank"), ("lost", False, "Taken back by your bank")],
)
def test_disputed(as_buyer, buyer, deposit, state, is_open, words):
    Dispute.objects.create(
        processor_id="du_1",
        deposit=deposit,
        buyer=buyer,
        amount_cents=10_000,
        state=state,
        is_open=is_open,
        seen_at=clock.now(),
    )
    assert words in look(as_buyer, deposit)


@pytest.mark.parametrize("state", ["created", "open", "processing", "expired", "failed"])
def test_no_receipt_for_what_was_not_paid(as_buyer, deposit, state):
    Deposit.objects.filter(pk=deposit.pk).update(state=state)
    assert as_buyer.get(reverse("wallet:receipt", args=[deposit.public_id])).status_code == 404


def test_what_is_not_yours_does_not_exist(deposit):
    bob = Client()
    bob.force_login(make_bob())
    assert bob.get(reverse("wallet:receipt", args=[deposit.public_id])).status_code == 404


def test_what_was_typed_is_text(as_buyer, buyer, deposit):
    BillingDetails.objects.create(owner=buyer, name="<script>alert(1)</script>")
    assert "<script>" not in look(as_buyer, deposit)


def test_no_card_detail(site, as_buyer, buyer):
    deposit, _ = site.funded(buyer)
    page = look(as_buyer, deposit)
    assert not any(word in page for word in ("4242", "Visa", "visa", "pat.payer", "Pat Payer"))
