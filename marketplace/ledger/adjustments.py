"""Putting a member's money right: one person asks, with a reason, another approves or declines (DESIGN, Money)."""

from typing import Any

from marketplace.core.money import dollars, whole_cents
from marketplace.core.refusals import Refusal
from marketplace.core.transactions import in_transaction
from marketplace.core.two_people import SamePerson, ask_once, asked_before, decide

from . import emails
from . import services as ledger
from .models import Adjustment

Kind = Adjustment.Kind
MOST = 10_000_00  # cents that one request may move
PREFIX = "adjustment:"  # of an adjustment's reference in the ledger


class NotThatMuch(Refusal):
    """There is less to take out, or less owed, than was asked for."""


class TooMuch(Refusal):
    """More than one adjustment may move."""

    message = f"One request moves at most {dollars(MOST)}. Nothing was asked for."


def ask(maker: Any, owner: Any, kind: Adjustment.Kind, *, cents: int, reason: str, key: str = "") -> Adjustment:
    """Ask for ``cents`` to be put right for the member ``owner``. Nothing moves before somebody else approves it. The
    same form (``key``) sent again answers with the first request.

    Raises:
        SamePerson: it is the maker's own account.
        FormUsed: the form asked for something else before.
        TooMuch: it is above ``MOST``.
        NotThatMuch: so much is not there, or not owed. It is looked at again when it is approved.
        TypeError, ValueError: ``cents`` is no whole positive number of cents.
    """
    if maker.pk == owner.pk:
        raise SamePerson
    fields = {"owner": owner, "kind": Kind(kind), "amount_cents": whole_cents(cents)}
    if again := asked_before(Adjustment, maker, key=key, reason=reason, **fields):
        return again
    if cents > MOST:
        raise TooMuch
    _refuse_what_is_not_there(ledger.wallet_of(owner.pk), Kind(kind), cents, "Nothing was asked for.")
    return ask_once(Adjustment, maker, key=key, reason=reason, **fields)


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
    return f"{PREFIX}{adjustment.public_id}"


def _book(adjustment: Adjustment, wallet: ledger.Wallet) -> None:
    cents, reference = adjustment.amount_cents, reference_of(adjustment)
    _refuse_what_is_not_there(wallet, Kind(adjustment.kind), cents, "Nothing was changed; decline it and ask anew.")
    match adjustment.kind:
        case Kind.GOODWILL:
            ledger.transfer("promotion", wallet.bonus_id, cents, kind=ledger.Kind.ADJUSTMENT, reference=reference)
        case Kind.PUT_IN:
            ledger.put_in(wallet, "revenue", cents, kind=ledger.Kind.ADJUSTMENT, reference=reference)
        case Kind.TAKE_OUT:
            ledger.take_out(wallet, "revenue", cents, kind=ledger.Kind.ADJUSTMENT, reference=reference)
        case Kind.WRITE_OFF:
            ledger.transfer("write_off", wallet.owed_id, cents, kind=ledger.Kind.WRITE_OFF, reference=reference)


def _refuse_what_is_not_there(wallet: ledger.Wallet, kind: Adjustment.Kind, cents: int, so: str) -> None:
    if kind == Kind.TAKE_OUT and cents > wallet.cash:
        raise NotThatMuch(f"Only {dollars(wallet.cash)} of their own money is on the balance now. {so}")
    if kind == Kind.WRITE_OFF and cents > wallet.owed:
        raise NotThatMuch(f"Only {dollars(wallet.owed)} is owed now. {so}")
