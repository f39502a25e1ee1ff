"""One box for all that a caller may tell: handle, email, phone, reference of a lead, a number of the processor."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.db.models import Model, Q, QuerySet
from django.urls import reverse
from phonenumber_field.phonenumber import to_python

from accounts.models import User
from marketplace.leads.models import Lead
from marketplace.mail.models import OutgoingEmail
from marketplace.purchases.models import Order, Purchase
from marketplace.wallet.models import Deposit, Dispute, Refund, StripeEvent, UnexplainedPayment

AT_MOST = 20


@dataclass(frozen=True)
class Hit:
    """Something found: what it is, in words without anything personal but a handle, and its page."""

    what: str
    address: str


def find(text: str, reader: User) -> list[Hit]:
    """All that ``text`` names as a whole, as far as the reader may see it; never by a part of an email or phone, so
    that nobody is guessed letter by letter. Handles are found by how they begin, because they are public."""
    text = text.strip()
    return [hit for hits in _hits(text, reader) for hit in hits] if text else []


def _hits(text: str, reader: User) -> Iterator[list[Hit]]:
    for permission, rows, what, address in _PLACES:
        if reader.has_perm(permission):
            yield [Hit(what(row), address(row)) for row in rows(text)[:AT_MOST]]


def members(text: str) -> QuerySet[User]:
    """Members of this whole email, phone or public id, or whose handle begins so."""
    phone = to_python(text, region="US")
    if "@" in text:
        return User.objects.filter(email=text.lower())
    if phone and phone.is_valid():
        return User.objects.filter(Q(phone=phone.as_e164) | Q(handle__iexact=text))
    return User.objects.filter(Q(handle__istartswith=text) | Q(public_id=text)).order_by("handle")


def _row(name: str) -> Callable[[Model], str]:
    return lambda row: reverse(f"admin:{name}_change", args=[row.pk])


_PLACES: tuple[tuple[str, Callable[[str], QuerySet], Callable, Callable], ...] = (
    (
        "accounts.view_user",
        members,
        lambda user: f"Member {user.handle}",
        lambda user: reverse("admin:member", args=[user.public_id]),
    ),
    (
        "leads.view_lead",
        lambda t: Lead.objects.filter(public_id=t),
        lambda row: f"Lead {row.public_id}",
        _row("leads_lead"),
    ),
    (
        "purchases.view_purchase",
        lambda t: Purchase.objects.filter(Q(public_id=t) | Q(lead__public_id=t)).select_related("buyer"),
        lambda row: f"Purchase {row.public_id} of {row.buyer.handle}",
        _row("purchases_purchase"),
    ),
    (
        "purchases.view_order",
        lambda t: Order.objects.filter(public_id=t).select_related("buyer"),
        lambda row: f"Order {row.public_id} of {row.buyer.handle}",
        _row("purchases_order"),
    ),
    (
        "wallet.view_deposit",
        lambda t: Deposit.objects.filter(Q(public_id=t) | Q(intent_id=t) | Q(session_id=t)).select_related("buyer"),
        lambda row: f"Deposit {row.public_id} of {row.buyer.handle}",
        _row("wallet_deposit"),
    ),
    (
        "wallet.view_unexplainedpayment",
        lambda t: UnexplainedPayment.objects.filter(intent_id=t),
        lambda row: f"Unexplained payment {row.intent_id}",
        _row("wallet_unexplainedpayment"),
    ),
    (
        "wallet.view_refund",
        lambda t: Refund.objects.filter(processor_id=t),
        lambda row: f"Refund {row}",
        _row("wallet_refund"),
    ),
    (
        "wallet.view_dispute",
        lambda t: Dispute.objects.filter(processor_id=t),
        lambda row: f"Dispute {row}",
        _row("wallet_dispute"),
    ),
    (
        "wallet.view_stripeevent",
        lambda t: StripeEvent.objects.filter(Q(event_id=t) | Q(object_id=t)).order_by("-pk"),
        lambda row: f"Event {row}",
        _row("wallet_stripeevent"),
    ),
    (
        "mail.view_outgoingemail",
        lambda t: OutgoingEmail.objects.filter(public_id=t),
        lambda row: f"Mail {row.public_id}",
        _row("mail_outgoingemail"),
    ),
)
