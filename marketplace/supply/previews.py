"""What would become of an uploaded file, before it is imported. Nothing is written, and no contact is shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from marketplace.core import clock
from marketplace.leads.models import Supplier

from . import intake, reading
from .columns import may_be_kept, plain, read_header, unknown
from .intake import Fate
from .labels import headers_of, in_words, label, with_header, written
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
    the person out; ``words`` what it is called; ``may_be_kept`` says whether its name allows it; ``costs`` how many of
    the first rows would be rejected for what stands in it."""

    name: str
    words: str
    may_be_kept: bool
    is_kept: bool
    samples: tuple[str, ...] = ()
    costs: int = 0


@dataclass(frozen=True)
class First:
    """One of the first rows: what would become of it, now, why, and the answers with what they are called."""

    fate: Fate
    why: str
    answers: list[tuple[str, str]]


@dataclass(frozen=True)
class Preview:
    """The file as it would come in: ``recognised`` are its columns with what they are to us, ``left_out`` those in
    place of which another one is read. All stand under the names they have in the file."""

    recognised: list[tuple[str, str]]
    left_out: list[str]
    unknown: list[Unknown]
    rows: list[First]


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
    known = [(index, written(header)) for index, header in enumerate(sheet.header) if plain(header) not in ("", *names)]
    headers = headers_of(columns, sheet.header)
    return Preview(
        recognised=[(header, label(read[index])) for index, header in known if index in read],
        left_out=[header for index, header in known if index not in read],
        unknown=[_unknown(name, first, rules, sheet.header, is_kept=name in keep) for name in names],
        rows=[_first(fate, headers) for fate in intake.foresee([judge(row, rules) for row in first])],
    )


def _first(fate: Fate, headers: Mapping[str, str]) -> First:
    answers = fate.candidate.attributes if fate.candidate else {}
    told = [(label(key), answer) for key, answer in answers.items()]
    return First(fate, in_words(fate.reason, headers), told)


def _unknown(name: str, first: Sequence[Row], rules: Rules, header: Sequence[str], *, is_kept: bool) -> Unknown:
    words = with_header(label(name), next(written(one) for one in header if plain(one) == name))
    if not may_be_kept(name):
        return Unknown(name, words, may_be_kept=False, is_kept=False)
    has_vertical = rules.vertical is not None
    without = replace(rules, columns=read_header(header, has_vertical=has_vertical))
    kept = replace(rules, columns=read_header(header, keep=[name], has_vertical=has_vertical))
    good = [row for row in first if isinstance(judge(row, without), Candidate)]
    judged = [one for row in good if isinstance(one := judge(row, kept), Candidate)]
    told = [one.attributes[name] for one in judged if name in one.attributes][:SAMPLE_ROWS]
    samples = tuple(dict.fromkeys(told))
    return Unknown(name, words, may_be_kept=True, is_kept=is_kept, samples=samples, costs=len(good) - len(judged))
