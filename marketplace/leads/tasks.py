from celery import shared_task

from . import market, searches, services


@shared_task(name="leads.reprice")
def reprice() -> None:
    """Give every lead the price of its age, and withdraw those that may not be sold any more."""
    services.reprice()


@shared_task(name="leads.count")
def count() -> None:
    """Count what is on sale, for the numbers beside the filters."""
    market.count()


@shared_task(name="leads.look_around")
def look_around() -> None:
    """Look at prices and listings, for the plots."""
    market.look_around()


@shared_task(name="leads.forget_removed_searches")
def forget_removed_searches() -> None:
    """Delete the searches that nobody wanted back."""
    searches.forget_removed()
