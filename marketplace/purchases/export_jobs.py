"""Exports that are too long to wait for: a row first, then a worker writes the file, sealed, and for a day only.

The row is the guarantee: whoever claims it writes a file under the name of the claim, and the row says whose file is
the whole one. So a worker that was given up for dead and comes back writes beside it, never into it.
"""

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F

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
from .models import Export, ExportQuerySet, Purchase, PurchaseQuerySet

log = logs.get("leadfair.exports")
State, Problem = Export.State, Export.Problem
TASK = "purchases.write_exports"
PAUSES = (timedelta(seconds=30), timedelta(minutes=5))  # before the second try, and before the third
MAX_ATTEMPTS = len(PAUSES) + 1
LOST_AFTER = timedelta(minutes=2)  # a worker says after every batch that it lives
RUN_SECONDS = 240  # in which a run begins exports; then the other jobs of the worker have their turn
# For one export, above a million rows. With RUN_SECONDS before it a job ends before its own time limit does.
WRITE_SECONDS = 600
ROWS_KEPT = timedelta(days=30)  # after the file is gone, the address still says so


class ExportGone(Refusal):
    """The file was deleted, or can no longer be opened."""

    status = 410
    message = "This file was deleted: exports are kept for a day. Make it again from My leads."


class TooManyForExcel(Refusal):
    """More leads than a worksheet has rows."""

    status = 422
    message = f"Excel reads at most {xlsx_export.MOST_ROWS:,} rows. Have a CSV file written, or filter first."


class _GivenUp(Exception):
    """Another worker took the export over."""


class _TooLong(Exception):
    """Its time is over."""


@in_transaction
def start_export(buyer: User, form: str, filtered: dict[str, str], *, rows: int) -> Export:
    """Have the ``rows`` leads that the filter of ``MyLeadsForm`` finds written to a file of this form. While the same
    is being written already, that one is the answer.

    Raises:
        TooManyForExcel: no Excel file holds so many.
    """
    if form == Export.Format.XLSX and rows > xlsx_export.MOST_ROWS:
        raise TooManyForExcel
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
    wake.after_commit(TASK)
    return export


def write_waiting() -> int:
    """Write the exports that wait, one after the other, until the time is over; returns how many files are ready
    now."""
    written, until = 0, time.monotonic() + RUN_SECONDS
    while time.monotonic() < until and (export := _claim()) is not None:
        written += _write(export)
    if _due().exists():
        wake.after_commit(TASK)
    return written


def _due() -> ExportQuerySet:
    now = clock.now()
    return Export.objects.due(now, now - LOST_AFTER)


def _claim() -> Export | None:
    """An export that waits, or whose worker died; it is begun anew. The update repeats all that makes it due, so any
    number may ask, and a worker that spoke up meanwhile keeps what it has."""
    due, now = _due(), clock.now()
    for export in due.order_by("available_at", "id")[:20]:
        claim, mine = new_id(), due.filter(pk=export.pk)
        if export.attempts >= MAX_ATTEMPTS:  # its worker died every time
            mine.update(state=State.FAILED, problem=Problem.BROKE_OFF, finished_at=now)
        elif mine.update(state=State.WRITING, claim=claim, claimed_at=now, attempts=F("attempts") + 1, rows_done=0):
            export.refresh_from_db()
            return export
    return None


def _write(export: Export) -> bool:
    """Write the file; False if that did not work out. Whatever went wrong with it, the others want to be written."""
    try:
        with SealedFile(path_of(export), _binding(export)).create() as file:
            for chunk in _chunks(export, until=time.monotonic() + WRITE_SECONDS):
                file.write(chunk)
            file.finish()
        _update(export, state=State.READY, finished_at=clock.now(), rows_total=F("rows_done"))
    except _GivenUp:
        path_of(export).unlink(missing_ok=True)
        return False
    except Exception as error:
        log.warning("export failed", id=export.public_id, attempt=export.attempts, problem=type(error).__name__)
        with suppress(_GivenUp):  # also if the row says that it is ready, and only the answer was lost
            _put_back(export, error)
            path_of(export).unlink(missing_ok=True)
        if isinstance(error, SoftTimeLimitExceeded):  # of the job: this worker has to end
            raise
        return False
    log.info("export ready", id=export.public_id, rows=Export.objects.get(pk=export.pk).rows_total)
    return True


def _put_back(export: Export, error: Exception) -> None:
    """It waits for another try, as long as there is one left and another one could help."""
    if isinstance(error, _TooLong):
        _update(export, state=State.FAILED, problem=Problem.TOO_LONG, finished_at=clock.now())
    elif isinstance(error, xlsx_export.TooManyRows):
        _update(export, state=State.FAILED, problem=Problem.TOO_MANY_ROWS, finished_at=clock.now())
    elif export.attempts < MAX_ATTEMPTS:
        pause = PAUSES[export.attempts - 1]
        _update(export, state=State.WAITING, rows_done=0, available_at=clock.now() + pause)
    else:
        _update(export, state=State.FAILED, problem=Problem.BROKE_OFF, finished_at=clock.now())


def _chunks(export: Export, until: float) -> Iterator[bytes]:
    rows = _counted(export, exports.rows(purchases_of(export)), until)
    if export.format == Export.Format.XLSX:
        return xlsx_export.xlsx_chunks(exports.HEADER, rows, is_large=True)
    return (line.encode() for line in csv_export.csv_lines(exports.HEADER, rows))


def _counted(export: Export, rows: Iterable[list[Cell]], until: float) -> Iterator[list[Cell]]:
    """``rows``, with the progress written down after each batch, and an end to it at ``until``."""
    number = 0
    for number, row in enumerate(rows, start=1):
        yield row
        if number % exports.BATCH == 0:
            _update(export, rows_done=number, claimed_at=clock.now())
            if time.monotonic() > until:
                raise _TooLong
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
    """Delete the files whose day is over and what dead workers left, and at last the rows; returns how many files. A
    file stays while it is being written or can be downloaded, never for an export that waits or was given up."""
    there = list(settings.EXPORT_FILES.glob("*"))  # before the rows: whose file comes later has one by then
    over = Export.objects.finished_before(clock.now() - Export.KEPT)
    over.exclude(filter="").update(filter="", filter_digest="")
    owners = Export.objects.exclude(filter="").filter(state__in=[State.WRITING, State.READY])
    wanted = {path_of(export).name for export in owners.only("public_id", "claim")}
    unwanted = [path for path in there if path.name not in wanted]
    for path in unwanted:
        path.unlink(missing_ok=True)
    over.filter(finished_at__lt=clock.now() - Export.KEPT - ROWS_KEPT).delete()
    return len(unwanted)


def path_of(export: Export) -> Path:
    """Where the worker that claimed the export writes its file; another one's lies elsewhere."""
    return Path(settings.EXPORT_FILES) / f"{export.public_id}.{export.claim}"


def _binding(export: Export) -> str:
    return f"{Export._meta.db_table}|file|{export.public_id}"
