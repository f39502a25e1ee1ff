"""The Celery application. Tasks are short and take ids only; the rows are the guarantee, the broker a wake-up."""

import os

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")

# kombu's own lets a worker die of a message that is just being written
TRANSPORT_ALIASES["filesystem"] = "marketplace.core.broker:Transport"

app = Celery("leadfair")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
