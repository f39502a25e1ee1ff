"""A receipt in words and cents: what was paid, what went back, what is left of it."""

from dataclasses import dataclass
from datetime import datetime

from .models import Deposit


@dataclass(frozen=True)
class Line:
    """Money that went back: why, when we heard of it, and how many cents."""

    what: str
    moment: datetime
    cents: int
    is_under_way: bool = False


@dataclass(frozen=True)
class Receipt:
    """``left`` is what was received without what went back, in cents; ``state`` is a sentence without its full stop."""

    lines: list[Line]
    left: int
    state: str


def receipt_of(deposit: Deposit) -> Receipt:
    """The receipt of a paid deposit as it stands. A dispute takes money away when it is lost; while it is open the
    receipt says so."""
    refunds = [
        Line("Refund of", refund.seen_at, refund.amount_cents, refund.state == "pending")
        for refund in deposit.refunds.that_left().order_by("id")
    ]
    taken = [
        Line("Taken back by your bank, disputed on", dispute.seen_at, dispute.amount_cents)
        for dispute in deposit.disputes.lost().order_by("id")
    ]
    left = deposit.received_cents - sum(line.cents for line in refunds + taken)
    is_disputed = deposit.disputes.filter(is_open=True).exists()
    return Receipt(refunds + taken, left, _state(left, bool(refunds), bool(taken), is_disputed))


def _state(left: int, has_refund: bool, was_taken: bool, is_disputed: bool) -> str:
    went = [words for words, did in (("refunded", has_refund), ("taken back by your bank", was_taken)) if did]
    if left <= 0:
        state = " and ".join(went).capitalize()
    elif went:
        state = f"Paid, partly {' and partly '.join(went)}"
    else:
        state = "Paid"
    return f"{state}, disputed by your bank" if is_disputed else state
