from celery import shared_task

from . import uploads, withdrawals


# A large file is read to its end before its first row comes in, which takes longer than other jobs may.
@shared_task(name="supply.work", soft_time_limit=570, time_limit=600)
def work() -> None:
    """Finish withdrawals, and take in the files that wait."""
    withdrawals.finish_all()
    uploads.run_due()


@shared_task(name="supply.tidy")
def tidy() -> None:
    """Delete the files whose time is over."""
    uploads.tidy()
