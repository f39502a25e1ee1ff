"""Giving back what a lead cost, whole or in part. One person asks, with a code and a reason, another decides.

A credited lead stays with its buyer and is not sold again. Until buyers can return leads themselves this is how they
get their money back (PRODUCT, "Figures to keep").
"""

from collections.abc import Iterable

from django.db.models import F, QuerySet, Sum

from accounts.models import User
from marketplace.core.money import dollars, whole_cents
from marketplace.core.refusals import Refusal
from marketplace.core.transactions import in_transaction
from marketplace.core.two_people import SamePerson, ask_once, asked_before, decide
from marketplace.ledger import services as ledger
from marketplace.ledger.models import Transfer

from . import emails
from .models import Credit, Purchase
from .services import reference_of as payment_of

PREFIX = "credit:"  # of a credit's reference in the ledger


class MoreThanPaid(Refusal):
    """All credits of a purchase together would pass its price. ``left`` is what can still be given back, in cents."""

    def __init__(self, left: int) -> None:
        self.left = left
        super().__init__(f"At most {dollars(left)} of this purchase can still be given back. Nothing was changed.")


class AskedBefore(Refusal):
    """The purchase was credited already, or a credit of it waits, and whoever asks did not say that they know."""

    status = 409
    message = "Money of this purchase was given back or asked for already. Tick that more is to be given, if it is."


@in_transaction
def ask(
    maker: User,
    purchase: Purchase,
    *,
    cents: int,
    problem: Credit.Code,
    reason: str,
    more: bool = False,
    key: str = "",
) -> Credit:
    """Ask for ``cents`` of a purchase to be given back. Nothing moves before somebody else approves it. The same form
    (``key``) sent again answers with the first request. ``more``: whoever asks knows of earlier credits.

    Raises:
        SamePerson: it is the maker's own purchase.
        FormUsed: the form asked for something else before.
        MoreThanPaid: what was given back, and what waits to be, would pass the price.
        AskedBefore: there are earlier credits, and not ``more``.
        TypeError, ValueError: ``cents`` is no whole positive number of cents.
    """
    if maker.pk == purchase.buyer_id:
        raise SamePerson
    cents = whole_cents(cents)
    fields = {"purchase": purchase, "buyer_id": purchase.buyer_id, "amount_cents": cents, "code": Credit.Code(problem)}
    present = Purchase.objects.select_for_update(no_key=True).get(pk=purchase.pk)
    if again := asked_before(Credit, maker, key=key, reason=reason, **fields):
        return again
    if cents > (left := left_of(present)):
        raise MoreThanPaid(left)
    if not more and credits_of(present).exists():
        raise AskedBefore
    return ask_once(Credit, maker, key=key, reason=reason, **fields)


def credits_of(purchase: Purchase) -> QuerySet[Credit]:
    """What was given back of a purchase, and what waits to be; oldest first."""
    stands = Credit.objects.filter(purchase=purchase, state__in=[Credit.State.ASKED, Credit.State.APPROVED])
    return stands.select_related("maker", "checker").order_by("pk")


def left_of(purchase: Purchase) -> int:
    """Cents of a purchase that were neither given back nor asked for."""
    waiting = Credit.objects.waiting().filter(purchase=purchase).aggregate(cents=Sum("amount_cents"))["cents"]
    return purchase.price_cents - purchase.credited_cents - (waiting or 0)


def asked_whole(purchases: Iterable[Purchase]) -> set[int]:
    """Those of ``purchases`` (primary keys) of which nothing can be asked for any more, because credits wait for the
    rest of them."""
    asked = Credit.objects.waiting().filter(purchase__in=purchases).values("purchase", "purchase__price_cents")
    sums = asked.annotate(cents=Sum("amount_cents") + F("purchase__credited_cents"))
    return {row["purchase"] for row in sums if row["cents"] >= row["purchase__price_cents"]}


@in_transaction
def approve(checker: User, credit: Credit) -> None:
    """Give the money back and tell the buyer. Cash that was paid comes back first, and repays what the buyer owes;
    promotional credit comes back as such.

    Raises:
        SamePerson: ``checker`` asked for it, or bought the lead.
        AlreadyDecided: it does not wait any more.
        MoreThanPaid: so much was not paid; nothing is decided.
    """
    wallet = ledger.lock(credit.buyer_id)
    decide(credit, checker, Credit.State.APPROVED)
    purchase = Purchase.objects.get(pk=credit.purchase_id)
    room = F("price_cents") - credit.amount_cents
    raised = Purchase.objects.filter(pk=purchase.pk, credited_cents__lte=room).update(
        credited_cents=F("credited_cents") + credit.amount_cents
    )
    if not raised:
        raise MoreThanPaid(purchase.price_cents - purchase.credited_cents)
    paid = Transfer.objects.filter(reference=payment_of(purchase), debit_id=wallet.cash_id)
    cash_left = max(0, (paid.aggregate(cents=Sum("amount"))["cents"] or 0) - purchase.credited_cents)
    cash = min(credit.amount_cents, cash_left)
    ledger.give_back(
        wallet, cash=cash, bonus=credit.amount_cents - cash, kind=ledger.Kind.CREDIT, reference=reference_of(credit)
    )
    emails.credited(credit)


def decline(checker: User, credit: Credit, *, answer: str) -> None:
    """Leave everything as it is, and say why.

    Raises:
        SamePerson, AlreadyDecided: see ``decide``.
    """
    decide(credit, checker, Credit.State.DECLINED, answer=answer)


def reference_of(credit: Credit) -> str:
    """The money fact of an approved credit."""
    return f"{PREFIX}{credit.public_id}"
