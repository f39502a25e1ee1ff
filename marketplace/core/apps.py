from django.apps import AppConfig
from django.core.management import call_command
from django.db.models.signals import post_migrate


def _make_cache_table(using: str, **kwargs: object) -> None:
    """The cache table is no model; without it a fresh database would miss its rate limits."""
    call_command("createcachetable", database=using, verbosity=0)


class CoreConfig(AppConfig):
    name = "marketplace.core"
    label = "core"

    def ready(self) -> None:
        post_migrate.connect(_make_cache_table, sender=self)
