from django.apps import AppConfig

from .keys import digest_ring, sealing_ring


class VaultConfig(AppConfig):
    name = "privacy.vault"
    label = "vault"

    def ready(self) -> None:
        """A ring that cannot be read is noticed before the first request, not at the first contact."""
        sealing_ring()
        digest_ring()
