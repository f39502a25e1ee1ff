"""Jobs of minutes are apart from those that people wait for, and one worker alone works off both."""

import pytest
from django.conf import settings

from marketplace import celery_app


@pytest.mark.parametrize(
    ("task", "queue"),
    [
        ("mail.deliver_due", "celery"),
        ("wallet.process_events", "celery"),
        ("purchases.write_exports", "long"),
        ("supply.work", "long"),
        ("marketplace.check_books", "long"),
        ("wallet.reconcile", "long"),
    ],
)
def test_it_works(task, queue):
    assert celery_app.amqp.router.route({}, task)["queue"].name == queue


def test_a_worker_that_is_told_of_no_queue_works_off_both():
    assert set(celery_app.amqp.queues.consume_from) == {"celery", "long"}


def test_every_job_of_minutes_is_there():
    """Those with a time limit of their own."""
    celery_app.loader.import_default_modules()
    ours = {name: task for name, task in celery_app.tasks.items() if task.time_limit != settings.CELERY_TASK_TIME_LIMIT}
    assert {name for name in ours if not name.startswith(("celery.", "tests."))} == set(settings.CELERY_TASK_ROUTES)
