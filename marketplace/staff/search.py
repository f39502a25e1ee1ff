"""One box for all that a caller may tell: handle, email, phone, reference of a lead, a number of the processor."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.db.models import Model, Q, QuerySet
from django.urls import reverse
from phonenumber_field.phonenumber import to_python

from accounts.models import User
from marketplace.core.ids import could_be_id
from marketplace.leads.models import Lead
from marketplace.ledger.models import Adjustment
from marketplace.mail.models import OutgoingEmail
from marketplace.purchases.models import Credit, Order, Purchase
from marketplace.wallet.models import Deposit, Dispute, Refund, Resolution, StripeEvent, UnexplainedPayment

AT_MOST = 20


@dataclass(frozen=True)
class Hit:
    """Something found: what it is, in words without anything personal but a handle, and its page."""

    what: str
    address: str


@dataclass(frozen=True)
class Found:
    """The hits of one text, and whether there are more than are listed."""

    hits: list[Hit]
    more: bool


def find(text: str, reader: User) -> Found:
    """All that ``text`` names as a whole, as far as the reader may see it; never by a part of an email or phone, so
    that nobody is guessed letter by letter. Handles are found by how they begin, because they are public."""
    hits: list[Hit] = []
    more = False
    for permission, rows, what, address in _PLACES if text.strip() else ():
        if reader.has_perm(permission):
            found = list(rows(plain(text))[: AT_MOST + 1])
            hits += [Hit(what(row), address(row)) for row in found[:AT_MOST]]
            more = more or len(found) > AT_MOST
    return Found(hits, more)


def plain(text: str) -> str:
    """The name or number in what was typed or pasted: "#7xk2…", "lead 7xk2…", and the address of a page give the
    reference in it."""
    text = text.strip()
    if re.match("https?://", text, re.IGNORECASE):
        path = urlsplit(text).path
        return next((part for part in reversed(path.split("/")) if could_be_id(part.lower())), text)
    return _KINDS.sub("", text).strip()


_KINDS = re.compile(
    "^(lead|purchase|order|deposit|receipt|mail|credit|member|reference)? *#|"
    "^(lead|purchase|order|deposit|receipt|mail|credit|reference) +(?=[^ ]+$)",
    re.IGNORECASE,
)


def members(text: str) -> QuerySet[User]:
    """Members of this whole email, phone or public id, or whose handle begins so."""
    phone = to_python(text, region="US")
    if "@" in text:
        return User.objects.filter(email=text.lower())
    if phone and phone.is_valid():
        return User.objects.filter(Q(phone=phone.as_e164) | Q(handle__iexact=text))
    return User.objects.filter(Q(handle__istartswith=text) | Q(public_id=text.lower())).order_by("handle")


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
        lambda t: Lead.objects.filter(public_id=t.lower()),
        lambda row: f"Lead {row.public_id}",
        _row("leads_lead"),
    ),
    (
        "purchases.view_purchase",
        lambda t: Purchase.objects.filter(Q(public_id=t.lower()) | Q(lead__public_id=t.lower())).select_related(
            "buyer"
        ),
        lambda row: f"Purchase {row.public_id} of {row.buyer.handle}",
        _row("purchases_purchase"),
    ),
    (
        "purchases.view_order",
        lambda t: Order.objects.filter(public_id=t.lower()).select_related("buyer"),
        lambda row: f"Order {row.public_id} of {row.buyer.handle}",
        _row("purchases_order"),
    ),
    (
        "wallet.view_deposit",
        lambda t: Deposit.objects.filter(Q(public_id=t.lower()) | Q(intent_id=t) | Q(session_id=t)).select_related(
            "buyer"
        ),
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
        "purchases.view_credit",
        lambda t: Credit.objects.filter(public_id=t.lower()),
        str,
        _row("purchases_credit"),
    ),
    (
        "ledger.view_adjustment",
        lambda t: Adjustment.objects.filter(public_id=t.lower()),
        str,
        _row("ledger_adjustment"),
    ),
    (
        "wallet.view_resolution",
        lambda t: Resolution.objects.filter(public_id=t.lower()),
        str,
        _row("wallet_resolution"),
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
        lambda t: OutgoingEmail.objects.filter(public_id=t.lower()),
        lambda row: f"Mail {row.public_id}",
        _row("mail_outgoingemail"),
    ),
)
