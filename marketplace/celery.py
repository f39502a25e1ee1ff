"""The Celery application. Tasks take ids only and are short; the database rows are the guarantee, the broker a wake-up."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")

app = Celery("leadfair")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
