"""What would become of an uploaded file, before it is imported. Nothing is written, and no contact is shown."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from marketplace.core import clock
from marketplace.leads.models import Supplier
from marketplace.leads.verticals import label_of

from . import intake, reading
from .columns import FIELDS, may_be_kept, plain, read_header, unknown
from .intake import Fate
from .models import Upload
from .places import places
from .reading import Row
from .rules import Candidate, Rules, judge, verticals_by_word
from .services import survey
from .uploads import sheet_of

FIRST_ROWS = 20
SAMPLE_ROWS = 3


@dataclass(frozen=True)
class Unknown:
    """A column that means nothing to us. ``samples`` are values of it that would be public, without what might single
    the person out; ``may_be_kept`` says whether its name allows it."""

    name: str
    may_be_kept: bool
    is_kept: bool
    samples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Preview:
    """The file as it would come in: ``recognised`` are its columns with what they are to us, ``left_out`` those in
    place of which another one is read, ``rows`` the first rows with what would become of them, now."""

    recognised: list[tuple[str, str]]
    left_out: list[str]
    unknown: list[Unknown]
    rows: list[Fate]


def preview(upload: Upload) -> Preview:
    """Look at the file of ``upload`` with what was chosen for it.

    Raises:
        FileRefused: it cannot be imported as a whole.
        Busy: see ``intake``.
    """
    sheet = sheet_of(upload)
    keep, verticals = upload.options["keep"], verticals_by_word()
    for_all = next((one for one in verticals.values() if one.slug == upload.options["vertical"]), None)
    columns = read_header(sheet.header, keep=keep, has_vertical=for_all is not None)
    first = list(islice(reading.rows(sheet), FIRST_ROWS))
    named, for_rest, _ = survey(first, columns, upload.options["supplier"])
    suppliers = {slug: Supplier(slug=slug, name=name) for slug, name in named.items()}
    rules = Rules(columns, verticals, places(), clock.now(), for_all, suppliers, for_rest)
    names = unknown(sheet.header)
    read = {index: name for name, index in (columns.fields | columns.attributes).items()}
    recognised = [
        (plain(header), name if name in FIELDS else label_of(name))
        for index, header in enumerate(sheet.header)
        if (name := read.get(index)) and plain(header) not in names
    ]
    return Preview(
        recognised=recognised,
        left_out=[name for name in columns.ignored if name not in names],
        unknown=[_unknown(name, first, rules, sheet.header, is_kept=name in keep) for name in names],
        rows=intake.foresee([judge(row, rules) for row in first]),
    )


def _unknown(name: str, first: Sequence[Row], rules: Rules, header: Sequence[str], *, is_kept: bool) -> Unknown:
    if not may_be_kept(name):
        return Unknown(name, may_be_kept=False, is_kept=False)
    columns = read_header(header, keep=[name], has_vertical=rules.vertical is not None)
    judged = (judge(row, replace(rules, columns=columns)) for row in first[:SAMPLE_ROWS])
    told = [one.attributes[name] for one in judged if isinstance(one, Candidate) and name in one.attributes]
    return Unknown(name, may_be_kept=True, is_kept=is_kept, samples=tuple(dict.fromkeys(told)))
