from pathlib import Path

from django.apps import AppConfig
from django.conf import settings


class MarketplaceConfig(AppConfig):
    """The composition root: the home page, health, the demo pages and the commands that see every room."""

    name = "marketplace"
    verbose_name = "The site's own checks"

    def ready(self) -> None:
        """Celery's file-system broker, used where there is no Redis, does not make its own folders."""
        if not settings.REDIS_URL:
            for option in ("data_folder_in", "data_folder_out", "control_folder"):
                Path(str(settings.CELERY_BROKER_TRANSPORT_OPTIONS[option])).mkdir(parents=True, exist_ok=True)
