from typing import Any

from django import template

from marketplace.ledger.services import Wallet, wallet_of
from marketplace.wallet.models import Deposit

register = template.Library()


@register.simple_tag(takes_context=True)
def wallet_for(context: dict[str, Any], user: Any) -> Wallet:
    """The member's balance as it stands, in cents: what the view put into ``purse``, or else one query."""
    known = context.get("purse")
    return known if isinstance(known, Wallet) else wallet_of(user.pk)


@register.inclusion_tag("wallet/buying_stopped.html", takes_context=True)
def buying_stopped(context: dict[str, Any], role: str = "") -> dict[str, Any]:
    """Why the member cannot buy now, or nothing: payments that are disputed (what the view put into ``disputed``, or
    else one query), then what is owed."""
    user = context["request"].user
    disputed = context["disputed"] if "disputed" in context else Deposit.objects.for_user(user).disputed()
    return {"request": context["request"], "disputed": list(disputed), "purse": wallet_for(context, user), "role": role}
