"""Taking in the files that staff upload: looked at first, then imported by a worker that may die at any moment.

The row of the upload is the guarantee: whoever claims it takes the file in from where it stopped, and only the run
that has the claim writes how it ended. The run says every 1,000 rows that it lives, whatever it does with them. The
file is deleted once its end is written.
"""

import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import IntegrityError, transaction
from django.db.models import F

from accounts.models import User
from marketplace.core import clock, logs, wake
from marketplace.core.csv_export import Cell, csv_lines
from marketplace.core.ids import new_id
from marketplace.core.links import absolute
from marketplace.core.transactions import in_transaction
from marketplace.emails import Concern, tell_owners
from marketplace.reveals import reveal
from privacy.vault.files import SealedFile
from privacy.vault.models import Reveal
from privacy.vault.sealing import CannotOpen

from . import reading, values
from .columns import Columns, may_be_kept, read_header, unknown
from .files import content_of, delete_strays, rejects_of
from .labels import in_words
from .models import ImportBatch, ImportRow, KeptColumn, Upload
from .refusals import FileRefused, RowRejected
from .services import ROWS_AT_ONCE, beating, import_file

log = logs.get("leadfair.supply")
State = Upload.State
TASK = "supply.work"
RUN_SECONDS = 20  # of taking rows in; then the other jobs of the worker have their turn
LOST_AFTER = timedelta(minutes=2)  # far above what 1,000 rows take; an older claim has lost its worker
MAX_ATTEMPTS = 5  # without getting further
PAUSE = timedelta(seconds=30)
KEPT = timedelta(days=1)  # a file that was looked at and never imported
REJECTS_KEPT = timedelta(days=7)
STOPPED = (
    "The import stopped several times at the same place. No row of it is half done. "
    "Upload the file again later: it goes on from there."
)
NO_REJECTS = (
    "The rows that did not go on sale could not be kept as a file. The rest of the import is not touched by that."
)
COLUMNS_OF_REPORT = ("line", "outcome", "reason")


class AlreadyHere(FileRefused):
    """The file is known: it came in before (``batch``), or is on its way in (``upload``)."""

    status = 409

    def __init__(self, message: str, *, batch: ImportBatch | None = None, upload: Upload | None = None) -> None:
        self.batch, self.upload = batch, upload
        super().__init__(message)


class _Later(Exception):
    """The run had its time; the next one goes on."""


class _ClaimLost(Exception):
    """Another run has taken over."""


def receive(staff: User, public_id: str, *, supplier: str, vertical: str) -> Upload:
    """Note the file that was sealed under ``public_id`` for a preview; ``supplier`` (a name) and ``vertical`` (a slug)
    are for rows that name none.

    Raises:
        AlreadyHere: a file of the same bytes was imported, or is on its way in.
        FileRefused: it cannot be imported as a whole.
    """
    sheet = reading.look_at(content_of(public_id))
    begun = ImportBatch.objects.filter(sha256=sheet.sha256).first()
    if begun is not None and begun.state == ImportBatch.State.DONE:
        raise AlreadyHere("This file was imported before. Nothing was changed.", batch=begun)
    options = begun.options if begun else {"supplier": supplier, "vertical": vertical, "keep": []}
    columns = read_header(sheet.header, has_vertical=bool(options["vertical"]))
    if next(reading.rows(sheet), None) is None:
        raise FileRefused("The file has no row below its header.")
    if begun is None:
        options["keep"] = _kept_before(_whose(sheet, columns, supplier), unknown(sheet.header))
    now = clock.now()
    try:
        with transaction.atomic():
            return Upload.objects.create(
                public_id=public_id,
                uploaded_by=staff,
                sha256=sheet.sha256,
                encoding=sheet.encoding,
                options=options,
                available_at=now,
                created_at=now,
            )
    except IntegrityError as error:
        if not _is_live_already(error):
            raise
        other = Upload.objects.live().filter(sha256=sheet.sha256).first()
        raise AlreadyHere("This file is on its way in already.", upload=other) from None


def sheet_of(upload: Upload) -> reading.Sheet:
    """The file of ``upload`` and how to read it. What was found when it was received holds as long as it is there: it
    is sealed, and an altered piece does not open. So a look at the first rows is as fast for 100 MB as for one.

    Raises:
        FileRefused: it is gone or damaged.
    """
    return reading.look_at(content_of(upload.public_id), sha256=upload.sha256, encoding=upload.encoding)


def _is_live_already(error: IntegrityError) -> bool:
    """Whether it is ``supply_file_is_live_once`` that refused; SQLite names the column instead."""
    return any(name in str(error) for name in ("supply_file_is_live_once", "supply_upload.sha256"))


def _whose(sheet: reading.Sheet, columns: Columns, supplier: str) -> str:
    """The short name of who delivered the file: the one named for all rows, or the one that its first row names."""
    first = next(reading.rows(sheet), None)
    index = columns.fields.get("supplier", columns.most)
    named = first.cells[index] if first and index < len(first.cells) else ""
    try:
        return values.supplier(supplier or named.strip())[0]
    except RowRejected:
        return ""


def _kept_before(supplier: str, names: list[str]) -> list[str]:
    """Which of the columns ``names`` staff kept in the last file of this supplier that had them."""
    known = KeptColumn.objects.filter(supplier=supplier, name__in=filter(may_be_kept, names))
    return sorted(known.values_list("name", flat=True))


def start(upload: Upload, *, keep: list[str]) -> bool:
    """Let a worker take the file in, with these unknown columns as answers, which are remembered for its supplier.
    Returns False if that was decided before; then nothing changes. If the import of this file was begun before, it goes
    on with the options of then.

    Raises:
        FileRefused: with these columns it cannot be imported.
    """
    if upload.state != State.PREVIEW:
        return False
    if goes_on(upload):
        return _let_in(upload)
    sheet = sheet_of(upload)
    columns = read_header(sheet.header, keep=keep, has_vertical=bool(upload.options["vertical"]))
    upload.options = upload.options | {"keep": sorted(keep)}
    return _let_in(upload, _whose(sheet, columns, upload.options["supplier"]), unknown(sheet.header))


def goes_on(upload: Upload) -> bool:
    """Whether the import of this file was begun before and cut off."""
    return ImportBatch.objects.filter(sha256=upload.sha256).exists()


@in_transaction
def _let_in(upload: Upload, supplier: str = "", names: list[str] | None = None) -> bool:
    waits = Upload.objects.filter(pk=upload.pk, state=State.PREVIEW)
    if not waits.update(state=State.WAITING, options=upload.options, available_at=clock.now()):
        return False
    if supplier and names:
        keep = upload.options["keep"]
        KeptColumn.objects.filter(supplier=supplier, name__in=set(names) - set(keep)).delete()
        kept = [KeptColumn(supplier=supplier, name=name) for name in keep]
        KeptColumn.objects.bulk_create(kept, ignore_conflicts=True)
    wake.after_commit(TASK)
    return True


def cancel(upload: Upload) -> bool:
    """Delete a file that was looked at only; returns False if it is no longer there to be cancelled."""
    if not Upload.objects.filter(pk=upload.pk, state=State.PREVIEW).update(state=State.CANCELLED):
        return False
    content_of(upload.public_id).delete()
    return True


def run_due() -> int:
    """Take in the files that wait, one after the other; returns how many were taken up. Any number of workers may."""
    taken, until = 0, time.monotonic() + RUN_SECONDS
    while time.monotonic() < until and (upload := _claim()):
        _run(upload, RUN_SECONDS)
        taken += 1
    if Upload.objects.due(clock.now(), clock.now() - LOST_AFTER).exists():
        wake.after_commit(TASK)
    return taken


def _claim() -> Upload | None:
    now = clock.now()
    due = Upload.objects.due(now, now - LOST_AFTER)
    for upload in due[:20]:
        claim = new_id()
        mine = due.filter(pk=upload.pk)
        if mine.update(state=State.RUNNING, claim=claim, claimed_at=now, attempts=F("attempts") + 1):
            upload.refresh_from_db()
            return upload
    return None


def _run(upload: Upload, seconds: float) -> None:
    """Take the file in, until it is in, or it is refused, or ``seconds`` of taking rows in are over."""
    if upload.attempts > MAX_ATTEMPTS:
        _refuse(upload, STOPPED)
        return
    try:
        batch = _import(upload, seconds)
        has_rejects = _keep_rejects(upload, batch)
    except FileRefused as error:
        _refuse(upload, str(error)[:300])
    except _ClaimLost:
        log.warning("import taken over", id=upload.public_id)
    except _Later:
        _write(upload, state=State.WAITING, available_at=clock.now())
    except Exception as error:
        log.error("import broke off", id=upload.public_id, exc_info=error)
        _write(upload, state=State.WAITING, available_at=clock.now() + PAUSE)
        if isinstance(error, SoftTimeLimitExceeded):  # of the job: this worker has to end
            raise
    else:
        until_when = clock.now() + REJECTS_KEPT if has_rejects else None
        _end(upload, state=State.DONE, batch=batch, rejects_until=until_when)


def _import(upload: Upload, seconds: float) -> ImportBatch:
    """Take rows in for ``seconds``. They count from the first row: before it the file is read to its end, which would
    leave a large one no time to get on."""
    until: float | None = None

    def watch(lines: int) -> None:
        nonlocal until
        got_on = {} if until is None else {"attempts": 0}
        _say_alive(upload, lines=lines, **got_on)
        if until is not None and time.monotonic() > until:
            raise _Later
        until = until or time.monotonic() + seconds

    def beat() -> None:
        _say_alive(upload)

    return import_file(content_of(upload.public_id), watch=watch, beat=beat, **upload.options).batch


def _say_alive(upload: Upload, **changes: Any) -> None:
    if not _write(upload, claimed_at=clock.now(), **changes):
        raise _ClaimLost


def _write(upload: Upload, **changes: Any) -> bool:
    """Change the row, if this run still has it."""
    mine = Upload.objects.filter(pk=upload.pk, state=State.RUNNING, claim=upload.claim)
    return bool(mine.update(**changes))


def _end(upload: Upload, **changes: Any) -> None:
    if _write(upload, **changes):
        log.info("upload", id=upload.public_id, state=str(changes["state"]))
        content_of(upload.public_id).delete()
    else:
        rejects_of(upload).delete()  # another run has taken over, and writes its own


def _refuse(upload: Upload, problem: str) -> None:
    """Tell why it cannot come in. If all of its rows have their outcome already it is in: then no more than the file of
    its rejects is missing."""
    batch = ImportBatch.objects.filter(sha256=upload.sha256, state=ImportBatch.State.DONE).first()
    if batch is None:
        _end(upload, state=State.REFUSED, problem=problem)
    else:
        log.warning("no rejects", id=upload.public_id, batch=batch.pk)
        _end(upload, state=State.DONE, batch=batch, problem=NO_REJECTS if batch.has_rejects else "")


def _keep_rejects(upload: Upload, batch: ImportBatch) -> bool:
    """Seal the rows that did not go on sale, as they stand in the file, for whoever has to mend them."""
    if not batch.has_rejects:
        return False
    sheet = sheet_of(upload)
    columns = read_header(sheet.header, keep=upload.options["keep"], has_vertical=bool(upload.options["vertical"]))
    rows = beating(reading.rows(sheet), lambda: _say_alive(upload))
    with rejects_of(upload).create() as out:
        for line in csv_lines([*COLUMNS_OF_REPORT, *sheet.header], _rejects(rows, columns, batch)):
            out.write(line.encode())
        out.finish()
    return True


def _rejects(rows: Iterator[reading.Row], columns: Columns, batch: ImportBatch) -> Iterator[list[Cell]]:
    places = columns.fields | columns.attributes
    for line, outcome, reason in _told(batch):
        row = next(row for row in rows if row.line == line)
        told = in_words(reason, batch.headers)
        yield [line, ImportRow.Outcome(outcome).label, told, *_without_identity_number(row.cells, reason, places)]


def _told(batch: ImportBatch) -> Iterator[tuple[int, str, str]]:
    """Line, outcome and reason of these rows. In portions: on SQLite, who has a query open may have to wait for good to
    say that they live."""
    told, last = batch.rows.worth_a_look().values_list("line", "outcome", "reason"), 0
    while portion := list(told.filter(line__gt=last)[:ROWS_AT_ONCE]):
        yield from portion
        last = portion[-1][0]


def _without_identity_number(cells: list[str], reason: str, places: Mapping[str, int]) -> list[str]:
    """The cells of a row without social security and card numbers: such are never kept. What the row was rejected for
    is one; and whatever looks like one in any cell, whether that column is taken in or not."""
    name, _, why = reason.partition(" ")
    refused = places.get(name) if why.startswith("looks like it holds a ") else None
    return ["removed" if place == refused or _is_identity_number(cell) else cell for place, cell in enumerate(cells)]


def _is_identity_number(text: str) -> bool:
    try:
        values.refuse_identity_numbers(text, "", bare=False)
    except RowRejected:
        return True
    return False


def rejects_file(batch: ImportBatch, now: datetime) -> Upload | None:
    """The upload whose rejects can be downloaded for this batch."""
    return batch.uploads.with_rejects(now).order_by("-pk").first()


def why_no_rejects(batch: ImportBatch) -> str:
    """What went wrong with the file of its rejects, or ""."""
    told = batch.uploads.exclude(problem="").order_by("-pk")
    return told.values_list("problem", flat=True).first() or ""


def download_rejects(staff: User, upload: Upload, batch: ImportBatch, *, reason: str) -> Iterator[bytes]:
    """The file of rejects for one of our staff: written down first, with the reason, and told to the owners, for many
    people are in it.

    Raises:
        TooManyReveals: the looks of this hour are used up; nothing is read.
        FileRefused: see ``read_rejects``.
    """
    parts = reveal(staff, Reveal.About.FILE, str(batch.pk), reason=reason, read=lambda: read_rejects(upload))
    rows = batch.total - batch.accepted
    said = f"{staff.handle} downloaded {rows:,} row{'' if rows == 1 else 's'} of import {batch.pk}, with contacts."
    advice = "In the admin, Reveals says for what reason. Ask them if you do not know of it."
    what, where = "somebody downloaded many contacts", absolute("admin:vault_reveal_changelist")
    tell_owners(Concern(f"rejects:{batch.pk}:{staff.public_id}", what, said, advice, where=where, lasts=False))
    return parts


def read_rejects(upload: Upload) -> Iterator[bytes]:
    """The file of rejects, part by part.

    Raises:
        FileRefused: it cannot be read back; before the first part.
    """
    parts = _parts(rejects_of(upload))
    try:
        first = next(parts)
    except (OSError, CannotOpen) as error:
        raise FileRefused("The file of these rows cannot be read back.") from error
    return chain([first], parts)


def _parts(file: SealedFile) -> Iterator[bytes]:
    with file.opened() as plain:
        while part := plain.read(64 * 1024):
            yield part


def tidy() -> None:
    """Forget the files that were looked at and never imported, and delete those whose time is over."""
    old = Upload.objects.filter(state=State.PREVIEW, created_at__lt=clock.now() - KEPT)
    for upload in old:
        cancel(upload)
    deleted = delete_strays()
    if deleted:
        log.info("files deleted", count=deleted)
