"""Importing a file of leads: read it, judge its rows, and take them in, 1,000 at a time."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

from marketplace.core import clock
from marketplace.leads.models import Supplier

from . import intake, reading, values
from .columns import Columns, read_header
from .labels import headers_of
from .models import ImportBatch
from .places import places
from .refusals import FileRefused, RowRejected
from .rules import Judged, Rules, judge, verticals_by_word, word

ROWS_AT_ONCE = 1000
MAX_NEW_SUPPLIERS = 20
UNNAMED_SUPPLIER = "Unnamed supplier"
Watch = Callable[[int], None]
Beat = Callable[[], None]


@dataclass(frozen=True)
class Imported:
    """What an import came to. ``was_known``: the file was imported before, and nothing was changed now; ``ignored``
    names the columns that were not taken in."""

    batch: ImportBatch
    was_known: bool = False
    ignored: tuple[str, ...] = ()


def import_file(
    path: reading.Source,
    *,
    supplier: str = "",
    vertical: str = "",
    keep: Sequence[str] = (),
    listed_when_asked: bool = False,
    watch: Watch = lambda _: None,
    beat: Beat = lambda: None,
) -> Imported:
    """Import the CSV file at ``path``. Leads with a consent record and an origin are on sale then, others on hold.

    ``supplier`` and ``vertical`` are for rows that name none; ``keep`` names unknown columns that become attributes.
    ``listed_when_asked`` dates the listing shortly after the request instead of now: for the demo's history only.
    ``watch`` is told the line of the last row before the first portion and after each; ``beat`` is called while the
    file is read to its end before that. What either raises stops the import there, to be taken up again.

    The SHA-256 of the file is its identity: a file imported before changes nothing, an import that was cut off goes on
    where it stopped and comes to the same result, two imports of one file at once share the work. A bad row never
    stops the good ones.

    Raises:
        FileRefused: the file as a whole cannot be imported.
        Busy: the database gave up; importing the file again goes on from there.
    """
    sheet = reading.look_at(path)
    done = ImportBatch.objects.filter(sha256=sheet.sha256, state=ImportBatch.State.DONE).first()
    if done is not None:
        return Imported(done, was_known=True)
    verticals = verticals_by_word()
    for_all = verticals.get(word(vertical))
    if vertical and for_all is None:
        raise FileRefused("The line of business of rows that name none is none of ours.")
    columns = read_header(sheet.header, keep=keep, has_vertical=for_all is not None)
    options = {"supplier": supplier, "vertical": for_all.slug if for_all else "", "keep": sorted(keep)}
    # Reads the file to its end, so that one that is broken further down is refused before its first row is taken in.
    named, for_rest, last_line = survey(beating(reading.rows(sheet), beat), columns, supplier)
    batch = _begin(sheet, options, headers_of(columns, sheet.header))
    suppliers = _make_suppliers(named)
    rules = Rules(columns, verticals, places(), batch.started_at, for_all, suppliers, for_rest)
    watch(last_line)
    for judged in _ahead(_judged(sheet, rules, after=batch.read_to)):
        intake.take_in(batch.pk, judged, listed_when_asked=listed_when_asked)
        watch(last_line)
    running = ImportBatch.objects.filter(pk=batch.pk, state=ImportBatch.State.RUNNING)
    running.update(state=ImportBatch.State.DONE, ended_at=clock.now())
    batch.refresh_from_db()
    return Imported(batch, ignored=columns.ignored)


def beating(rows: Iterable[reading.Row], beat: Beat) -> Iterator[reading.Row]:
    """``rows``, with a sign of life before the first and after every 1,000."""
    for number, row in enumerate(rows):
        if number % ROWS_AT_ONCE == 0:
            beat()
        yield row


def survey(rows: Iterable[reading.Row], columns: Columns, for_rest: str) -> tuple[dict[str, str], str, int]:
    """The names of the suppliers in ``rows`` by slug, the slug for those that name none (``for_rest`` is its name), and
    the line on which the last row begins."""
    try:
        slug, name = values.supplier(for_rest or UNNAMED_SUPPLIER)
    except RowRejected as error:
        raise FileRefused(
            "The supplier of rows that name none is not a name of at most 80 characters without contact data."
        ) from error
    named: dict[str, str] = {}
    index, last_line = columns.fields.get("supplier", columns.most), 0
    for row in rows:
        last_line = row.line
        given = row.cells[index].strip() if index < len(row.cells) else ""
        if not given:
            named[slug] = name
            continue
        try:
            other, given = values.supplier(given)
        except RowRejected:
            continue
        if other not in named:
            named[other] = given
            _refuse_too_many(named)
    return named, slug, last_line


def _refuse_too_many(named: dict[str, str]) -> None:
    if len(named) > MAX_NEW_SUPPLIERS:
        new = len(named) - Supplier.objects.filter(slug__in=named).count()
        if new > MAX_NEW_SUPPLIERS:
            raise FileRefused(f"The column supplier names more than {MAX_NEW_SUPPLIERS} suppliers we do not know.")


def _begin(sheet: reading.Sheet, options: dict[str, Any], headers: dict[str, str]) -> ImportBatch:
    """The batch of this file: a new one, or the one that was cut off."""
    batch, _ = ImportBatch.objects.get_or_create(
        sha256=sheet.sha256, defaults={"options": options, "headers": headers, "started_at": clock.now()}
    )
    if batch.options != options:
        raise FileRefused(
            "The import of this file was begun with other choices and cut off. Import it again with those of then: "
            "supplier, line of business and columns to keep."
        )
    return batch


def _make_suppliers(named: dict[str, str]) -> dict[str, Supplier]:
    """The suppliers of these names, by slug; those we did not know start with the lowest grade."""
    for slug, name in named.items():
        Supplier.objects.get_or_create(slug=slug, defaults={"name": name})
    return {supplier.slug: supplier for supplier in Supplier.objects.filter(slug__in=named)}


def _judged(sheet: reading.Sheet, rules: Rules, *, after: int) -> Iterator[list[Judged]]:
    """The rows below line ``after``, judged, in portions. Each is judged as it is read, so that the cells of one row
    alone are kept, however large they are."""
    found = (judge(row, rules) for row in reading.rows(sheet) if row.line > after)
    while portion := list(islice(found, ROWS_AT_ONCE)):
        yield portion


def _ahead(portions: Iterator[list[Judged]]) -> Iterator[list[Judged]]:
    """The portions, each made in a thread while the caller waits for the database to take the one before."""
    with ThreadPoolExecutor(max_workers=1) as worker:
        following = worker.submit(next, portions, None)
        while portion := following.result():
            following = worker.submit(next, portions, None)
            yield portion
