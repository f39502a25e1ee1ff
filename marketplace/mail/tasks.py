from celery import shared_task

from . import services


@shared_task(name="mail.deliver_due")
def deliver_due() -> None:
    """Send what is due."""
    services.deliver_due()
