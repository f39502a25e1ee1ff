from celery import shared_task

from . import export_jobs, notes, revocations


@shared_task(name="purchases.tell_of_revocations")
def tell_of_revocations() -> None:
    """Tell buyers whose person took the consent back."""
    revocations.tell_of_revocations()


@shared_task(name="purchases.forget")
def forget() -> None:
    """Delete for good what was removed a while ago."""
    notes.forget_notes()
    export_jobs.forget_exports()


# Under the 15 minutes after which the queue gives a job to another worker.
@shared_task(name="purchases.write_exports", soft_time_limit=860, time_limit=890)
def write_exports() -> None:
    """Write the exports that wait."""
    export_jobs.write_waiting()
