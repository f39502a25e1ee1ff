"""Asking for money to be put right. What is asked for waits for a second person."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods

from accounts.models import User
from accounts.staff import recently_confirmed
from marketplace.core.admin import staff_with
from marketplace.core.money import dollars
from marketplace.core.refusals import Refusal
from marketplace.ledger import adjustments
from marketplace.purchases import crediting
from marketplace.purchases.models import Purchase
from marketplace.staff.forms import AdjustmentForm, CreditForm

from .pages import StaffRequest, form_page, write_history

WAITS = "It waits for a second person now. Nothing moves before they approve it."


@require_http_methods(["GET", "HEAD", "POST"])
@staff_with("purchases.add_credit")
@recently_confirmed
def ask_credit(request: StaffRequest, public_id: str) -> HttpResponse:
    """Give a purchase back, whole or in part."""
    every = Purchase.objects.select_related("buyer", "lead__vertical")
    purchase = get_object_or_404(every, public_id=public_id)
    form = CreditForm(request.POST or None, purchase=purchase)
    lead, left = purchase.lead, crediting.left_of(purchase)
    context = {
        "member": purchase.buyer,
        "intro": f"{lead.vertical.name}, {lead.city} {lead.state}, lead {lead.public_id}, bought for "
        f"{dollars(purchase.price_cents)}. {dollars(left)} of it can be given back.",
        "button": "Ask for the credit",
    }
    if request.method != "POST" or not form.is_valid():
        return form_page(request, "Credit a purchase", form, context)
    try:
        crediting.ask(request.user, purchase, **form.cleaned_data)
    except Refusal as refusal:
        return form_page(request, "Credit a purchase", form, context, refusal=refusal)
    write_history(request, purchase, "Asked for a credit.")
    messages.success(request, WAITS)
    return redirect("admin:member", purchase.buyer.public_id)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_with("ledger.add_adjustment")
@recently_confirmed
def ask_adjustment(request: StaffRequest, public_id: str) -> HttpResponse:
    """Put a member's balance right, or write off what they owe."""
    member = get_object_or_404(User, public_id=public_id)
    form = AdjustmentForm(request.POST or None, member=member)
    context = {
        "member": member,
        "intro": "For what no deposit, purchase or refund explains. What a lead cost is given back from its purchase.",
        "button": "Ask for it",
    }
    if request.method != "POST" or not form.is_valid():
        return form_page(request, "Adjust the balance", form, context)
    try:
        adjustments.ask(request.user, member, **form.cleaned_data)
    except Refusal as refusal:
        return form_page(request, "Adjust the balance", form, context, refusal=refusal)
    write_history(request, member, "Asked for an adjustment.")
    messages.success(request, WAITS)
    return redirect("admin:member", public_id)
