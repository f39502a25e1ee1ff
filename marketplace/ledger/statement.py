"""A buyer's statement: every fact that moved the balance, with the balance after it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connection

# A fact that was split (cash and what was owed, say) is one line. Both windows run over all facts before any filter;
# rows are only ever added at the end, so a number stays what it is and can stand in an address (AL-10).
_ENTRIES = """
SELECT ROW_NUMBER() OVER (ORDER BY id) AS number, created_at, kind, reference, delta,
       SUM(delta) OVER (ORDER BY id) AS balance
FROM (
    SELECT MAX(id) AS id, MAX(created_at) AS created_at, kind, reference, SUM(delta) AS delta
    FROM (
        SELECT t.id, t.created_at, t.kind, t.reference, t.amount AS delta
        FROM ledger_transfer t JOIN ledger_account a ON a.id = t.credit_id WHERE a.owner_id = %s
        UNION ALL
        SELECT t.id, t.created_at, t.kind, t.reference, -t.amount
        FROM ledger_transfer t JOIN ledger_account a ON a.id = t.debit_id WHERE a.owner_id = %s
    ) lines GROUP BY kind, reference
) facts"""


@dataclass(frozen=True)
class Entry:
    """One fact that moved a buyer's balance, numbered from 1; ``delta`` and ``balance`` in cents, a negative balance is
    owed."""

    number: int
    moment: datetime
    kind: str
    reference: str
    delta: int
    balance: int


@dataclass(frozen=True)
class Page:
    """Part of a statement, newest first, and the cursors of its neighbours (None where there is none)."""

    rows: list[Entry]
    newer: int | None
    older: int | None


def entries(
    owner_id: int, *, kind: str = "", since: datetime | None = None, until: datetime | None = None
) -> Iterator[Entry]:
    """The buyer's facts, newest first, from ``since`` up to and without ``until``. Filters narrow what is listed, never
    what the balance counts.
    """
    yield from _select(owner_id, _filters(kind, since, until))


def page(
    owner_id: int,
    *,
    size: int,
    kind: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    after: int | None = None,
    before: int | None = None,
) -> Page:
    """At most ``size`` of ``entries``: those that follow the entry ``after`` (older ones), or those that stand right
    before the entry ``before`` (newer ones)."""
    conditions = _filters(kind, since, until)
    if before is not None:
        rows = _select(owner_id, [*conditions, ("number > %s", before)], limit=size + 1, oldest_first=True)
        return _page(rows[:size][::-1], has_newer=len(rows) > size, has_older=True)
    if after is not None:
        conditions.append(("number < %s", after))
    rows = _select(owner_id, conditions, limit=size + 1)
    return _page(rows[:size], has_newer=after is not None, has_older=len(rows) > size)


def _page(rows: list[Entry], *, has_newer: bool, has_older: bool) -> Page:
    return Page(rows, rows[0].number if rows and has_newer else None, rows[-1].number if rows and has_older else None)


Condition = tuple[str, Any]


def _filters(kind: str, since: datetime | None, until: datetime | None) -> list[Condition]:
    moment = connection.ops.adapt_datetimefield_value
    wanted = (
        ("kind = %s", kind or None),
        ("created_at >= %s", since and moment(since)),
        ("created_at < %s", until and moment(until)),
    )
    return [(condition, value) for condition, value in wanted if value is not None]


def _select(
    owner_id: int, conditions: list[Condition], *, limit: int | None = None, oldest_first: bool = False
) -> list[Entry]:
    where = "".join(f" AND {condition}" for condition, _ in conditions)
    order = "ASC" if oldest_first else "DESC"
    query = f"SELECT * FROM ({_ENTRIES}) entries WHERE 1 = 1{where} ORDER BY number {order}"  # noqa: S608 - fixed parts
    values = [owner_id, owner_id, *(value for _, value in conditions)]
    if limit is not None:
        query, values = query + " LIMIT %s", [*values, limit]
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return [Entry(row[0], _aware(row[1]), row[2], row[3], int(row[4]), int(row[5])) for row in cursor.fetchall()]


def _aware(value: datetime | str) -> datetime:
    """SQLite gives the moment of a raw query back as text without a zone; it is UTC."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
