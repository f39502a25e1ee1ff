"""Locking a buyer's accounts and moving money. Plain SQL, the same statements on both databases: the shortest way."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection

from marketplace.core import clock
from marketplace.core.money import whole_cents
from marketplace.core.refusals import Refusal

from .models import BUYER_KINDS, Account, Transfer

Kind = Transfer.Kind
HOUSE_KINDS = tuple(kind for kind in Account.Kind.values if kind not in BUYER_KINDS)


class InsufficientFunds(Refusal):
    """The balance does not cover the amount. ``missing`` is what is missing, in cents."""

    def __init__(self, missing: int) -> None:
        self.missing = missing
        super().__init__("Your balance does not cover this. You were not charged.")


@dataclass(frozen=True)
class Wallet:
    """A buyer's three accounts as they stood when locked; amounts in cents, all at least 0."""

    cash_id: int
    bonus_id: int
    owed_id: int
    cash: int
    bonus: int
    owed: int

    @property
    def available(self) -> int:
        """What can be spent, in cents."""
        return self.cash + self.bonus


def lock(owner_id: int) -> Wallet:
    """Lock all accounts of the buyer, in id order, until the transaction ends. Who moves a buyer's money starts here.

    Raises:
        RuntimeError: called outside a transaction, where a lock would not hold.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("ledger.lock needs a transaction")
    query = _ACCOUNTS + (" FOR NO KEY UPDATE" if connection.vendor == "postgresql" else "")
    with connection.cursor() as cursor:
        cursor.execute(query, [owner_id])
        rows = cursor.fetchall()
        if len(rows) < len(BUYER_KINDS):
            Account.objects.bulk_create(
                [Account(owner_id=owner_id, kind=kind) for kind in BUYER_KINDS], ignore_conflicts=True
            )
            cursor.execute(query, [owner_id])
            rows = cursor.fetchall()
    return _wallet(rows)


def wallet_of(owner_id: int) -> Wallet:
    """The buyer's accounts as they stand, unlocked: for showing, never for deciding. Empty before the first use."""
    with connection.cursor() as cursor:
        cursor.execute(_ACCOUNTS, [owner_id])
        return _wallet(cursor.fetchall())


_ACCOUNTS = "SELECT kind, id, credits - debits FROM ledger_account WHERE owner_id = %s ORDER BY id"


def _wallet(rows: Iterable[tuple[str, int, int]]) -> Wallet:
    at = {kind: (account_id, balance) for kind, account_id, balance in rows}
    cash, bonus, owed = (at.get(kind, (0, 0)) for kind in BUYER_KINDS)
    return Wallet(cash_id=cash[0], bonus_id=bonus[0], owed_id=owed[0], cash=cash[1], bonus=bonus[1], owed=-owed[1])


def make_house_accounts() -> None:
    """Make the house accounts that are missing."""
    Account.objects.bulk_create([Account(kind=kind) for kind in HOUSE_KINDS], ignore_conflicts=True)


def is_booked(reference: str) -> bool:
    """Whether the money fact ``reference`` is in the books."""
    return Transfer.objects.filter(reference=reference).exists()


_INSERT = """
INSERT INTO ledger_transfer (debit_id, credit_id, amount, kind, reference, line, reverses_id, created_at)
VALUES ({debit}, {credit}, %s, %s, %s, %s, %s, %s)"""
_HOUSE = "(SELECT id FROM ledger_account WHERE kind = %s AND owner_id IS NULL)"


def transfer(
    debit: int | str,
    credit: int | str,
    amount: int,
    *,
    kind: str,
    reference: str,
    line: int = 0,
    reverses: int | None = None,
) -> None:
    """Book one movement of ``amount`` cents. An account is the id of a buyer's account or the kind of a house account.

    Raises:
        TypeError, ValueError: ``amount`` is no whole positive number of cents.
        IntegrityError: the fact is booked already, or a buyer's account would leave its limits.
    """
    statement = _INSERT.format(
        debit=_HOUSE if isinstance(debit, str) else "%s", credit=_HOUSE if isinstance(credit, str) else "%s"
    )
    moment = connection.ops.adapt_datetimefield_value(clock.now())
    values: list[Any] = [debit, credit, whole_cents(amount), kind, reference, line, reverses, moment]
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def spend(wallet: Wallet, amount: int, *, kind: str, reference: str) -> Wallet:
    """Move ``amount`` cents from the locked ``wallet`` to revenue, cash first: promotional credit is spent last.
    Returns the wallet as it stands then.

    Raises:
        InsufficientFunds: cash and bonus together do not cover it; nothing is booked.
    """
    if wallet.available < amount:
        raise InsufficientFunds(amount - wallet.available)
    cash = min(wallet.cash, amount)
    bonus = amount - cash
    _split(((wallet.cash_id, "revenue", cash), (wallet.bonus_id, "revenue", bonus)), kind, reference)
    return replace(wallet, cash=wallet.cash - cash, bonus=wallet.bonus - bonus)


def put_in(wallet: Wallet, source: str, amount: int, *, kind: str, reference: str) -> Wallet:
    """Move ``amount`` cents from house account ``source`` to the locked buyer: first what is owed, the rest to cash.
    Returns the wallet as it stands then.
    """
    owed = min(wallet.owed, amount)
    cash = amount - owed
    _split(((source, wallet.owed_id, owed), (source, wallet.cash_id, cash)), kind, reference)
    return replace(wallet, cash=wallet.cash + cash, owed=wallet.owed - owed)


def give_back(wallet: Wallet, *, cash: int, bonus: int, kind: str, reference: str) -> Wallet:
    """Move money of a sale from revenue back to the locked buyer: ``cash`` cents repay first what is owed, ``bonus``
    cents become promotional credit again, so that it never turns into money one can take out. Returns the wallet as
    it stands then.
    """
    owed = min(wallet.owed, cash)
    parts = (
        ("revenue", wallet.owed_id, owed),
        ("revenue", wallet.cash_id, cash - owed),
        ("revenue", wallet.bonus_id, bonus),
    )
    _split(parts, kind, reference)
    return replace(wallet, cash=wallet.cash + cash - owed, owed=wallet.owed - owed, bonus=wallet.bonus + bonus)


def take_out(wallet: Wallet, target: str, amount: int, *, kind: str, reference: str) -> Wallet:
    """Move ``amount`` cents from the locked buyer to house account ``target``: cash while it lasts, the rest is owed.
    Returns the wallet as it stands then.
    """
    cash = min(wallet.cash, amount)
    owed = amount - cash
    _split(((wallet.cash_id, target, cash), (wallet.owed_id, target, owed)), kind, reference)
    return replace(wallet, cash=wallet.cash - cash, owed=wallet.owed + owed)


def _split(parts: Iterable[tuple[int | str, int | str, int]], kind: str, reference: str) -> None:
    """Book one fact in as many lines as have money, numbered from 0: a second booking always meets line 0."""
    for line, (debit, credit, amount) in enumerate(part for part in parts if part[2]):
        transfer(debit, credit, amount, kind=kind, reference=reference, line=line)


def reverse(mistake: Transfer, *, reference: str) -> None:
    """Undo a transfer by its mirror image. The caller holds the lock of the buyer whose account it moves.

    Raises:
        IntegrityError: it was reversed before, or the buyer's account would leave its limits.
    """
    transfer(
        mistake.credit_id,
        mistake.debit_id,
        mistake.amount,
        kind=Kind.REVERSAL,
        reference=reference,
        reverses=mistake.pk,
    )
