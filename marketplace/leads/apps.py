from django.apps import AppConfig
from django.db.models.signals import post_migrate

from . import guards


def _after_migrate(using: str, **kwargs: object) -> None:
    from .services import make_verticals

    guards.install(using)
    make_verticals()


class LeadsConfig(AppConfig):
    name = "marketplace.leads"
    label = "leads"
    verbose_name = "Leads and prices"

    def ready(self) -> None:
        post_migrate.connect(_after_migrate, sender=self)
