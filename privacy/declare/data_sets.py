"""``@personal_data``: each room says once what it holds about people, why, how long, and how to find it.

A room's ``personal_data.py`` holds one decorated class a data set. The data map, export, closing and erasure read
these declarations; so does the test that no column of the database is undeclared (AL-06).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.module_loading import autodiscover_modules

from .vocabulary import Category, Purpose, Recipient, Source, Subject


@dataclass(frozen=True)
class DataSet:
    """A declared data set.

    ``fields`` maps a model label to its personal columns; ``rows(subject)`` yields what is held about one subject as
    plain dicts (a member for Subject.MEMBER, the pk of a lead for Subject.LEAD); ``people()`` yields the pk of every
    subject it holds anything of.
    """

    key: str
    title: str
    about: Subject
    categories: tuple[Category, ...]
    purposes: tuple[Purpose, ...]
    source: Source
    recipients: tuple[Recipient, ...]
    kept: str
    fields: Mapping[str, tuple[str, ...]]
    rows: Callable[[Any], Iterable[Mapping[str, Any]]]
    people: Callable[[], Iterable[int]]


_declared: dict[str, DataSet] = {}


def personal_data(
    *,
    key: str,
    title: str,
    about: Subject,
    categories: tuple[Category, ...],
    purposes: tuple[Purpose, ...],
    source: Source,
    kept: str,
    fields: Mapping[str, tuple[str, ...]],
    recipients: tuple[Recipient, ...] = (Recipient.NOBODY,),
) -> Callable[[type], type]:
    """Declare the decorated class, which holds the static functions ``rows`` and ``people``.

    Raises:
        ValueError: ``key`` is declared twice.
    """

    def declare(functions: Any) -> Any:
        if key in _declared:
            raise ValueError(f"personal data {key!r} is declared twice")
        _declared[key] = DataSet(
            key=key,
            title=title,
            about=about,
            categories=categories,
            purposes=purposes,
            source=source,
            recipients=recipients,
            kept=kept,
            fields=fields,
            rows=functions.rows,
            people=functions.people,
        )
        return functions

    return declare


def data_sets() -> Iterator[DataSet]:
    """Every declared data set, by key. Rooms declare in ``personal_data.py``, found on first use."""
    autodiscover_modules("personal_data")
    for key in sorted(_declared):
        yield _declared[key]
