from typing import Any

from django import template

from marketplace.ledger.services import Wallet, wallet_of

register = template.Library()


@register.simple_tag(takes_context=True)
def wallet_for(context: dict[str, Any], user: Any) -> Wallet:
    """The member's balance as it stands, in cents: what the view put into ``purse``, or else one query."""
    known = context.get("purse")
    return known if isinstance(known, Wallet) else wallet_of(user.pk)
