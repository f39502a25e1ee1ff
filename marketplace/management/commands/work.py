"""Do once what the worker does all the time: for hosts without a worker, and for looking at a backlog."""

from typing import Any

from django.core.management.base import BaseCommand

from marketplace.mail import services as mail
from marketplace.purchases import export_jobs
from marketplace.supply import uploads, withdrawals
from marketplace.wallet import inbox


class Command(BaseCommand):
    help = "Work off once what waits: payments, mails, exports, uploaded files, withdrawals."

    def handle(self, *args: Any, **options: Any) -> None:
        events = _drain(inbox.process_events)
        mails = _drain(mail.deliver_due)
        exports = _drain(export_jobs.write_waiting)
        _drain(withdrawals.finish_all)
        files = _drain(uploads.run_due)
        uploads.tidy()
        self.stdout.write(
            f"{events} events processed, {mails} mails sent, {exports} exports written, {files} files taken in"
        )


def _drain(work: Any) -> int:
    total = 0
    while done := work():
        total += done
    return total
