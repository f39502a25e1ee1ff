"""Asking for money to be put right. What is asked for waits for a second person."""

from functools import partial

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.models import User
from accounts.staff import recently_confirmed
from marketplace.core.admin import staff_with
from marketplace.core.money import dollars
from marketplace.ledger import adjustments
from marketplace.ledger.services import wallet_of
from marketplace.purchases import crediting
from marketplace.purchases.models import Purchase
from marketplace.staff.forms import AdjustmentForm, CreditForm, ResolutionForm
from marketplace.wallet import suspense
from marketplace.wallet.models import UnexplainedPayment

from .pages import StaffRequest, Words, form_task

WAITS = "It waits for a second person now. Nothing moves before they approve it."


@require_http_methods(["GET", "HEAD", "POST"])
@staff_with("purchases.add_credit")
@recently_confirmed
def ask_credit(request: StaffRequest, public_id: str) -> HttpResponse:
    """Give a purchase back, whole or in part."""
    every = Purchase.objects.select_related("buyer", "lead__vertical")
    purchase = get_object_or_404(every, public_id=public_id)
    lead, left = purchase.lead, crediting.left_of(purchase)
    intro = (
        f"{lead.vertical.name}, {lead.city} {lead.state}, lead {lead.public_id}, bought for "
        f"{dollars(purchase.price_cents)}. {dollars(left)} of it can be given back."
    )
    if waiting := purchase.price_cents - purchase.credited_cents - left:
        intro += f" {dollars(waiting)} more waits for a second person already."
    form = CreditForm(request.POST or None, purchase=purchase)
    words = Words("Credit a purchase", intro, "Ask for the credit", WAITS, purchase.buyer)
    verb = partial(crediting.ask, request.user, purchase)
    back = reverse("admin:member", args=[purchase.buyer.public_id])
    return form_task(request, form, words, verb, subject=purchase, back=back)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_with("ledger.add_adjustment")
@recently_confirmed
def ask_adjustment(request: StaffRequest, public_id: str) -> HttpResponse:
    """Put a member's balance right, or write off what they owe."""
    member = get_object_or_404(User, public_id=public_id)
    purse = wallet_of(member.pk)
    intro = (
        "For what no deposit, purchase or refund explains. What a lead cost is given back from its purchase. "
        f"The balance is {dollars(purse.available)}, {dollars(purse.bonus)} of it promotional; "
        f"{dollars(purse.owed)} is owed."
    )
    words = Words("Adjust the balance", intro, "Ask for it", WAITS, member)
    form = AdjustmentForm(request.POST or None, member=member)
    verb = partial(adjustments.ask, request.user, member)
    return form_task(request, form, words, verb, subject=member, back=reverse("admin:member", args=[public_id]))


@require_http_methods(["GET", "HEAD", "POST"])
@staff_with(suspense.MAY_ASK)
@recently_confirmed
def ask_resolution(request: StaffRequest, intent_id: str) -> HttpResponse:
    """Say whose a payment of no deposit is, or that it goes back."""
    payment = get_object_or_404(UnexplainedPayment, intent_id=intent_id)
    intro = (
        f"{dollars(payment.left_cents)} of payment {payment.intent_id} fit no deposit. Look the payment up at the card "
        "processor before you say whose it is."
    )
    back = reverse("admin:wallet_unexplainedpayment_change", args=[payment.pk])
    words = Words("Settle unexplained money", intro, "Ask for it", WAITS, back=back)
    form = ResolutionForm(request.POST or None)
    verb = partial(suspense.ask, request.user, payment)
    return form_task(request, form, words, verb, subject=None, back=reverse("admin:approvals"))
