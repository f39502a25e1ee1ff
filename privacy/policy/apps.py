from django.apps import AppConfig
from django.db.models.signals import post_migrate

from marketplace.core import triggers


def _after_migrate(using: str, **kwargs: object) -> None:
    from .services import load_texts

    for table in ("policy_policyversion", "policy_acceptance"):
        triggers.install(using, triggers.append_only(table))
    load_texts()


class PolicyConfig(AppConfig):
    name = "privacy.policy"
    label = "policy"
    verbose_name = "Policy and terms"

    def ready(self) -> None:
        post_migrate.connect(_after_migrate, sender=self)
