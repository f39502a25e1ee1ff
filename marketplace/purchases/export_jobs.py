"""Exports that are too long to wait for: a row first, then a worker writes the file, sealed, and for a day only."""

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q

from accounts.models import User
from marketplace.core import clock, csv_export, logs, wake, xlsx_export
from marketplace.core.csv_export import Cell
from marketplace.core.ids import new_id
from marketplace.core.refusals import Refusal
from marketplace.core.transactions import in_transaction
from privacy.vault.digests import digest
from privacy.vault.fields import seal_into, unseal_from
from privacy.vault.files import PIECE, SealedFile
from privacy.vault.sealing import CannotOpen

from . import exports
from .forms import MyLeadsForm
from .models import Export, Purchase, PurchaseQuerySet

log = logs.get("leadfair.exports")
State = Export.State
MAX_ATTEMPTS = 3
LOST_AFTER = timedelta(minutes=2)  # a worker says after every batch that it lives
ROWS_KEPT = timedelta(days=30)  # after the file is gone, the address still says so


class ExportGone(Refusal):
    """The file was deleted, or can no longer be opened."""

    status = 410
    message = "This file was deleted: exports are kept for a day. Make it again from My leads."


class _GivenUp(Exception):
    """Another worker took the export over."""


@in_transaction
def start_export(buyer: User, form: str, filtered: dict[str, str], *, rows: int) -> Export:
    """Have the ``rows`` leads that the filter of ``MyLeadsForm`` finds written to a file of this form. While the same
    is being written already, that one is the answer."""
    wanted = digest("export", json.dumps(filtered, sort_keys=True))
    same = Export.objects.filter(buyer=buyer, format=form, filter_digest=wanted)
    export = Export(buyer=buyer, format=form, filter_digest=wanted, rows_total=rows, created_at=clock.now())
    seal_into(export, "filter", dict(filtered))
    if known := same.running().first():
        return known
    try:
        with transaction.atomic():
            export.save(force_insert=True)
    except IntegrityError:  # the same form, pressed twice
        return same.latest("id")
    wake.after_commit("purchases.write_exports")
    return export


def write_waiting() -> int:
    """Write the exports that wait, one after the other; returns how many files are ready now."""
    written = 0
    while (export := _claim()) is not None:
        written += _write(export)
    return written


def _claim() -> Export | None:
    """An export that waits, or whose worker died; it is begun anew. A guarded update, so any number may ask."""
    now = clock.now()
    lost = Q(state=State.WRITING, claimed_at__lt=now - LOST_AFTER)
    Export.objects.filter(lost, attempts__gte=MAX_ATTEMPTS).update(state=State.FAILED, finished_at=now)
    for export in Export.objects.filter(Q(state=State.WAITING) | lost).order_by("id"):
        former, claim = export.claim, new_id()
        won = (
            Export.objects.running()
            .filter(pk=export.pk, claim=former)
            .update(state=State.WRITING, claim=claim, claimed_at=now, attempts=F("attempts") + 1, rows_done=0)
        )
        if won:
            export.refresh_from_db()
            return export
    return None


def _write(export: Export) -> bool:
    draft = draft_of(export)
    try:
        with SealedFile(draft, _binding(export)).create() as file:
            for chunk in _chunks(export):
                file.write(chunk)
            file.finish()
        draft.replace(path_of(export))
        _update(export, state=State.READY, finished_at=clock.now(), rows_total=F("rows_done"))
    except _GivenUp:
        draft.unlink(missing_ok=True)
        return False
    except Exception as error:  # noqa: BLE001 - whatever it is, the others want to be written
        draft.unlink(missing_ok=True)
        log.warning("export failed", id=export.public_id, attempt=export.attempts, problem=type(error).__name__)
        with suppress(_GivenUp):
            _put_back(export)
        return False
    log.info("export ready", id=export.public_id, rows=Export.objects.get(pk=export.pk).rows_total)
    return True


def _put_back(export: Export) -> None:
    """It waits for another try, as long as there is one left."""
    if export.attempts < MAX_ATTEMPTS:
        _update(export, state=State.WAITING)
    else:
        _update(export, state=State.FAILED, finished_at=clock.now())


def _chunks(export: Export) -> Iterator[bytes]:
    rows = _counted(export, exports.rows(purchases_of(export)))
    if export.format == Export.Format.XLSX:
        return xlsx_export.xlsx_chunks(exports.HEADER, rows)
    return (line.encode() for line in csv_export.csv_lines(exports.HEADER, rows))


def _counted(export: Export, rows: Iterable[list[Cell]]) -> Iterator[list[Cell]]:
    """``rows``, with the progress written down after each batch."""
    number = 0
    for number, row in enumerate(rows, start=1):
        yield row
        if number % exports.BATCH == 0:
            _update(export, rows_done=number, claimed_at=clock.now())
    _update(export, rows_done=number, claimed_at=clock.now())


def _update(export: Export, **changes: Any) -> None:
    if not Export.objects.filter(pk=export.pk, claim=export.claim, state=State.WRITING).update(**changes):
        raise _GivenUp


def purchases_of(export: Export) -> PurchaseQuerySet:
    """What is to be written: what the filter finds now."""
    form = MyLeadsForm(unseal_from(export, "filter"), member=export.buyer)
    form.is_valid()
    return form.found(Purchase.objects.for_user(export.buyer))


def open_file(export: Export) -> Iterator[bytes]:
    """The bytes of the file.

    Raises:
        ExportGone: the day is over, or the file cannot be opened.
    """
    if export.is_gone:
        raise ExportGone
    pieces = _pieces(SealedFile(path_of(export), _binding(export)))
    try:
        first = next(pieces)
    except (OSError, CannotOpen) as error:
        raise ExportGone from error
    return chain([first], pieces)


def _pieces(sealed: SealedFile) -> Iterator[bytes]:
    with sealed.opened() as file:
        while piece := file.read(PIECE):
            yield piece


def forget_exports() -> int:
    """Delete the files whose day is over and what dead workers left, and at last the rows; returns how many files."""
    there = list(settings.EXPORT_FILES.glob("*"))  # before the rows: whose file comes later has one by then
    over = Export.objects.finished_before(clock.now() - Export.KEPT)
    over.exclude(filter="").update(filter="", filter_digest="")
    wanted = {path_of(export).name for export in Export.objects.exclude(filter="").only("public_id", "format")}
    wanted |= {draft_of(export).name for export in Export.objects.filter(state=State.WRITING)}
    unwanted = [path for path in there if path.name not in wanted]
    for path in unwanted:
        path.unlink(missing_ok=True)
    over.filter(finished_at__lt=clock.now() - Export.KEPT - ROWS_KEPT).delete()
    return len(unwanted)


def path_of(export: Export) -> Path:
    """Where the file of an export lies."""
    return Path(settings.EXPORT_FILES) / f"{export.public_id}.{export.format}"


def draft_of(export: Export) -> Path:
    """Where the worker that claimed the export writes; another one's lies elsewhere."""
    path = path_of(export)
    return path.with_name(f"{path.name}.{export.claim}")


def _binding(export: Export) -> str:
    return f"{Export._meta.db_table}|file|{export.public_id}"
