"""Every mail the purchases room sends."""

from collections.abc import Sequence

from marketplace.core.links import absolute
from marketplace.core.money import dollars
from marketplace.mail.models import Category
from marketplace.mail.services import send

from .models import Order, Purchase


def receipt(order: Order, purchases: Sequence[Purchase], *, balance: int) -> None:
    """What was bought, for how much, and what is left (``balance`` in cents). No contact: it stays on the site."""
    send(
        order.buyer,
        category=Category.RECEIPT,
        template="purchases/email/receipt",
        context={
            "order": order.public_id,
            "lines": [
                {
                    "what": f"{purchase.lead.vertical.name}, {purchase.lead.city} {purchase.lead.state}",
                    "price": dollars(purchase.price_cents),
                    "url": absolute("purchases:my_lead", purchase.public_id),
                }
                for purchase in purchases
            ],
            "total": dollars(sum(purchase.price_cents for purchase in purchases)),
            "balance": dollars(balance),
        },
        key=f"purchase:{order.public_id}",
    )
