"""A look at the site's own work every five minutes; what is wrong is told to the owners, once a day each."""

import shutil
from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings

from marketplace.core import clock, logs
from marketplace.core.links import absolute
from marketplace.ledger.models import Transfer
from marketplace.mail.models import OutgoingEmail
from marketplace.wallet.models import EventCursor, StripeEvent

from .checks import books_do_not_add_up
from .emails import Concern, tell_owners
from .models import CheckRun, TaskFailure
from .queues import failed_tasks, queues
from .views import SWEEP_IS_LATE

log = logs.get("leadfair.watch")
DAY = timedelta(days=1)
MAIL_WAITS = timedelta(minutes=15)
CHECK_IS_LATE = timedelta(hours=26)
AT_WORK = timedelta(minutes=12)  # the longest pause between two runs of a job that can be late is ten
OFTEN = 3  # failures of one task in a day that are no accident any more
LEAST_FREE = 10**9  # bytes
ASK_THE_DOCTOR = "See that a worker and beat run: manage.py doctor says what is wrong."


def watch() -> list[Concern]:
    """Look at everything, tell the owners, and leave a row: it shows as well that beat and a worker are at work."""
    started = clock.now()
    found = list(concerns())
    for concern in found:
        log.error("concern", concern=concern.name)
        tell_owners(concern)
    CheckRun.objects.create(
        what=CheckRun.What.WATCH,
        started_at=started,
        ended_at=clock.now(),
        findings_count=len(found),
        first_findings=[concern.said for concern in found],
    )
    CheckRun.objects.of(CheckRun.What.WATCH).filter(ended_at__lt=started - DAY).delete()
    TaskFailure.objects.filter(failed_at__lt=started - DAY).delete()
    return found


def concerns() -> Iterator[Concern]:
    """Everything that is not as it should be now."""
    yield from _given_up()
    yield from _failed()
    yield from _books()
    yield from _disk()
    if _has_been_at_work():
        yield from _late()


def _has_been_at_work() -> bool:
    """Whether beat and a worker were there long enough to have done what they found: after a night in which the machine
    was off, everything is late, and nothing is wrong."""
    since, until = clock.now() - 2 * AT_WORK, clock.now() - AT_WORK
    return CheckRun.objects.of(CheckRun.What.WATCH).filter(ended_at__range=(since, until)).exists()


def _given_up() -> Iterator[Concern]:
    if dead := OutgoingEmail.objects.given_up().filter(claimed_at__gte=clock.now() - DAY).count():
        yield Concern(
            "mail-dead",
            "mails are given up",
            f"Mails given up within a day: {dead}.",
            "In the admin, Outgoing mail with the state Given up shows why. Once that is mended, send it again there.",
            where=absolute("admin:mail_outgoingemail_changelist") + "?state__exact=failed",
        )
    if dead := StripeEvent.objects.filter(state=StripeEvent.State.DEAD).count():
        yield Concern(
            "events-dead",
            "news of the card processor is given up",
            f"Events of the card processor that could not be worked off: {dead}.",
            "In the admin, Stripe events with the state Given up show why. Once that is mended, try them again there.",
            where=absolute("admin:wallet_stripeevent_changelist") + "?state__exact=dead",
        )


def _failed() -> Iterator[Concern]:
    """A task fails once when the database is away for a moment, and does its work at the next turn."""
    often = [f"{task} {number} times" for task, number in failed_tasks().items() if number >= OFTEN]
    if often:
        yield Concern(
            "tasks-fail",
            "tasks fail",
            f"Tasks that ended with an error within a day: {', '.join(often)}.",
            "In the admin, Task failures shows the kind of each error; the worker's log has the place in the code.",
            where=absolute("admin:marketplace_taskfailure_changelist"),
        )


def _late() -> Iterator[Concern]:
    now = clock.now()
    (mail,) = [queue for queue in queues() if queue.name == "mail"]
    if mail.oldest > MAIL_WAITS:
        said = f"Mails wait to be sent: {mail.waiting}, the oldest for {_minutes(mail.oldest)} minutes."
        yield Concern("mail-waits", "mail does not leave", said, ASK_THE_DOCTOR)
    if sweep := EventCursor.objects.filter(read_until__lt=now - SWEEP_IS_LATE).first():
        yield Concern(
            "sweep-late",
            "the card processor is not asked",
            f"The card processor was last asked what happened at {sweep.read_until:%H:%M UTC on %Y-%m-%d}.",
            f"Its status page tells whether it is down. {ASK_THE_DOCTOR}",
        )
    last, due = CheckRun.objects.of(CheckRun.What.LEDGER).newest(), now - CHECK_IS_LATE
    # Where nothing was ever booked there is nothing to check: a new site does not begin with an alert.
    if last.ended_at < due if last else Transfer.objects.filter(created_at__lt=due).exists():
        when = f"last checked at {last.ended_at:%H:%M UTC on %Y-%m-%d}" if last else "never checked"
        advice = f"Run manage.py ledger_check. {ASK_THE_DOCTOR}"
        yield Concern("ledger-late", "the books are not checked", f"The books were {when}.", advice)


def _books() -> Iterator[Concern]:
    last = CheckRun.objects.of(CheckRun.What.LEDGER).newest()
    if last and last.findings_count:
        yield books_do_not_add_up(last.findings_count, last.first_findings)


def _disk() -> Iterator[Concern]:
    free = shutil.disk_usage(settings.VAR).free
    if free < LEAST_FREE:
        yield Concern(
            "disk",
            "the disk is nearly full",
            f"Where the site writes its files, {free // 10**6} MB are free.",
            "Make room or give it more: without any, uploads and exports fail, and a database on it stops.",
        )


def _minutes(time: timedelta) -> int:
    return int(time.total_seconds() // 60)
