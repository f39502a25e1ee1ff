"""What the purchases room adds to pages of the rooms below it."""

from collections.abc import Iterable
from typing import Any

from django import template
from django.utils.text import Truncator

from marketplace.core.refusals import Refusal
from marketplace.leads.models import Lead
from marketplace.purchases import services
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


@register.inclusion_tag("purchases/money_needed.html", takes_context=True)
def money_needed(context: dict[str, Any], lead_public_id: str) -> dict[str, Any]:
    """Why a member who came from the lead ``lead_public_id`` is asked for money: its price, what they have and what is
    missing, by our own books and never by the address."""
    lead = None
    if lead_public_id:
        lead = Lead.objects.shown().select_related("vertical").filter(public_id=lead_public_id).first()
    purse = wallet_for(context, context["request"].user)
    missing = lead.price_cents - purse.available + purse.owed if lead is not None else 0
    return {"lead": lead, "purse": purse, "missing": missing}


@register.inclusion_tag("purchases/confirm_purchase.html", takes_context=True)
def confirm_purchase(context: dict[str, Any], lead_public_id: str) -> dict[str, Any]:
    """The confirmation of buying the lead ``lead_public_id``, for a page the member comes back to with money: the
    button, or why there is none (bought already, sold meanwhile, not enough money, buying stopped)."""
    buyer = context["request"].user
    lead = Lead.objects.shown().select_related("vertical").filter(public_id=lead_public_id).first()
    if lead is None or not buyer.is_authenticated:
        return {"lead": None}
    panel: dict[str, Any] = {"request": context["request"], "lead": lead}
    try:
        offer = services.offer_lead(buyer, lead)
    except services.AlreadyBought as refusal:
        return panel | {"why": "AlreadyBought", "refusal": refusal, "purchase_id": refusal.purchase_id}
    except Refusal as refusal:
        return panel | {"why": type(refusal).__name__, "refusal": refusal}
    return panel | {"offer": offer, "form": BuyForm.of(offer)}
