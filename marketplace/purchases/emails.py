"""Every mail the purchases room sends."""

from collections.abc import Sequence

from marketplace.core.links import absolute
from marketplace.core.money import dollars
from marketplace.mail.models import Category
from marketplace.mail.services import send

from .models import Credit, Order, Purchase


def receipt(order: Order, purchases: Sequence[Purchase], *, balance: int) -> None:
    """What was bought, for how much, and what is left (``balance`` in cents). No contact: it stays on the site."""
    send(
        order.buyer,
        category=Category.RECEIPT,
        template="purchases/email/receipt",
        context={
            "order": order.public_id,
            "order_url": absolute("purchases:order", order.public_id),
            "lines": [
                {
                    "what": f"{purchase.lead.vertical.name}, {purchase.lead.city} {purchase.lead.state}",
                    "price": dollars(purchase.price_cents),
                    "url": absolute("purchases:my_lead", purchase.public_id),
                    "lead": purchase.lead.public_id,
                    "purchase": purchase.public_id,
                }
                for purchase in purchases
            ],
            "total": dollars(sum(purchase.price_cents for purchase in purchases)),
            "balance": dollars(balance),
        },
        key=f"purchase:{order.public_id}",
    )


def consent_taken_back(purchase: Purchase) -> None:
    """The person of this purchase may not be called any more. No contact: it stays on the site."""
    lead = purchase.lead
    send(
        purchase.buyer,
        category=Category.LEGAL,
        template="purchases/email/consent_taken_back",
        context={
            "what": f"{lead.vertical.name}, {lead.city} {lead.state}",
            "bought_on": f"{purchase.created_at:%d %b %Y}".lstrip("0"),
            "url": absolute("purchases:my_lead", purchase.public_id),
        },
        key=f"consent-taken-back:{purchase.public_id}",
    )


def credited(credit: Credit) -> None:
    """Money of a purchase came back. The reason that staff wrote is for us and not repeated."""
    purchase = credit.purchase
    send(
        credit.buyer,
        category=Category.RECEIPT,
        template="purchases/email/credited",
        context={
            "what": f"{purchase.lead.vertical.name}, {purchase.lead.city} {purchase.lead.state}",
            "why": credit.get_code_display(),
            "amount": dollars(credit.amount_cents),
            "price": dollars(purchase.price_cents),
            "purchase": purchase.public_id,
            "url": absolute("purchases:my_lead", purchase.public_id),
        },
        key=f"credit:{credit.public_id}",
    )
