from django.apps import AppConfig
from django.db.models.signals import post_migrate

from marketplace.core import triggers

from .keys import digest_ring, sealing_ring


def _after_migrate(using: str, **kwargs: object) -> None:
    triggers.install(using, triggers.append_only("vault_reveal"))


class VaultConfig(AppConfig):
    name = "privacy.vault"
    label = "vault"
    verbose_name = "Looks at personal details"

    def ready(self) -> None:
        """A ring that cannot be read is noticed before the first request, not at the first contact."""
        sealing_ring()
        digest_ring()
        post_migrate.connect(_after_migrate, sender=self)
