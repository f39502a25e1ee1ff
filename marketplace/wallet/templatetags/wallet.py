from django import template

from marketplace.ledger.services import Wallet, wallet_of

register = template.Library()


@register.simple_tag
def wallet_for(user) -> Wallet:  # type: ignore[no-untyped-def]
    """The member's balance as it stands, in cents; one query."""
    return wallet_of(user.pk)
