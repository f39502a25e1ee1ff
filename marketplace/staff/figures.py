"""What the first page of the admin says: what waits, and how the day goes. Each figure needs its permission."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Min, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.urls import reverse

from accounts.models import User
from marketplace.core import charts, clock
from marketplace.core.money import dollars
from marketplace.core.templatetags.ui import age
from marketplace.ledger.models import Account, Transfer
from marketplace.mail.models import OutgoingEmail
from marketplace.models import CheckRun
from marketplace.purchases.models import Purchase
from marketplace.queues import failed_tasks
from marketplace.wallet.models import Deposit, Dispute, Reconciliation, ReconciliationFinding, StripeEvent

from .approvals import answered, waiting

LATE = timedelta(minutes=15)  # a mail that is due and waits longer needs a look
CHECK_IS_LATE = timedelta(hours=26)
DAYS = 14  # that the plots show


@dataclass(frozen=True)
class Figure:
    """One figure: what it counts, its value in words, where to see more, and whether somebody should look now."""

    what: str
    value: str
    address: str = ""
    needs_a_look: bool = False


def queues_and_figures(reader: User) -> dict[str, Any]:
    """The queues and the figures that this member of staff may see."""
    midnight = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    figures = list(_figures(reader, midnight))
    return {"queues": list(_queues(reader)), "figures": figures, "plots": _plots(reader)}


def _list(name: str, query: str = "") -> str:
    return reverse(f"admin:{name}_changelist") + query


def _queues(reader: User) -> Iterator[Figure]:
    """What somebody has to do something about."""
    concerns = waiting(reader)
    yours = [one for one in concerns if one.may_decide]
    yield Figure("Waiting for a second person", f"{len(concerns)}", reverse("admin:approvals"), bool(yours))
    if answers := answered(reader):
        yield Figure("Answers to what you asked for, within a week", f"{len(answers)}", reverse("admin:approvals"))
    if reader.has_perm("mail.view_outgoingemail"):
        dead = OutgoingEmail.objects.given_up().count()
        yield Figure("Mails given up", f"{dead}", _list("mail_outgoingemail", "?state__exact=failed"), dead > 0)
        yield _oldest_mail()
    if reader.has_perm("wallet.view_stripeevent"):
        dead = StripeEvent.objects.filter(state=StripeEvent.State.DEAD).count()
        yield Figure("Events given up", f"{dead}", _list("wallet_stripeevent", "?state__exact=dead"), dead > 0)
    if reader.has_perm("marketplace.view_taskfailure"):
        number = sum(failed_tasks().values())
        yield Figure("Tasks that failed within a day", f"{number}", _list("marketplace_taskfailure"), number > 0)
    if reader.has_perm("wallet.view_dispute"):
        open_now = Dispute.objects.filter(is_open=True).count()
        yield Figure("Open disputes", f"{open_now}", _list("wallet_dispute", "?is_open__exact=1"), open_now > 0)
    if reader.has_perm("ledger.view_account"):
        yield _last_check()
    if reader.has_perm("wallet.view_unexplainedpayment"):
        cents = _suspense()
        yield Figure("Unexplained money", dollars(cents), _list("wallet_unexplainedpayment", "?open=yes"), cents != 0)
    if reader.has_perm("wallet.view_reconciliation"):
        yield _last_reconciliation()


def _oldest_mail() -> Figure:
    now = clock.now()
    due = OutgoingEmail.objects.filter(state=OutgoingEmail.State.QUEUED, available_at__lte=now)
    oldest: datetime | None = due.aggregate(oldest=Min("created_at"))["oldest"]
    address = _list("mail_outgoingemail", "?state__exact=queued")
    if oldest is None:
        return Figure("Oldest waiting mail", "none waits", address)
    return Figure("Oldest waiting mail", f"{age(oldest)} old", address, now - oldest > LATE)


def _last_check() -> Figure:
    last = CheckRun.objects.of(CheckRun.What.LEDGER).newest()
    if last is None:
        return Figure("Last check of the books", "never", _list("marketplace_checkrun"), _should_have_run())
    said = f"{age(last.ended_at)} ago, {last.findings_count} finding{'' if last.findings_count == 1 else 's'}"
    needs_a_look = last.findings_count > 0 or clock.now() - last.ended_at > CHECK_IS_LATE
    return Figure("Last check of the books", said, _list("marketplace_checkrun"), needs_a_look)


def _should_have_run() -> bool:
    """Whether money moved so long ago that what looks at it daily should have run."""
    return Transfer.objects.filter(created_at__lt=clock.now() - CHECK_IS_LATE).exists()


def _last_reconciliation() -> Figure:
    """The newest comparison with the card processor that came to its end, and what still differs."""
    address = _list("wallet_reconciliation")
    last = Reconciliation.objects.filter(state=Reconciliation.State.DONE).order_by("-ended_at").first()
    if last is None or last.ended_at is None:
        return Figure("Last reconciliation", "never", address, _should_have_run())
    still = ReconciliationFinding.objects.open().count()
    difference = f"difference {dollars(last.difference_cents or 0)}"
    said = f"{age(last.ended_at)} ago, {difference}, {still} finding{'' if still == 1 else 's'}"
    is_late = clock.now() - last.ended_at > CHECK_IS_LATE
    return Figure("Last reconciliation", said, address, is_late or still > 0 or bool(last.difference_cents))


def _suspense() -> int:
    """What lies in suspense, in cents: credits minus debits of that account, which keeps no total."""
    account = Account.objects.get(kind=Account.Kind.SUSPENSE)
    moved = (
        Transfer.objects.filter(**{side: account}).aggregate(cents=Sum("amount"))["cents"] or 0
        for side in ("credit", "debit")
    )
    return next(moved) - next(moved)


def _figures(reader: User, midnight: datetime) -> Iterator[Figure]:
    """How the day goes, since midnight UTC."""

    def today(column: str) -> str:
        return urlencode({f"{column}__gte": midnight})

    if reader.has_perm("wallet.view_deposit"):
        paid = Deposit.objects.paid().filter(paid_at__gte=midnight)
        value = _number_and_sum(paid.aggregate(number=Count("pk"), cents=Sum("received_cents")))
        yield Figure("Deposits today", value, _list("wallet_deposit", f"?{today('paid_at')}&state__exact=paid"))
        failed = Deposit.objects.filter(state=Deposit.State.FAILED, created_at__gte=midnight).count()
        address = _list("wallet_deposit", f"?{today('created_at')}&state__exact=failed")
        yield Figure("Deposits that failed today", f"{failed}", address)
    if reader.has_perm("purchases.view_purchase"):
        sold = Purchase.objects.filter(created_at__gte=midnight)
        value = _number_and_sum(sold.aggregate(number=Count("pk"), cents=Sum("price_cents")))
        yield Figure("Sales today", value, _list("purchases_purchase", f"?{today('created_at')}"))
    if reader.has_perm("mail.view_outgoingemail"):
        failed = OutgoingEmail.objects.filter(state=OutgoingEmail.State.FAILED, claimed_at__gte=midnight).count()
        address = _list("mail_outgoingemail", f"?{today('claimed_at')}&state__exact=failed")
        yield Figure("Mails that failed today", f"{failed}", address)


def _plots(reader: User) -> list[charts.Chart]:
    """Money by day (UTC), today included: what was deposited and what leads sold for."""
    today = clock.now().date()
    days = [today - timedelta(days=ago) for ago in range(DAYS - 1, -1, -1)]
    since = datetime.combine(days[0], time.min, UTC)
    drawn = []
    if reader.has_perm("wallet.view_deposit"):
        paid = _by_day(Deposit.objects.paid(), "paid_at", "received_cents", since)
        drawn.append(
            _by_day_drawn(days, paid, f"Deposits by day, last {DAYS} days (UTC)", "Nobody deposited anything.")
        )
    if reader.has_perm("purchases.view_purchase"):
        sold = _by_day(Purchase.objects.all(), "created_at", "price_cents", since)
        drawn.append(_by_day_drawn(days, sold, f"Sales by day, last {DAYS} days (UTC)", "No lead was sold."))
    return drawn


def _by_day(rows: QuerySet[Any], at: str, cents: str, since: datetime) -> dict[date, int]:
    """The sum of the column ``cents`` for each day of the column ``at``; days with nothing are missing."""
    sums = rows.filter(**{f"{at}__gte": since}).values(day=TruncDate(at)).annotate(cents=Sum(cents)).order_by()
    return {row["day"]: row["cents"] for row in sums}


def _by_day_drawn(days: list[date], sums: dict[date, int], caption: str, nothing: str) -> charts.Chart:
    points = [(f"{day.day} {day:%b}", sums.get(day, 0)) for day in days] if sums else []
    return charts.columns(points, caption=caption, head=("Day", "Sum"), number=dollars, nothing=nothing)


def _number_and_sum(found: dict[str, Any]) -> str:
    return f"{found['number']}, {dollars(found['cents'] or 0)}"
