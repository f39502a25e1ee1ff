from django.apps import AppConfig, apps
from django.contrib.admin.apps import AdminConfig
from django.contrib.auth.management import create_permissions
from django.db.models.signals import post_migrate

from marketplace.core import triggers


def _after_migrate(using: str, **kwargs: object) -> None:
    from .roles import make_roles

    triggers.install(using, triggers.append_only("staff_act"))
    for app in apps.get_app_configs():  # Django makes them app by app, some after this one
        create_permissions(app, verbosity=0, using=using)
    make_roles()


class StaffConfig(AppConfig):
    name = "marketplace.staff"
    label = "staff"
    verbose_name = "What our staff did"

    def ready(self) -> None:
        post_migrate.connect(_after_migrate, sender=self)


class StaffAdminConfig(AdminConfig):
    """Django's admin with a site of ours as the one that every room registers with."""

    default_site = "marketplace.staff.site.StaffSite"
