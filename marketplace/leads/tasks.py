from celery import shared_task

from . import services


@shared_task(name="leads.reprice")
def reprice() -> None:
    """Give every lead the price of its age, and withdraw those that may not be sold any more."""
    services.reprice()
