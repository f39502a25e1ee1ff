"""A buyer's statement: every movement with the balance after it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from django.db import connection

_ENTRIES = """
SELECT t.id, t.created_at, t.kind, t.reference, e.delta,
       SUM(e.delta) OVER (ORDER BY t.id) AS balance
FROM (
    SELECT t.id AS transfer_id, t.amount AS delta FROM ledger_transfer t
        JOIN ledger_account a ON a.id = t.credit_id WHERE a.owner_id = %s
    UNION ALL
    SELECT t.id, -t.amount FROM ledger_transfer t JOIN ledger_account a ON a.id = t.debit_id WHERE a.owner_id = %s
) e JOIN ledger_transfer t ON t.id = e.transfer_id"""


@dataclass(frozen=True)
class Entry:
    """One movement of a buyer's balance; ``delta`` and ``balance`` in cents, negative balance = owed."""

    id: int
    moment: datetime
    kind: str
    reference: str
    delta: int
    balance: int


def entries(
    owner_id: int,
    *,
    kind: str = "",
    since: date | None = None,
    until: date | None = None,
    before_id: int | None = None,
    limit: int | None = None,
) -> Iterator[Entry]:
    """The buyer's movements, newest first. Filters narrow what is listed, never what the balance counts.

    ``since`` and ``until`` are days in UTC, both included; ``before_id`` continues an earlier page.
    """
    where, values = ["1 = 1"], []
    if kind:
        where.append("kind = %s")
        values.append(kind)
    if since:
        where.append("created_at >= %s")
        values.append(_moment(since))
    if until:
        where.append("created_at < %s")
        values.append(_moment(date.fromordinal(until.toordinal() + 1)))
    if before_id is not None:
        where.append("id < %s")
        values.append(before_id)
    query = f"SELECT * FROM ({_ENTRIES}) s WHERE {' AND '.join(where)} ORDER BY id DESC"  # noqa: S608 - fixed parts
    if limit is not None:
        query += " LIMIT %s"
        values.append(limit)
    with connection.cursor() as cursor:
        cursor.execute(query, [owner_id, owner_id, *values])
        for row in cursor.fetchall():
            yield Entry(row[0], _aware(row[1]), row[2], row[3], int(row[4]), int(row[5]))


def _moment(day: date) -> Any:
    return connection.ops.adapt_datetimefield_value(datetime(day.year, day.month, day.day, tzinfo=UTC))


def _aware(value: datetime | str) -> datetime:
    """SQLite gives the moment of a raw query back as text without a zone; it is UTC."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
