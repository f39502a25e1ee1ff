from celery import shared_task

from . import services


@shared_task(name="purchases.tell_of_revocations")
def tell_of_revocations() -> None:
    """Tell buyers whose person took the consent back."""
    services.tell_of_revocations()


@shared_task(name="purchases.forget")
def forget() -> None:
    """Delete for good what was removed a while ago."""
    services.forget_notes()
