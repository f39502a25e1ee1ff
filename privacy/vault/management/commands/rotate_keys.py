"""Seal everything anew with the first key of SEALING_KEYS, so that an old key can leave the ring."""

from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand
from django.db import models, transaction

from privacy.vault.fields import SealedField, seal_into, unseal_from
from privacy.vault.keys import sealing_ring

BATCH = 500


class Command(BaseCommand):
    help = "Reseal every sealed column with the first key of SEALING_KEYS. Safe to stop and to run again."

    def handle(self, *args: Any, **options: Any) -> None:
        current = next(iter(sealing_ring()))
        for model in apps.get_models():
            for field in model._meta.fields:
                if isinstance(field, SealedField):
                    count = reseal(model, field.name, current)
                    self.stdout.write(f"{model._meta.label}.{field.name}: {count} resealed")


def reseal(model: type[models.Model], column: str, current: str) -> int:
    """Reseal ``column`` of every row not under key ``current``; returns how many. Each batch is one transaction."""
    total, last = 0, 0
    stale = model._default_manager.exclude(**{column: ""}).exclude(**{f"{column}__startswith": f"{current}."})
    while True:
        with transaction.atomic():
            rows = list(stale.filter(pk__gt=last).order_by("pk").select_for_update()[:BATCH])
            for row in rows:
                seal_into(row, column, unseal_from(row, column))
                row.save(update_fields=[column])
        if not rows:
            return total
        total += len(rows)
        last = rows[-1].pk
