"""Asking for money to be put right. What is asked for waits for a second person."""

from functools import partial

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.models import User
from accounts.staff import recently_confirmed
from marketplace.core.admin import staff_with
from marketplace.core.money import dollars
from marketplace.ledger import adjustments
from marketplace.ledger.services import wallet_of
from marketplace.purchases import crediting
from marketplace.purchases.models import Credit, Purchase
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
    back = reverse("admin:member", args=[purchase.buyer.public_id])
    if request.method != "POST" and (left == 0 or purchase.buyer == request.user):
        why = "this purchase is your own" if left else "all of this purchase is given back, or asked for"
        messages.warning(request, f"No credit can be asked for: {why}.")
        return redirect(back)
    intro = (
        f"{lead.vertical.name}, {lead.city} {lead.state}, lead {lead.public_id}, bought for "
        f"{dollars(purchase.price_cents)}. {dollars(left)} of it can be given back."
    )
    form = CreditForm(request.POST or None, purchase=purchase)
    facts = tuple(_in_short(credit) for credit in form.earlier)
    words = Words("Credit a purchase", intro, "Ask for the credit", WAITS, facts=facts, member=purchase.buyer)
    verb = partial(crediting.ask, request.user, purchase)
    return form_task(request, form, words, verb, subject=purchase, back=back)


def _in_short(credit: Credit) -> str:
    """An earlier credit of the same purchase, for whoever is about to ask for another."""
    state = "given back" if credit.checker else "asked for and not decided yet"
    return (
        f"{dollars(credit.amount_cents)} {state}: {credit.get_code_display().lower()} "
        f"(asked for by {credit.maker.handle} on {credit.made_at:%Y-%m-%d})."
    )


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
    words = Words("Adjust the balance", intro, "Ask for it", WAITS, member=member)
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
        f"{dollars(payment.left_cents)} of payment {payment.intent_id}, which came on {payment.arrived_at:%Y-%m-%d} at "
        f"{payment.arrived_at:%H:%M} UTC, fit no deposit. Look it up by this number at the card processor before you "
        "say whose it is."
    )
    back = reverse("admin:wallet_unexplainedpayment_change", args=[payment.pk])
    words = Words("Settle unexplained money", intro, "Ask for it", WAITS, back=back)
    form = ResolutionForm(request.POST or None)
    verb = partial(suspense.ask, request.user, payment)
    return form_task(request, form, words, verb, subject=None, back=reverse("admin:approvals"))
