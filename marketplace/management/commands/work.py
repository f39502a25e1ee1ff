"""Do once what the worker does all the time: for hosts without a worker, and for looking at a backlog."""

from typing import Any

from django.core.management.base import BaseCommand

from marketplace.mail import services as mail
from marketplace.purchases import export_jobs
from marketplace.supply import tasks as supply
from marketplace.wallet import inbox


class Command(BaseCommand):
    help = "Drain the inbox of the card processor and the outbox, write the exports that wait and take in uploaded files, once."

    def handle(self, *args: Any, **options: Any) -> None:
        events = _drain(inbox.process_events)
        mails = _drain(mail.deliver_due)
        files = export_jobs.write_waiting()
        supply.work()
        self.stdout.write(f"{events} events processed, {mails} mails sent, {files} exports written")


def _drain(work: Any) -> int:
    total = 0
    while done := work():
        total += done
    return total
