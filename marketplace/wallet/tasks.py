from celery import shared_task

from marketplace.core import logs

from . import inbox, reconciliation, suspense
from .gateway import ProcessorDown

RECONCILE_SECONDS = 240  # of the reading: the comparison comes after it, and has to end before the task is stopped
log = logs.get("leadfair.wallet")


@shared_task(name="wallet.process_events")
def process_events() -> None:
    """Work off what the card processor told us."""
    inbox.process_events()


@shared_task(name="wallet.sweep")
def sweep() -> None:
    """Fetch what the card processor could not tell us. While it is away there is nothing to do until the next run."""
    try:
        inbox.sweep()
        inbox.process_events()
        suspense.send_back_approved()
    except ProcessorDown as error:
        log.warning("sweep put off", problem=type(error).__name__)


@shared_task(name="wallet.reconcile", soft_time_limit=570, time_limit=600)
def reconcile() -> None:
    """Compare our books with the card processor's, once a day; a run that was cut off is gone on with."""
    try:
        reconciliation.reconcile_if_due(seconds=RECONCILE_SECONDS)
    except ProcessorDown as error:
        log.warning("reconciliation put off", problem=type(error).__name__)


@shared_task(name="wallet.send_back")
def send_back() -> None:
    """Send back at the card processor what two people decided. While it is away, the sweep does it later."""
    try:
        suspense.send_back_approved()
    except ProcessorDown as error:
        log.warning("sending back put off", problem=type(error).__name__)
