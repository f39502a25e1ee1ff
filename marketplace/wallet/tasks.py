from celery import shared_task

from marketplace.core import logs

from . import inbox
from .gateway import ProcessorDown

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
    except ProcessorDown as error:
        log.warning("sweep put off", problem=type(error).__name__)
