"""The demo's stock: files of three suppliers, imported by the same path as any other file."""

import random
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import zipcodes
from django.conf import settings

from marketplace.core import clock
from marketplace.leads.models import Lead, Supplier, ZipCode
from marketplace.leads.pricing import AGE_BANDS
from marketplace.supply.places import SOLD_IN, load_zip_codes
from marketplace.supply.services import Imported, import_file

from . import requests
from .suppliers import SOURCES, Row, Source, make_suppliers, pick_source, row_of, with_faults, without_consent, write

SEED = 20_260_101
LEADS = 5000
LEADS_PER_BAND = 1000  # on sale at most, for each age, however long the demo runs


def folder() -> Path:
    """Where the files are."""
    path: Path = settings.VAR / "demo"
    path.mkdir(parents=True, exist_ok=True)
    return path


def import_files(count: int, *, tell: Callable[[str], object]) -> None:
    """Have ``count`` leads on sale (and a few rows that are not). The files are made once; importing them again
    changes nothing, and an import that was cut off goes on."""
    make_suppliers()
    load_zip_codes()
    paths = {source: folder() / f"{source.slug}.csv" for source in SOURCES}
    if not all(path.exists() for path in paths.values()):
        for source, rows in _rows(count, now=clock.now()).items():
            write(rows, source, paths[source])
    for source, path in paths.items():
        tell(_in_words(path, import_file(path, supplier=source.name, listed_when_asked=True)))


def _rows(count: int, *, now: datetime) -> dict[Source, list[Row]]:
    chance = random.Random(SEED)  # noqa: S311 - a demo
    on_hold = count // 250
    rows: dict[Source, list[Row]] = {source: [] for source in SOURCES}
    for request in requests.many(count + on_hold, now=now, seed=SEED):
        source = pick_source(chance)
        row = row_of(request, source, chance)
        rows[source].append(row if request.number < count else without_consent(row))
    return {source: with_faults(found, chance) for source, found in rows.items()}


def _in_words(path: Path, done: Imported) -> str:
    batch = done.batch
    return (
        f"{path.name}: {batch.total} rows, {batch.accepted} accepted, {batch.held} on hold, "
        f"{batch.duplicates} duplicates, {batch.rejected} rejected"
    )


def list_fresh(count: int) -> int:
    """List ``count`` leads somebody asked for a moment ago, and thin out the stock; returns how many came in. Does
    nothing where the demo was not loaded."""
    if not Supplier.objects.filter(slug=SOURCES[0].slug).exists():
        return 0
    chance = random.Random()  # noqa: S311 - a demo
    source, now = pick_source(chance), clock.now()
    asked = [requests.fresh(chance.randrange(10**6, 10**9), _somewhere(chance), now=now) for _ in range(count)]
    with tempfile.TemporaryDirectory(dir=folder()) as place:
        path = Path(place) / "fresh.csv"
        write([row_of(request, source, chance) for request in asked], source, path)
        accepted = import_file(path, supplier=source.name).batch.accepted
    thin_out()
    return accepted


def _somewhere(chance: random.Random) -> requests.Place:
    codes = ZipCode.objects.filter(state__in=SOLD_IN).order_by("code").values_list("code", flat=True)
    count = codes.count()
    while True:
        code = codes[chance.randrange(count)]
        place = requests.place_of(zipcodes.matching(code)[0])
        if place:
            return place


def thin_out() -> int:
    """Withdraw what is too much of each age; returns how many. By public id, which is random, so that every age,
    state and vertical keeps its share and what stays grows older."""
    withdrawn = 0
    for band in range(len(AGE_BANDS)):
        of_band = Lead.objects.on_sale().filter(age_band=band, slots_sold=0)
        surplus = list(of_band.order_by("public_id").values_list("pk", flat=True)[LEADS_PER_BAND:])
        withdrawn += Lead.objects.on_sale().filter(pk__in=surplus).update(status=Lead.Status.WITHDRAWN)
    return withdrawn
