"""The statement in words: what each movement was, the page that explains it, and the numbers it is found by."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from django.db.models import F, Q
from django.urls import reverse

from accounts.models import User
from marketplace.ledger.adjustments import PREFIX, reference_of
from marketplace.ledger.models import Adjustment, Transfer
from marketplace.ledger.statement import Entry

from .models import Deposit

Kind = Transfer.Kind
_COME_BACK = "Refund your bank did not take, back on your balance"
BATCH = 500


@dataclass(frozen=True)
class Cause:
    """What a movement was, where to read more ("" if nowhere), and our public numbers for it, by what they number:
    ``Receipt``, ``Purchase``, ``Lead``, ``Order``. ``deposited_at`` is the moment of the deposit that went back."""

    what: str
    url: str = ""
    numbers: Mapping[str, str] = field(default_factory=dict)
    deposited_at: datetime | None = None


@dataclass(frozen=True)
class Line:
    """One movement: its entry in the books, and its cause."""

    entry: Entry
    cause: Cause


Teller = Callable[[Sequence[str]], Mapping[str, Cause]]
_TELLERS: dict[str, Teller] = {}


def tells(kind: str) -> Callable[[Teller], Teller]:
    """For a room above: the decorated function gives the causes of movements of ``kind``, by their references, as far
    as it knows them. It is asked once for each page and each batch of a file."""

    def register(teller: Teller) -> Teller:
        _TELLERS[kind] = teller
        return teller

    return register


@dataclass(frozen=True)
class Deposits:
    """A member's deposits a statement speaks of: those not here yet, those disputed now, and those behind movements,
    by the processor's id of the payment, refund or dispute."""

    pending: list[Deposit]
    disputed: list[Deposit]
    behind: dict[str | None, Deposit]


@tells(Kind.ADJUSTMENT)
def adjusted(references: Sequence[str]) -> dict[str, Cause]:
    """What was put right, in the words in which it was decided."""
    ids = [reference.removeprefix(PREFIX) for reference in references]
    found = Adjustment.objects.filter(public_id__in=ids)
    return {reference_of(adjustment): Cause(adjustment.get_kind_display()) for adjustment in found}


def deposits_of(member: User, entries: Iterable[Entry]) -> Deposits:
    """The member's deposits that ``entries`` and the notices beside them speak of. One query for all of it."""
    ids = [_id_in(entry) for entry in entries if entry.kind != Kind.PURCHASE]
    found = Deposit.objects.for_user(member).annotate(
        refund=F("refunds__processor_id"), dispute=F("disputes__processor_id"), is_disputed=F("disputes__is_open")
    )
    wanted = Q(state__in=Deposit.NOT_HERE_YET) | Q(is_disputed=True)
    wanted |= Q(intent_id__in=ids) | Q(refund__in=ids) | Q(dispute__in=ids)
    pending: dict[int, Deposit] = {}
    disputed: dict[int, Deposit] = {}
    behind: dict[str | None, Deposit] = {}
    for deposit in found.filter(wanted).order_by("id"):  # one row for each refund and dispute
        behind |= dict.fromkeys((deposit.intent_id, deposit.refund, deposit.dispute), deposit)
        if deposit.state in Deposit.NOT_HERE_YET:
            pending[deposit.pk] = deposit
        if deposit.is_disputed:
            disputed[deposit.pk] = deposit
    return Deposits(list(pending.values()), list(disputed.values()), behind)


def in_words(entries: Sequence[Entry], deposits: Deposits) -> list[Line]:
    """``entries`` with their causes; ``deposits`` are those behind them."""
    told: dict[str, Cause] = {}
    for kind, teller in _TELLERS.items():
        references = [entry.reference for entry in entries if entry.kind == kind]
        told |= teller(references) if references else {}
    return [Line(entry, told.get(entry.reference) or _cause(entry, deposits)) for entry in entries]


def all_in_words(member: User, entries: Iterator[Entry]) -> Iterator[Line]:
    """``in_words`` for a whole statement, batch by batch."""
    while batch := list(islice(entries, BATCH)):
        yield from in_words(batch, deposits_of(member, batch))


def _cause(entry: Entry, deposits: Deposits) -> Cause:
    what = _COME_BACK if entry.kind == Kind.REFUND and entry.delta > 0 else str(Kind(entry.kind).label)
    deposit = deposits.behind.get(_id_in(entry))
    if deposit is None or deposit.state != Deposit.State.PAID:
        return Cause(what)
    url = reverse("wallet:receipt", args=[deposit.public_id])
    went_back_from = None if entry.kind in {Kind.DEPOSIT, Kind.RESOLVED} else deposit.paid_at
    return Cause(what, url, {"Receipt": deposit.public_id}, went_back_from)


def _id_in(entry: Entry) -> str:
    """The processor's id in a reference such as ``pi_…:credit``."""
    return entry.reference.partition(":")[0]
