"""Buying a lead, or several at once."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods

from accounts.models import User
from marketplace.core.links import SeeOther
from marketplace.core.money import dollars
from marketplace.core.refusals import Refusal
from marketplace.leads.models import Lead
from marketplace.leads.services import LeadUnavailable, PriceChanged
from marketplace.ledger.services import InsufficientFunds
from marketplace.purchases import services, several
from marketplace.purchases.forms import BuyForm, BuySeveralForm
from marketplace.purchases.models import Purchase
from marketplace.purchases.several import Selection

SIMILAR = 6
# Refusals of buying with a better page than the general one.
EXPLAINED = (
    InsufficientFunds,
    LeadUnavailable,
    PriceChanged,
    services.AlreadyBought,
    services.KeyReused,
    services.BuyingStopped,
    services.TermsNotAccepted,
)


@require_http_methods(["GET", "HEAD", "POST"])
def buy_lead(request: HttpRequest, public_id: str) -> HttpResponse:
    """Confirm (GET) and buy (POST). What is not shown is never charged: the form carries the price that was seen."""
    lead = Lead.objects.shown().select_related("vertical").filter(public_id=public_id).first()
    if lead is None:
        return _unknown(request)
    if not request.user.is_authenticated:
        # Only a member had the form; whoever follows a link may be new.
        return redirect_to_login(
            request.path, reverse("account_login" if request.method == "POST" else "account_signup")
        )
    try:
        return _buy(request, request.user, lead) if request.method == "POST" else _confirm(request, request.user, lead)
    except EXPLAINED as refusal:
        return _not_bought(request, request.user, lead, refusal)


def _unknown(request: HttpRequest) -> HttpResponse:
    """404 as any address of nothing, whether the lead is held back or never was, but who meant to buy is told that
    nothing was charged, and where to go on."""
    return render(request, "purchases/unknown_leads.html", status=404)


def _confirm(request: HttpRequest, buyer: User, lead: Lead) -> HttpResponse:
    mine = Purchase.objects.for_user(buyer).filter(lead=lead).first()
    if mine is not None:  # also who goes back to the form after buying
        if request.method == "GET":
            messages.info(request, "You have bought this lead already. Nothing was charged again.")
        return redirect("purchases:my_lead", mine.public_id)
    try:
        offer = services.offer_lead(buyer, lead)
    except LeadUnavailable:
        if lead.is_on_sale:  # its consent ended, and the job that withdraws it has not come yet
            raise
        return redirect("leads:lead", lead.public_id)
    except InsufficientFunds as refusal:
        needed = urlencode({"lead": lead.public_id, "amount": dollars(refusal.missing)})
        return redirect(f"{reverse('wallet:add_money')}?{needed}")
    return render(request, "purchases/buy_lead.html", {"lead": lead, "offer": offer, "form": BuyForm.of(offer)})


def _buy(request: HttpRequest, buyer: User, lead: Lead) -> HttpResponse:
    form = BuyForm(request.POST)
    if not form.is_valid():
        offer = services.offer_lead(buyer, lead)
        context = {"lead": lead, "offer": offer, "form": BuyForm.of(offer), "is_incomplete": True}
        return render(request, "purchases/buy_lead.html", context, status=422)
    seen, key = form.cleaned_data["price_seen"], form.cleaned_data["key"]
    purchase = services.buy_lead(buyer, lead, price_seen=seen, key=key)
    return redirect("purchases:my_lead", purchase.public_id)


def _not_bought(request: HttpRequest, buyer: User, lead: Lead, refusal: Refusal) -> HttpResponse:
    lead.refresh_from_db(fields=["price_cents", "status", "slots_sold"])
    context: dict[str, Any] = {"lead": lead, "refusal": refusal, "why": type(refusal).__name__}
    if isinstance(refusal, LeadUnavailable):
        similar = Lead.objects.similar_to(lead.vertical_id, lead.state).exclude(pk=lead.pk)
        context["similar"] = similar.nearest_in_price(lead.price_cents).select_related("vertical")[:SIMILAR]
    elif isinstance(refusal, services.AlreadyBought):
        mine = Purchase.objects.for_user(buyer).select_related("lead__vertical")
        context["earlier"] = mine.get(public_id=refusal.purchase_id)
    elif isinstance(refusal, PriceChanged):
        context |= _offer_anew(buyer, lead)
    return render(request, "purchases/not_bought.html", context, status=refusal.status)


def _offer_anew(buyer: User, lead: Lead) -> dict[str, Any]:
    try:
        offer = services.offer_lead(buyer, lead)
    except Refusal as refusal:
        return {"next_refusal": refusal, "missing": getattr(refusal, "missing", 0)}
    return {"offer": offer, "form": BuyForm.of(offer)}


@require_http_methods(["GET", "HEAD", "POST"])
def buy_leads(request: HttpRequest) -> HttpResponse:
    """Confirm (GET) and buy (POST) what was ticked. Reading the address needs no token and no cookie."""
    given = request.POST if request.method == "POST" else request.GET
    ids = [text for text in dict.fromkeys(given.getlist("lead")) if text]
    if not 0 < len(ids) <= settings.LEADS_AT_ONCE:
        first = several.address_of(ids[: settings.LEADS_AT_ONCE])
        context = {"number": len(ids), "most": settings.LEADS_AT_ONCE, "first": first}
        return render(request, "purchases/select_again.html", context, status=422)
    chosen = several.select(ids)
    if not chosen.leads:
        return _unknown(request)
    if not request.user.is_authenticated:
        door = "account_login" if request.method == "POST" else "account_signup"
        return redirect_to_login(chosen.address, reverse(door))
    if request.method != "POST":
        return _confirm_several(request, request.user, chosen)
    return SeeOther(chosen.address) if "update" in request.POST else _buy_several(request, request.user, chosen)


def _confirm_several(
    request: HttpRequest, buyer: User, chosen: Selection, *, status: int = 200, **said: Any
) -> HttpResponse:
    """The form, and what is ``said`` above it: ``refusal``, ``is_reused``, ``is_incomplete``, ``seen`` prices."""
    try:
        context = said | several.confirmation(buyer, chosen, seen=said.get("seen"))
    except (services.BuyingStopped, services.TermsNotAccepted) as refusal:
        context = {"chosen": chosen, "refusal": refusal, "why": type(refusal).__name__}
        status = refusal.status
    return render(request, "purchases/buy_leads.html", context, status=status)


def _buy_several(request: HttpRequest, buyer: User, chosen: Selection) -> HttpResponse:
    form = BuySeveralForm(request.POST, leads=chosen.leads)
    if chosen.unknown or not form.is_valid():
        return _confirm_several(request, buyer, chosen, status=422, is_incomplete=True)
    try:
        outcome = services.buy_leads(buyer, form.wanted(), key=form.cleaned_data["key"])
    except EXPLAINED as refusal:
        now = several.select([lead.public_id for lead in chosen.leads])
        seen = form.cleaned_data["seen"]
        is_reused = isinstance(refusal, services.KeyReused)
        said = {"refusal": refusal, "is_reused": is_reused, "seen": seen}
        return _confirm_several(request, buyer, now, status=refusal.status, **said)
    return SeeOther(reverse("purchases:order", args=[outcome.order.public_id]))
