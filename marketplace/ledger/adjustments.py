"""Putting a member's money right: one person asks, with a reason, another approves or declines (DESIGN, Money)."""

from typing import Any

from marketplace.core.money import dollars, whole_cents
from marketplace.core.refusals import Refusal
from marketplace.core.transactions import in_transaction
from marketplace.core.two_people import SamePerson, ask_once, decide

from . import emails
from . import services as ledger
from .models import Adjustment

Kind = Adjustment.Kind


class NotThatMuch(Refusal):
    """There is less to take out, or less owed, than was asked for."""


def ask(maker: Any, owner: Any, kind: Adjustment.Kind, *, cents: int, reason: str, key: str = "") -> Adjustment:
    """Ask for ``cents`` to be put right for the member ``owner``. Nothing moves before somebody else approves it. The
    same form (``key``) sent again answers with the first request.

    Raises:
        SamePerson: it is the maker's own account.
        FormUsed: the form asked for something else before.
        TypeError, ValueError: ``cents`` is no whole positive number of cents.
    """
    if maker.pk == owner.pk:
        raise SamePerson
    kind = Kind(kind)
    return ask_once(Adjustment, maker, key=key, reason=reason, owner=owner, kind=kind, amount_cents=whole_cents(cents))


@in_transaction
def approve(checker: Any, adjustment: Adjustment) -> None:
    """Do what was asked for. The member is told by mail.

    Raises:
        SamePerson: ``checker`` asked for it, or it is their own account.
        AlreadyDecided: it does not wait any more.
        NotThatMuch: the balance, or the debt, is smaller now; nothing is decided.
    """
    wallet = ledger.lock(adjustment.owner_id)
    decide(adjustment, checker, Adjustment.State.APPROVED)
    _book(adjustment, wallet)
    emails.adjusted(adjustment)


def decline(checker: Any, adjustment: Adjustment, *, answer: str) -> None:
    """Leave everything as it is, and say why.

    Raises:
        SamePerson, AlreadyDecided: see ``decide``.
    """
    decide(adjustment, checker, Adjustment.State.DECLINED, answer=answer)


def reference_of(adjustment: Adjustment) -> str:
    """The money fact of an approved adjustment."""
    return f"adjustment:{adjustment.public_id}"


def _book(adjustment: Adjustment, wallet: ledger.Wallet) -> None:
    cents, reference = adjustment.amount_cents, reference_of(adjustment)
    match adjustment.kind:
        case Kind.GOODWILL:
            ledger.transfer("promotion", wallet.bonus_id, cents, kind=ledger.Kind.ADJUSTMENT, reference=reference)
        case Kind.PUT_IN:
            ledger.put_in(wallet, "revenue", cents, kind=ledger.Kind.ADJUSTMENT, reference=reference)
        case Kind.TAKE_OUT:
            _refuse_more_than(wallet.cash, cents, "on the balance")
            ledger.take_out(wallet, "revenue", cents, kind=ledger.Kind.ADJUSTMENT, reference=reference)
        case Kind.WRITE_OFF:
            _refuse_more_than(wallet.owed, cents, "owed")
            ledger.transfer("write_off", wallet.owed_id, cents, kind=ledger.Kind.WRITE_OFF, reference=reference)


def _refuse_more_than(there: int, cents: int, where: str) -> None:
    if cents > there:
        raise NotThatMuch(f"Only {dollars(there)} is {where} now. Nothing was changed; decline it and ask anew.")
