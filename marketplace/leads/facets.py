"""How many leads each value of each filter would find beside the other filters in use: one query for all of them.

The numbers come from the count of the last minute (``market.count``). It knows no places and no prices but the bands;
where those are asked for, the leads are counted on the spot, up to a limit.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Count, F, Value

from accounts.models import STATES
from marketplace.core import clock

from .market import in_age_bands, in_price_bands, is_certified, is_exclusive
from .models import ANY, Lead, LeadQuerySet
from .pricing import AGE_BANDS, PRICE_BANDS
from .verticals import KINDS

COUNTED = 1000  # more are shown as "1,000+"
TOTAL = "total"
# The values of each column of a tally. A row that counts any vertical or state has "" there, one that counts any of the
# others has ANY in all four.
_OF_KIND: dict[str, Sequence[int]] = {
    "age": range(len(AGE_BANDS)),
    "price": range(len(PRICE_BANDS)),
    "exclusive": (0, 1),
    "certified": (0, 1),
}
_GROUPED: dict[str, Sequence[str]] = {"vertical": [kind.slug for kind in KINDS], "state": [code for code, _ in STATES]}
COLUMNS = (*_GROUPED, *_OF_KIND)

Counts = Mapping[str, Mapping[str, int]]
Wanted = Mapping[str, Sequence[Any]]  # the values that a filter lets through, by column; no entry lets all through
Found = Callable[[str], LeadQuerySet]  # the leads that pass all filters, or all but those on the column


@dataclass(frozen=True)
class Facets:
    """``total`` leads pass all filters (at most 1,001 are counted). ``counts`` holds for each column how many there are
    of each of its values; a column is not there if they are too many to be counted on the spot."""

    total: int
    counts: Counts


_Branch = tuple[str, Sequence[Any]]


def counted_before(found: LeadQuerySet, wanted: Wanted) -> Facets:
    """From the last count, for filters that a tally knows; the total is that of this moment."""
    return _ask([_total(found), *(_tally(column, wanted) for column in COLUMNS)])


def counted_now(found: Found) -> Facets:
    """On the spot, for any filters."""
    facets = _ask([_total(found("")), *(_live(column, found(column)) for column in COLUMNS)])
    few = {column: numbers for column, numbers in facets.counts.items() if sum(numbers.values()) <= COUNTED}
    return Facets(facets.total, few)


def count_each(lists: Sequence[LeadQuerySet], *, most: int = COUNTED) -> list[int]:
    """How many leads are in each of ``lists``; of each at most ``most`` and one more are counted. One query."""
    counts = [
        Lead.objects.filter(pk__in=leads.values("pk")[: most + 1])
        .annotate(place=Value(place))
        .values("place")
        .annotate(number=Count("pk"))
        for place, leads in enumerate(lists)
    ]
    found = {row["place"]: row["number"] for row in counts[0].union(*counts[1:], all=True)} if counts else {}
    return [found.get(place, 0) for place in range(len(lists))]


def _counted(label: str, value: str, leads: Any) -> _Branch | None:
    """Count what ``leads`` (a query of one column) gives, up to the limit; None if it can give nothing."""
    try:
        statement, values = leads[: COUNTED + 1].query.sql_with_params()
    except EmptyResultSet:  # a price beyond what a column holds, say
        return None
    return f"SELECT '{label}', {value}, COUNT(*) FROM ({statement}) found", values  # noqa: S608 - of the ORM


def _total(found: LeadQuerySet) -> _Branch | None:
    return _counted(TOTAL, "''", found.order_by().values("pk"))


def _tally(column: str, wanted: Wanted) -> _Branch:
    """The counts of each value of ``column`` among what the other filters let through."""
    others = {name: values for name, values in wanted.items() if name != column}
    whole = column not in _OF_KIND and not others.keys() & _OF_KIND.keys()
    among = {name: [ANY] if whole else others.get(name, values) for name, values in _OF_KIND.items()}
    among |= {name: values if name == column else others.get(name, [""]) for name, values in _GROUPED.items()}
    where = " AND ".join(f"{name} IN ({', '.join(['%s'] * len(values))})" for name, values in among.items())
    statement = f"SELECT '{column}', CAST({column} AS varchar(30)), SUM(count) FROM leads_tally WHERE {where}"  # noqa: S608
    return f"{statement} GROUP BY {column}", [value for values in among.values() for value in values]


_LIVE: dict[str, Callable[[], Any]] = {
    "vertical": lambda: F("vertical__slug"),
    "state": lambda: F("state"),
    "age": lambda: in_age_bands(clock.now()),
    "price": in_price_bands,
    "exclusive": is_exclusive,
    "certified": is_certified,
}


def _live(column: str, found: LeadQuerySet) -> _Branch | None:
    some = found.order_by().annotate(value=_LIVE[column]()).values("value")
    branch = _counted(column, "CAST(value AS varchar(30))", some)
    return branch and (f"{branch[0]} GROUP BY value", branch[1])


def _ask(branches: Iterable[_Branch | None]) -> Facets:
    wanted = [branch for branch in branches if branch]
    if not wanted:
        return Facets(0, {})
    with connection.cursor() as cursor:
        statement = " UNION ALL ".join(text for text, _ in wanted)
        cursor.execute(statement, [value for _, values in wanted for value in values])
        rows = cursor.fetchall()
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for column, value, number in rows:
        counts[column][value] = int(number)
    total = counts.pop(TOTAL, {}).get("", 0)
    return Facets(total, counts)
