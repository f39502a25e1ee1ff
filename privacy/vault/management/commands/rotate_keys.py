"""Seal everything anew with the first key of SEALING_KEYS and make the digests beside it with the first of DIGEST_KEYS,
so that an old key can leave its ring."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import models, transaction

from privacy.vault.fields import SealedField, SealedInJson, seal_into, sealed_in_json, unseal_from
from privacy.vault.files import key_of_file
from privacy.vault.keys import sealing_ring
from privacy.vault.sealing import CannotOpen, key_of, seal, unseal

BATCH = 500


@dataclass
class Outcome:
    """What became of the rows of one sealed column; ``closed`` are the public ids of those that do not open."""

    resealed: int = 0
    redigested: int = 0
    closed: list[str] = field(default_factory=list)


class Command(BaseCommand):
    help = (
        "Reseal every sealed column with the first key of SEALING_KEYS, and remake the digests of what is sealed with "
        "the first key of DIGEST_KEYS. Safe to stop and to run again."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        closed = 0
        for where, outcome in self._rotated():
            self.stdout.write(f"{where}: {outcome.resealed} resealed, {outcome.redigested} with new digests")
            for public_id in outcome.closed:
                self.stderr.write(f"{where}: {public_id} does not open")
            closed += len(outcome.closed)
        self._tell_of_files()
        if closed:
            raise CommandError(f"{closed} do not open and stay as they are. Take no key out before you know why.")

    def _rotated(self) -> Iterator[tuple[str, Outcome]]:
        for model in apps.get_models():
            for column in model._meta.fields:
                if isinstance(column, SealedField):
                    yield f"{model._meta.label}.{column.name}", rotate(model, column.name)
        for one in sealed_in_json():
            yield f"{one.model}.{one.column}.{one.key}", rotate_in_json(one)

    def _tell_of_files(self) -> None:
        """Sealed files are not sealed anew: all are deleted within days, and one may be read at this moment."""
        older = 0
        for path in (*settings.UPLOADS.glob("*"), *settings.EXPORT_FILES.glob("*")):
            with suppress(FileNotFoundError):  # deleted meanwhile
                older += key_of_file(path) != _current()
        if older:
            self.stderr.write(f"{older} files need an older key until they are deleted, at the latest in 7 days")


def rotate(model: type[models.Model], column: str) -> Outcome:
    """Bring ``column`` of every row, and the digests of what is in it, under the current keys. Each batch is one
    transaction.

    A model that keeps digests of what it seals has ``digests_of(value)``, which gives them by column. A digest does not
    tell its key, so all rows of such a model are opened; of others only those that another key sealed.
    """
    rows = model._default_manager.exclude(**{column: ""}).order_by("pk")
    if not hasattr(model, "digests_of"):
        rows = rows.exclude(**{f"{column}__startswith": f"{_current()}."})
    for key in model._meta.fields:
        if key.primary_key and key.is_relation:  # the public id, to which the value is bound, is the other row's
            rows = rows.select_related(key.name)
    return _in_batches(rows, lambda row, outcome: _renew(row, column, outcome))


def rotate_in_json(one: SealedInJson) -> Outcome:
    """Bring what is sealed within a JSON column under the current key, in the same way."""
    sealed = f"{one.column}__{one.key}"
    rows = apps.get_model(one.model)._default_manager.order_by("pk")
    rows = rows.filter(**{f"{sealed}__isnull": False}).exclude(**{f"{sealed}__startswith": f"{_current()}."})
    return _in_batches(rows, lambda row, outcome: _renew_in_json(row, one, outcome))


def _in_batches(rows: models.QuerySet[Any], renew: Callable[[Any, Outcome], None]) -> Outcome:
    outcome, last = Outcome(), 0
    while True:
        with transaction.atomic():
            batch = list(rows.filter(pk__gt=last).select_for_update(no_key=True, of=("self",))[:BATCH])
            for row in batch:
                renew(row, outcome)
        if not batch:
            return outcome
        last = batch[-1].pk


def _renew_in_json(row: Any, one: SealedInJson, outcome: Outcome) -> None:
    data, place = getattr(row, one.column), one.place(row)
    try:
        value = unseal(data[one.key], place)
    except CannotOpen:
        outcome.closed.append(one.of(row))
        return
    data[one.key] = seal(value, place)
    row.save(update_fields=[one.column])
    outcome.resealed += 1


def _renew(row: Any, column: str, outcome: Outcome) -> None:
    try:
        value = unseal_from(row, column)
    except CannotOpen:
        outcome.closed.append(row.public_id)
        return
    digests = row.digests_of(value) if hasattr(row, "digests_of") else {}
    changed = [name for name, text in digests.items() if getattr(row, name) != text]
    if changed:
        outcome.redigested += 1
        for name in changed:
            setattr(row, name, digests[name])
    if key_of(getattr(row, column)) != _current():
        outcome.resealed += 1
        changed.append(column)
        seal_into(row, column, value)
    if changed:
        row.save(update_fields=changed)


def _current() -> str:
    return next(iter(sealing_ring()))
