"""What the purchases room adds to pages of the rooms below it."""

from collections.abc import Iterable, Sequence
from typing import Any

from django import template
from django.urls import reverse
from django.utils.text import Truncator

from accounts.models import User
from marketplace.core.refusals import Refusal
from marketplace.leads.models import Lead
from marketplace.purchases import services, several
from marketplace.purchases.forms import BuyForm
from marketplace.purchases.models import CallAttempt, Purchase
from marketplace.wallet.templatetags.wallet import wallet_for

register = template.Library()


@register.simple_tag(takes_context=True)
def owned_leads(context: dict[str, Any], leads: Iterable[Lead]) -> dict[int, str]:
    """Those of ``leads`` that the signed-in member bought: the lead's key to the public id of the purchase. One query,
    and none for visitors."""
    user = context["request"].user
    ids = [lead.pk for lead in leads]
    if not user.is_authenticated or not ids:
        return {}
    return dict(Purchase.objects.for_user(user).filter(lead__in=ids).values_list("lead_id", "public_id"))


@register.filter
def purchase_of(owned: dict[int, str], lead: Lead) -> str:
    """The public id of the member's purchase of ``lead``, or ""."""
    return owned.get(lead.pk, "")


@register.filter
def outcome_label(outcome: str) -> str:
    """What came of a call, in words."""
    return CallAttempt.Outcome(outcome).label


@register.filter
def last_line(text: str) -> str:
    """The last line of ``text`` that is not empty, shortened to what fits one on paper."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return Truncator(lines[-1] if lines else "").chars(120)


@register.filter
def public_ids(leads: Iterable[Lead]) -> list[str]:
    """The public ids of these leads."""
    return [lead.public_id for lead in leads]


@register.filter
def selection(public_ids: Iterable[str]) -> str:
    """The leads with these public ids as a query string, to name them in an address."""
    return several.query_of(public_ids)


@register.filter
def page_of(public_ids: Sequence[str]) -> str:
    """Where a member goes back to from the wallet: the page of the one lead they came from, or the selection."""
    return reverse("leads:lead", args=public_ids) if len(public_ids) == 1 else several.address_of(public_ids)


@register.inclusion_tag("purchases/money_needed.html", takes_context=True)
def money_needed(context: dict[str, Any], public_ids: Sequence[str]) -> dict[str, Any]:
    """Why a member who came from these leads is asked for money: what they cost, what the member has and what is
    missing, by our own books and never by the address."""
    buyer = context["request"].user
    leads = several.select(public_ids).leads if public_ids else []
    refused = services.why_not(buyer, leads) if len(leads) > 1 else {}
    free = [lead for lead in leads if lead.is_on_sale and lead.pk not in refused]
    price = sum(lead.price_cents for lead in free)
    purse = wallet_for(context, buyer)
    return {
        "leads": leads,
        "free": free,
        "price": price,
        "purse": purse,
        "missing": price - purse.available + purse.owed,
        "there": page_of(public_ids),
    }


@register.inclusion_tag("purchases/confirm_purchase.html", takes_context=True)
def confirm_purchase(context: dict[str, Any], public_ids: Sequence[str]) -> dict[str, Any]:
    """The confirmation of buying these leads, for a page the member comes back to with money: the button, or why there
    is none (bought already, sold meanwhile, not enough money, buying stopped)."""
    request = context["request"]
    leads = several.select(public_ids).leads if request.user.is_authenticated else []
    if not leads:
        return {}
    return {"request": request} | (
        _one(request.user, leads[0]) if len(public_ids) == 1 else _several(request.user, leads)
    )


def _one(buyer: User, lead: Lead) -> dict[str, Any]:
    try:
        offer = services.offer_lead(buyer, lead)
    except services.AlreadyBought as refusal:
        return {"lead": lead, "why": "AlreadyBought", "refusal": refusal, "purchase_id": refusal.purchase_id}
    except Refusal as refusal:
        return {"lead": lead, "why": type(refusal).__name__, "refusal": refusal}
    return {"lead": lead, "offer": offer, "form": BuyForm.of(offer)}


def _several(buyer: User, leads: list[Lead]) -> dict[str, Any]:
    try:
        return several.confirmation(buyer, several.Selection(leads))
    except Refusal as refusal:
        return {"leads": leads, "why": type(refusal).__name__, "refusal": refusal}
