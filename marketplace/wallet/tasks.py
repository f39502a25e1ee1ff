from celery import shared_task

from . import inbox


@shared_task(name="wallet.process_events")
def process_events() -> None:
    """Work off what the card processor told us."""
    inbox.process_events()


@shared_task(name="wallet.sweep")
def sweep() -> None:
    """Fetch what the card processor could not tell us."""
    inbox.sweep()
    inbox.process_events()
