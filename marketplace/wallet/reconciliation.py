"""Holding our books against the processor's: every movement of our balance there is one fact here, and the other way
round, and what is left over is named.

A movement and the reference under which the wallet books it are the two ends of one fact: a charge is ``pi_…:credit``
with ``pi_…:fee``, a refund ``re_…:out`` and, when it failed, ``re_…:back``, a dispute ``du_…:withdrawn`` with
``du_…:fee``. What nobody else books is booked here, once: payouts and what the processor charges for itself. Nothing
else is put right here: a difference is found, told to the operators once, and stays in the report until it is gone.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from celery.exceptions import SoftTimeLimitExceeded
from django.db import IntegrityError, transaction
from django.db.models import Count, Max, Min, Q, QuerySet, Sum

from marketplace.core import clock, logs
from marketplace.core.ids import new_id
from marketplace.core.money import CURRENCY
from marketplace.core.transactions import in_transaction
from marketplace.ledger import services as ledger
from marketplace.ledger.models import Account, Transfer

from . import emails, gateway
from .books import book_once
from .models import Deposit, ProcessorMovement, Reconciliation, ReconciliationFinding

log = logs.get("leadfair.wallet")
State = Reconciliation.State
Kind = ReconciliationFinding.Kind
EVERY = timedelta(hours=24)
AGAIN_AFTER_FAILURE = timedelta(hours=1)
OVERLAP = timedelta(days=2)  # read again by the next run: a day that was missing in the report is made up for
SLICE = timedelta(hours=6)
LEASE = timedelta(minutes=5)
LATE = timedelta(hours=6)
YOUNG = timedelta(hours=2)  # one side may still be on its way to the other
BANK_DEBIT = timedelta(days=14)  # a payer's bank may take that long
LOOKS_BACK = timedelta(days=35)  # for what was missing in the report
LOOKS = 5
CHUNK = 500
FEES = ("processor_fees", "dispute_fees")
_FEE_OF = {"credit": "fee", "withdrawn": "fee", "reinstated": "fee-returned"}
_SUFFIXES = ("credit", "out", "back", "withdrawn", "reinstated", "paid")
T = TypeVar("T")


class StillMoving(Exception):
    """Money moved at every look, so that no two figures are of one moment. The next run has more luck."""


class Overtaken(Exception):
    """This worker was slow, and another one has taken the run over."""


# --- runs -------------------------------------------------------------------------------------------------------------


def reconcile_if_due(*, seconds: float) -> Reconciliation | None:
    """Go on with the run that was cut off, or begin one if the last is a day old; see ``reconcile``."""
    return reconcile(seconds=seconds) if _is_due() else None


def _is_due() -> bool:
    runs, now = Reconciliation.objects, clock.now()
    return runs.filter(state=State.RUNNING).exists() or not (
        runs.filter(state=State.DONE, started_at__gt=now - EVERY).exists()
        or runs.filter(state=State.FAILED, ended_at__gt=now - AGAIN_AFTER_FAILURE).exists()
    )


def reconcile(*, seconds: float | None = None) -> Reconciliation | None:
    """Compare our books with the processor's: a new run, or the one that was cut off, to its end or for about that many
    seconds. Returns the run, or None while another worker is at it.

    What the report says is kept as it is read; only the end of a run, in one transaction, books and finds anything. So
    a run that is killed has changed nothing and is gone on with.

    Raises:
        ProcessorDown: the processor did not answer; the run waits to be gone on with.
    """
    run = _claimed()
    if run is None:
        return None
    started = time.monotonic()
    try:
        while _read_slice(run):
            if seconds is not None and time.monotonic() - started > seconds:
                _let_go(run)
                return run
        _compare(run, holds=_read_rest(run))
    except Overtaken:
        log.warning("reconciliation overtaken", run=run.pk)
    except SoftTimeLimitExceeded:  # about the worker: the run is gone on with when its lease is over
        raise
    except gateway.ProcessorRefused as error:
        _fail(run, error)
        raise
    except (gateway.ProcessorDown, StillMoving) as error:
        _let_go(run, problem=type(error).__name__)
        if isinstance(error, gateway.ProcessorDown):
            raise
    except Exception as error:
        _fail(run, error)
        raise
    run.refresh_from_db()
    return run


def _claimed() -> Reconciliation | None:
    run = Reconciliation.objects.filter(state=State.RUNNING).first() or _begun()
    now, claim = clock.now(), new_id()
    free = Reconciliation.objects.filter(state=State.RUNNING, claimed_until__lte=now)
    if run is None or not free.filter(pk=run.pk).update(claim=claim, claimed_until=now + LEASE):
        return None
    run.claim = claim
    return run


def _begun() -> Reconciliation | None:
    now = clock.now()
    since = _begin_at(now)
    try:
        with transaction.atomic():
            return Reconciliation.objects.create(since=since, read_until=since, started_at=now, claimed_until=now)
    except IntegrityError:  # another worker began at the same moment
        return None


def _begin_at(now: datetime) -> datetime:
    """Where the last run began, or before: at the oldest thing that waited then, or that the report did not have."""
    last = Reconciliation.objects.filter(state=State.DONE).order_by("-pk").first()
    if last is not None:
        missing = ReconciliationFinding.objects.open().filter(
            kind__in=[Kind.ONLY_BOOKS, Kind.BALANCE], happened_at__gt=now - LOOKS_BACK
        )
        moments = [last.started_at, last.waiting_since, missing.aggregate(first=Min("happened_at"))["first"]]
    else:
        rows = (Deposit.objects.order_by("id"), Transfer.objects.order_by("id"))
        moments = [now, *(row.created_at for row in (found.first() for found in rows) if row is not None)]
    return min(moment for moment in moments if moment is not None) - OVERLAP


def _mine(run: Reconciliation) -> QuerySet[Reconciliation]:
    return Reconciliation.objects.filter(pk=run.pk, state=State.RUNNING, claim=run.claim)


def _let_go(run: Reconciliation, *, problem: str = "") -> None:
    _mine(run).update(claimed_until=clock.now(), problem=problem)
    if problem and run.started_at < clock.now() - LATE:
        emails.alert_operators("reconciliation-late", f"run {run.pk}")


def _fail(run: Reconciliation, error: Exception) -> None:
    problem = type(error).__name__[:80]
    log.warning("reconciliation failed", run=run.pk, problem=problem)
    if _mine(run).update(state=State.FAILED, ended_at=clock.now(), problem=problem):
        emails.alert_operators("reconciliation-failed", f"run {run.pk}")


# --- the processor's report -------------------------------------------------------------------------------------------


def _read_slice(run: Reconciliation) -> bool:
    """Read the next six hours of the report; False if fewer are left."""
    until = run.read_until + SLICE
    if until > clock.now():
        return False
    _keep(gateway.movements(run.read_until, until))
    if not _mine(run).update(read_until=until, claimed_until=clock.now() + LEASE):
        raise Overtaken
    run.read_until = until
    return True


def _read_rest(run: Reconciliation) -> int:
    """Read what is left of the report; returns the balance that belongs to it, in cents. If something moved between the
    two, look again.

    Raises:
        StillMoving: something moved each time.
    """
    _keep(gateway.movements(run.read_until))
    for _ in range(LOOKS):
        holds = gateway.balance()
        newest = ProcessorMovement.objects.aggregate(newest=Max("happened_at"))["newest"]
        # From the newest that is known: the processor's clock may be behind ours.
        if not _keep(gateway.movements(min(newest or run.read_until, run.read_until))):
            return holds
    raise StillMoving


def _keep(portions: Iterable[list[gateway.Movement]]) -> int:
    """Store the movements; returns how many were new. One that is listed twice is stored once, as it is told last."""
    new = 0
    for portion in portions:
        rows = {
            found.id: ProcessorMovement(
                processor_id=found.id,
                category=found.category,
                amount_cents=found.amount,
                fee_cents=found.fee,
                currency=found.currency,
                source_id=found.source_id,
                intent_id=found.intent_id,
                fact=_fact_of(found),
                is_under_way=found.is_under_way,
                happened_at=found.created,
            )
            for found in portion
        }
        known = ProcessorMovement.objects.filter(processor_id__in=rows).count()
        told = ["category", "amount_cents", "fee_cents", "currency", "source_id", "intent_id", "fact", "is_under_way"]
        ProcessorMovement.objects.bulk_create(
            rows.values(), update_conflicts=True, unique_fields=["processor_id"], update_fields=told
        )
        new += len(rows) - known
    return new


def _fact_of(found: gateway.Movement) -> str:
    """The reference under which the wallet books such a movement; the movement's own id if nothing of ours does."""
    source = found.source_id or found.id
    facts = {
        "charge": f"{found.intent_id or source}:credit",
        "charge_failure": f"{found.intent_id or source}:credit",  # takes the charge back
        "refund": f"{source}:out",
        "refund_failure": f"{source}:back",
        "dispute": f"{source}:{'withdrawn' if found.amount < 0 else 'reinstated'}",
        "dispute_reversal": f"{source}:{'withdrawn' if found.amount < 0 else 'reinstated'}",
        "payout": f"{source}:paid",
        "payout_reversal": f"{source}:back",
        "fee": f"{found.id}:fee",
    }
    return facts.get(found.category, found.id)


# --- the comparison ---------------------------------------------------------------------------------------------------


@dataclass
class Fact:
    """What both sides say of one fact, in cents: what came (or, negative, went), and what was kept as a fee. ``costs``
    is what our accounts of fees say."""

    reference: str
    movements: list[ProcessorMovement] = field(default_factory=list)
    theirs: int = 0
    theirs_fee: int = 0
    ours: int = 0
    ours_fee: int = 0
    costs: int = 0
    moments: list[datetime] = field(default_factory=list)

    @property
    def difference(self) -> int:
        """What the processor has more."""
        return (self.theirs - self.theirs_fee) - (self.ours - self.ours_fee)

    @property
    def their_costs(self) -> int:
        """What our accounts of fees should say."""
        return -self.theirs if self.reference.endswith(":fee") else self.theirs_fee

    def waits(self, now: datetime) -> bool:
        """Whether one side may still be on its way to the other."""
        is_debit = any(one.is_under_way for one in self.movements) and not self.ours
        return max(self.moments) > now - (BANK_DEBIT if is_debit else YOUNG)


@dataclass(frozen=True)
class Difference:
    """One finding before it is written down; ``theirs`` and ``ours`` in cents of ``currency``."""

    kind: str
    reference: str
    processor_id: str
    theirs: int
    ours: int
    happened_at: datetime
    currency: str = CURRENCY


@in_transaction
def _compare(run: Reconciliation, *, holds: int) -> None:
    """Book what nobody else books, compare, and end the run: all of it or nothing."""
    if _mine(run).select_for_update(no_key=True).first() is None:
        raise Overtaken
    now = clock.now()
    _book_own(run.since)
    before = _books()
    facts = list(_facts(run.since))
    count, books = _books()
    if before != (count, books):  # a payment was booked meanwhile: these figures are of two moments
        raise StillMoving
    uneven = [fact for fact in facts if _differences_of(fact)]
    waiting = [fact for fact in uneven if fact.waits(now)]
    found = [one for fact in uneven if not fact.waits(now) for one in _differences_of(fact)]
    found += _in_other_currencies(run.since)
    rest = holds - books - sum(fact.difference for fact in facts)
    if rest:
        found.append(Difference(Kind.BALANCE, "", "", holds, holds - rest, now))
    lag = sum(fact.difference for fact in waiting)
    result = {
        "matched": len(facts) - len(uneven),
        "waiting": len(waiting),
        "waiting_since": min((min(fact.moments) for fact in waiting), default=None),
        "waiting_cents": lag,
        "processor_cents": holds,
        "books_cents": books,
        "difference_cents": holds - books - lag,
    }
    _mine(run).update(state=State.DONE, ended_at=now, problem="", **result)
    run.refresh_from_db()
    news = _write_down(run, found, now)
    if news:
        emails.reconciliation(run, news)


def _book_own(since: datetime) -> None:
    """Payouts, those that came back, and what the processor charges for itself."""
    for moved in ProcessorMovement.objects.filter(happened_at__gte=since, currency=CURRENCY).order_by("id"):
        if moved.category in {"payout", "payout_reversal"}:
            _book("bank", moved.amount_cents, kind=ledger.Kind.PAYOUT, reference=moved.fact)
        reference, cents = _own_fee(moved)
        _book("processor_fees", cents, kind=ledger.Kind.FEE, reference=reference)


def _book(account: str, cents: int, *, kind: str, reference: str) -> None:
    """Move what came to the processor from ``account``, or (negative) what went from there to it."""
    if cents:
        sides = ("processor", account) if cents > 0 else (account, "processor")
        book_once(*sides, abs(cents), kind=kind, reference=reference)


def _own_fee(moved: ProcessorMovement) -> tuple[str, int]:
    """The fact of a fee that belongs to no payment and no dispute, with what came (or, negative, went) for it."""
    if moved.category == "fee":
        return moved.fact, moved.amount_cents - moved.fee_cents
    has_own = moved.fact.partition(":")[2] not in _FEE_OF and moved.fact != moved.processor_id
    return f"{moved.processor_id}:fee", -moved.fee_cents if has_own else 0


def _books() -> tuple[int, int]:
    """How many transfers touch what we have at the processor, and what they leave there, in cents."""
    came, went = (
        Transfer.objects.filter(**{f"{side}__kind": "processor"}).aggregate(n=Count("id"), cents=Sum("amount"))
        for side in ("debit", "credit")
    )
    return came["n"] + went["n"], (came["cents"] or 0) - (went["cents"] or 0)


def _facts(since: datetime) -> Iterator[Fact]:
    """Every fact that either side has had something to say of since then, and those that did not agree before, with all
    that both sides ever said of them."""
    names = _facts_of_the_report(since) | _facts_of_the_books(since)
    open_ones = ReconciliationFinding.objects.open().filter(currency=CURRENCY).exclude(reference="")
    names |= set(open_ones.values_list("reference", flat=True))
    for chunk in _in_chunks(sorted(names)):
        facts = {name: Fact(name) for name in chunk}
        _add_theirs(facts)
        _add_ours(facts)
        yield from (fact for fact in facts.values() if fact.moments)


def _facts_of_the_report(since: datetime) -> set[str]:
    names = set()
    for moved in ProcessorMovement.objects.filter(happened_at__gte=since, currency=CURRENCY):
        reference, cents = _own_fee(moved)
        names |= {moved.fact, reference} if cents else {moved.fact}
    return names


def _facts_of_the_books(since: datetime) -> set[str]:
    rows = _touching(Transfer.objects.filter(created_at__gte=since))
    return {
        _fact_in(reverses or reference) for reference, reverses in rows.values_list("reference", "reverses__reference")
    }


def _fact_in(reference: str) -> str:
    """The fact a transfer belongs to: a fee belongs to its payment or its dispute."""
    number, _, what = reference.partition(":")
    if what == "fee-returned":
        return f"{number}:reinstated"
    if what == "fee" and not number.startswith("txn_"):
        return f"{number}:{'withdrawn' if number.startswith(('du_', 'dp_')) else 'credit'}"
    return reference


def _add_theirs(facts: dict[str, Fact]) -> None:
    for moved in ProcessorMovement.objects.filter(fact__in=list(facts), currency=CURRENCY).order_by("id"):
        keeps = moved.fact.partition(":")[2] in _FEE_OF or moved.fact == moved.processor_id
        fee = moved.fee_cents if keeps else 0
        came = moved.amount_cents - (moved.fee_cents if moved.category == "fee" else 0)
        _say_theirs(facts[moved.fact], moved, came, fee)
    fees = [name.partition(":")[0] for name in facts if name.endswith(":fee")]
    for moved in ProcessorMovement.objects.filter(processor_id__in=fees, currency=CURRENCY).exclude(category="fee"):
        _say_theirs(facts[f"{moved.processor_id}:fee"], moved, -moved.fee_cents, 0)


def _say_theirs(fact: Fact, moved: ProcessorMovement, came: int, fee: int) -> None:
    fact.movements.append(moved)
    fact.moments.append(moved.happened_at)
    fact.theirs += came
    fact.theirs_fee += fee


def _add_ours(facts: dict[str, Fact]) -> None:
    """What the books say. A mistake and the transfer that reverses it say nothing together."""
    fact_of = {name: name for name in facts} | {fee: name for name in facts if (fee := _fee_reference(name))}
    at = dict(Account.objects.filter(owner=None).values_list("kind", "id"))
    costs = {at[kind] for kind in FEES}
    for column in ("reference", "reverses__reference"):
        rows = _touching(Transfer.objects.filter(**{f"{column}__in": list(fact_of)}))
        rows = rows.filter(reverses=None) if column == "reference" else rows
        for reference, debit, credit, cents, moment in rows.values_list(
            column, "debit_id", "credit_id", "amount", "created_at"
        ):
            fact = facts[fact_of[reference]]
            came = cents * ((debit == at["processor"]) - (credit == at["processor"]))
            if reference == fact.reference:
                fact.ours += came
            else:
                fact.ours_fee -= came
            fact.costs += cents * ((debit in costs) - (credit in costs))
            fact.moments.append(moment)


def _fee_reference(name: str) -> str:
    number, _, what = name.partition(":")
    return f"{number}:{_FEE_OF[what]}" if what in _FEE_OF else ""


def _touching(transfers: QuerySet[Transfer]) -> QuerySet[Transfer]:
    """Those that move what we have at the processor, or what it costs us."""
    house = Account.objects.filter(owner=None, kind__in=["processor", *FEES]).values_list("id", flat=True)
    ids = list(house)
    return transfers.filter(Q(debit_id__in=ids) | Q(credit_id__in=ids))


def _differences_of(fact: Fact) -> list[Difference]:
    """In what the two sides differ on this fact; nothing if they agree."""
    first = min(fact.moments)
    last = fact.movements[-1].processor_id if fact.movements else ""

    def differ(kind: str, theirs: int, ours: int) -> list[Difference]:
        return [Difference(kind, fact.reference, last, theirs, ours, first)]

    net, net_of_ours = fact.theirs - fact.theirs_fee, fact.ours - fact.ours_fee
    if not (fact.ours or fact.ours_fee or fact.costs):
        if not (fact.theirs or fact.theirs_fee):
            return []
        return differ(Kind.TWICE_PROCESSOR if _is_twice(fact) else Kind.ONLY_PROCESSOR, net, 0)
    if not (fact.theirs or fact.theirs_fee):
        kind = Kind.TWICE_BOOKS if _is_booked_elsewhere(fact) else Kind.ONLY_BOOKS
        return differ(kind, 0, net_of_ours or fact.costs)
    if _is_twice(fact):
        return differ(Kind.TWICE_PROCESSOR, net, net_of_ours)
    found = []
    if fact.ours != fact.theirs:
        kind = Kind.TWICE_BOOKS if fact.ours == 2 * fact.theirs else Kind.AMOUNT
        found += differ(kind, fact.theirs, fact.ours)
    if fact.ours_fee != fact.theirs_fee:
        found += differ(Kind.FEE, fact.theirs_fee, fact.ours_fee)
    elif fact.ours == fact.theirs and fact.costs != fact.their_costs:
        found += differ(Kind.FEE, fact.their_costs, fact.costs)
    return found


def _is_twice(fact: Fact) -> bool:
    """Whether the report has the fact more than once. A dispute may be withdrawn in parts, which our books hold as one
    sum."""
    times = Counter((moved.category, moved.amount_cents > 0) for moved in fact.movements)
    times["charge", True] -= times.pop(("charge_failure", False), 0)  # the payer may try again
    is_sum = fact.reference.endswith((":withdrawn", ":reinstated")) and fact.ours == fact.theirs
    return max(times.values()) > 1 and not is_sum


def _is_booked_elsewhere(fact: Fact) -> bool:
    """Whether what only our books have is money of the same payment, refund, dispute or payout that they have under its
    own reference as well."""
    number = fact.reference.partition(":")[0]
    siblings = ProcessorMovement.objects.filter(fact__in=[f"{number}:{what}" for what in _SUFFIXES])
    return siblings.filter(amount_cents=fact.ours).exclude(fact=fact.reference).exists()


def _in_other_currencies(since: datetime) -> Iterator[Difference]:
    """Movements our books cannot hold, except those of a payment that went back as a whole."""
    foreign = ProcessorMovement.objects.exclude(currency=CURRENCY)
    known = ReconciliationFinding.objects.open().filter(kind=Kind.CURRENCY).values_list("processor_id", flat=True)
    for moved in foreign.filter(Q(happened_at__gte=since) | Q(processor_id__in=list(known))).order_by("id"):
        of_it = foreign.filter(intent_id=moved.intent_id, currency=moved.currency)
        if moved.intent_id and not of_it.aggregate(cents=Sum("amount_cents"))["cents"]:
            continue
        net = moved.amount_cents - moved.fee_cents
        yield Difference(
            Kind.CURRENCY, moved.fact, moved.processor_id, net, 0, moved.happened_at, currency=moved.currency
        )


# --- findings ---------------------------------------------------------------------------------------------------------


def _write_down(run: Reconciliation, found: list[Difference], now: datetime) -> list[ReconciliationFinding]:
    """Keep the findings of ``run``, close those it did not see; returns what the operators have not been told of: new
    ones, and those that came back or have other figures."""
    news = []
    for one in found:
        row, is_new = ReconciliationFinding.objects.get_or_create(
            kind=one.kind,
            processor_id=one.processor_id,
            reference=one.reference,
            defaults={
                "currency": one.currency,
                "cents_theirs": one.theirs,
                "cents_ours": one.ours,
                "happened_at": one.happened_at,
                "first_run": run,
                "last_run": run,
                "first_seen": now,
                "last_seen": now,
            },
        )
        if is_new or row.closed_at or (row.cents_theirs, row.cents_ours) != (one.theirs, one.ours):
            news.append(row)
        row.cents_theirs, row.cents_ours, row.closed_at = one.theirs, one.ours, None
        row.last_run, row.last_seen = run, now
        row.save()
    gone = ReconciliationFinding.objects.open().exclude(last_run=run)
    gone.update(closed_at=now)
    return news


def _in_chunks(values: Iterable[T]) -> Iterator[list[T]]:
    rows = iter(values)
    while chunk := list(islice(rows, CHUNK)):
        yield chunk
