"""The statement in words: what each movement was, and the page that explains it."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.urls import reverse

from marketplace.ledger.models import Transfer
from marketplace.ledger.statement import Entry

from .models import Deposit

Kind = Transfer.Kind
_COME_BACK = "Refund your bank did not take, back on your balance"


@dataclass(frozen=True)
class Line:
    """One movement: its entry in the books, what it was, and where to read more ("" if nowhere)."""

    entry: Entry
    what: str
    url: str


def intents(entries: Iterable[Entry]) -> list[str]:
    """The payments behind the deposits among ``entries``."""
    return [_id_in(entry) for entry in entries if entry.kind == Kind.DEPOSIT]


def in_words(entries: Iterable[Entry], deposits: Iterable[Deposit]) -> list[Line]:
    """``entries`` with their reasons; ``deposits`` are those with receipts to link."""
    receipts = {deposit.intent_id: reverse("wallet:receipt", args=[deposit.public_id]) for deposit in deposits}
    return [_line(entry, receipts) for entry in entries]


def _line(entry: Entry, receipts: dict[str | None, str]) -> Line:
    if entry.kind == Kind.PURCHASE and entry.reference.startswith("purchase:"):
        public_id = entry.reference.removeprefix("purchase:")
        return Line(entry, f"Lead {public_id}", reverse("purchases:my_lead", args=[public_id]))
    if entry.kind == Kind.DEPOSIT:
        return Line(entry, "Deposit", receipts.get(_id_in(entry), ""))
    if entry.kind == Kind.REFUND and entry.delta > 0:
        return Line(entry, _COME_BACK, "")
    return Line(entry, str(Kind(entry.kind).label), "")


def _id_in(entry: Entry) -> str:
    """The processor's id in a reference such as ``pi_…:credit``."""
    return entry.reference.partition(":")[0]
