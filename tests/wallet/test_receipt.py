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
    assert '<p class="hint screen-only">Use your browser\'s print command: only the receipt is printed.</p>' in page


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


def dispute(deposit: Deposit, state: str, cents: int = 10_000) -> None:
    Dispute.objects.create(
        processor_id=f"du_{Dispute.objects.count()}",
        deposit=deposit,
        buyer=deposit.buyer,
        amount_cents=cents,
        state=state,
        is_open=state in {"needs_response", "under_review"},
        seen_at=clock.now(),
    )


def says(page: str, state: str, total: str, amount: str) -> bool:
    assert f"<dt>State</dt><dd>{state}</dd>" in page
    assert f'<tfoot><tr><th scope="row">{total}</th><td class="r">{amount}</td></tr></tfoot>' in page
    return True


@pytest.mark.parametrize("state", ["warning_closed", "warning_needs_response", "prevented", "won"])
def test_a_dispute_that_took_nothing(as_buyer, deposit, state):
    dispute(deposit, state)
    assert says(look(as_buyer, deposit), "Paid", "Total paid", "$100.00")


@pytest.mark.parametrize("state", ["needs_response", "under_review"])
def test_an_open_dispute(as_buyer, deposit, state):
    dispute(deposit, state)
    assert says(look(as_buyer, deposit), "Paid, disputed by your bank", "Total paid", "$100.00")


@pytest.mark.parametrize("state", ["lost", "appeal_needs_response", "appeal_under_review"])
def test_a_lost_dispute(as_buyer, deposit, state):
    dispute(deposit, state)
    page = look(as_buyer, deposit)
    assert says(page, "Taken back by your bank", "Left of it", "$0.00")
    assert "−$100.00" in page


@pytest.mark.parametrize("state", ["won", "warning_closed"])
def test_a_dispute_that_took_nothing_and_a_refund_of_all(as_buyer, deposit, state):
    dispute(deposit, state)
    refund(deposit, 10_000)
    assert says(look(as_buyer, deposit), "Refunded", "Left of it", "$0.00")


def test_parts(as_buyer, deposit):
    dispute(deposit, "lost", 4_000)
    assert says(look(as_buyer, deposit), "Paid, partly taken back by your bank", "Left of it", "$60.00")
    refund(deposit, 1_000)
    state = "Paid, partly refunded and partly taken back by your bank"
    assert says(look(as_buyer, deposit), state, "Left of it", "$50.00")
    dispute(deposit, "needs_response", 1_000)
    assert says(look(as_buyer, deposit), f"{state}, disputed by your bank", "Left of it", "$50.00")
    refund(deposit, 5_000)
    assert says(
        look(as_buyer, deposit),
        "Refunded and taken back by your bank, disputed by your bank",
        "Left of it",
        "$0.00",
    )


@pytest.mark.parametrize("state", ["created", "open", "processing", "expired", "failed", "review", "returned"])
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
