"""How many leads each value of each filter would find beside the other filters in use: one query for all of them.

The numbers come from the count of the last minute (``market.count``). It knows no places and no prices but the bands;
where those are asked for, the leads are counted on the spot, up to a limit.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
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
    """``total`` leads pass all filters; more than 1,000 if ``is_capped``. ``counts`` holds for each column how many
    there are of each of its values; a column is not there if they are too many to be counted on the spot."""

    total: int
    counts: Counts
    is_capped: bool = False

    @property
    def said(self) -> str:
        """The total as people write it, ``"1,000+"`` if nobody counted on."""
        return f"{COUNTED:,}+" if self.is_capped else f"{self.total:,}"


_Branch = tuple[str, Sequence[Any]]


def counted_before(wanted: Wanted) -> Facets | None:
    """From the last count, for filters that a tally knows; None if it knows no such lead, as before the first count."""
    counts = _ask(_tally(column, wanted) for column in COLUMNS)
    if not counts:
        return None
    column = next(iter(wanted), "vertical")
    let_through = [str(value) for value in wanted.get(column, counts.get(column, ()))]
    return Facets(sum(counts.get(column, {}).get(value, 0) for value in let_through), counts)


def counted_now(found: Found, filtered: Collection[str]) -> Facets:
    """On the spot, for any filters; ``filtered`` names the columns that have one of their own."""
    try:
        statement, values = _sorts(found("")).query.sql_with_params()
    except EmptyResultSet:  # a price beyond what a column holds, say
        return Facets(0, {})
    branches: list[_Branch | None] = [("SELECT 'total', '', COUNT(*) FROM found", [])]
    branches += [_live(column, found(column)) if column in filtered else _of_found(column) for column in COLUMNS]
    counts = _ask(branches, above=f"WITH found AS ({statement}) ", given=values)
    total = counts.pop("total", {}).get("", 0)
    few = {column: numbers for column, numbers in counts.items() if sum(numbers.values()) <= COUNTED}
    return Facets(min(total, COUNTED), few, is_capped=total > COUNTED)


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


def _tally(column: str, wanted: Wanted) -> _Branch:
    """The counts of each value of ``column`` among what the other filters let through."""
    others = {name: values for name, values in wanted.items() if name != column}
    needed = {name for name in _OF_KIND if name in others or name == column}
    among = {  # one of the four, or none, is counted in groups; for more the single sorts are added up
        name: others.get(name, values) if name in needed or len(needed) > 1 else [ANY]
        for name, values in _OF_KIND.items()
    }
    among |= {name: values if name == column else others.get(name, [""]) for name, values in _GROUPED.items()}
    where = " AND ".join(f"{name} IN ({', '.join(['%s'] * len(values))})" for name, values in among.items())
    statement = f"SELECT '{column}', CAST({column} AS varchar(30)), SUM(count) FROM leads_tally WHERE {where}"  # noqa: S608
    return f"{statement} GROUP BY {column}", [value for values in among.values() for value in values]


def _sorts(found: LeadQuerySet) -> Any:
    """The sort of each lead, of at most 1,001."""
    return found.order_by().values(
        its_vertical=F("vertical__slug"),
        its_state=F("state"),
        its_age=in_age_bands(clock.now()),
        its_price=in_price_bands(),
        its_exclusive=is_exclusive(),
        its_certified=is_certified(),
    )[: COUNTED + 1]


def _of_found(column: str, source: str = "found") -> _Branch:
    its = f"its_{column}"
    return f"SELECT '{column}', CAST({its} AS varchar(30)), COUNT(*) FROM {source} GROUP BY {its}", []  # noqa: S608


def _live(column: str, found: LeadQuerySet) -> _Branch | None:
    try:
        statement, values = _sorts(found).query.sql_with_params()
    except EmptyResultSet:
        return None
    return _of_found(column, f"({statement}) found")[0], values


def _ask(
    branches: Iterable[_Branch | None], *, above: str = "", given: Sequence[Any] = ()
) -> dict[str, dict[str, int]]:
    wanted = [branch for branch in branches if branch]
    with connection.cursor() as cursor:
        statement = " UNION ALL ".join(text for text, _ in wanted)
        cursor.execute(above + statement, [*given, *(value for _, values in wanted for value in values)])
        rows = cursor.fetchall()
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for column, value, number in rows:
        counts[column][value] = int(number)
    return counts
