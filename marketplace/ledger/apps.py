from django.apps import AppConfig
from django.db.models.signals import post_migrate

from . import guards


def _after_migrate(using: str, **kwargs: object) -> None:
    from .services import make_house_accounts

    guards.install(using)
    make_house_accounts()


class LedgerConfig(AppConfig):
    name = "marketplace.ledger"
    label = "ledger"
    verbose_name = "Books"

    def ready(self) -> None:
        post_migrate.connect(_after_migrate, sender=self)
