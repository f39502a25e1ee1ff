"""Writing and finding many rows with one statement, past the object-relational mapper, which would take most of an
import's time."""

import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from django.db import connection, models
from psycopg.types.json import JsonbDumper


def insert(model: type[models.Model], rows: Sequence[dict[str, Any]]) -> list[int]:
    """Insert ``rows`` into the table of ``model``; returns their primary keys in the same order.

    A row maps columns to values; all rows have the same columns, and every column without a database default is among
    them. PostgreSQL takes them by COPY, SQLite as JSON.

    Raises:
        IntegrityError, DataError: the database does not take a row; then it takes none.
    """
    if not rows:
        return []
    return _copy(model, rows) if connection.vendor == "postgresql" else _insert_json(model, rows)


def _copy(model: type[models.Model], rows: Sequence[dict[str, Any]]) -> list[int]:
    table, key = model._meta.db_table, str(model._meta.pk.column)
    columns = list(rows[0])
    with connection.cursor() as cursor:
        if key in columns:
            keys = [row[key] for row in rows]
        else:  # COPY answers nothing, so the keys are fetched first
            columns.append(key)
            sequence = "SELECT nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s)"
            cursor.execute(sequence, [table, key, len(rows)])
            keys = [found for (found,) in cursor.fetchall()]
        cursor.adapters.register_dumper(dict, JsonbDumper)
        statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
        with connection.wrap_database_errors, cursor.copy(statement) as copy:
            for row, given in zip(rows, keys, strict=True):
                copy.write_row([*row.values(), given][: len(columns)])
    return keys


def _insert_json(model: type[models.Model], rows: Sequence[dict[str, Any]]) -> list[int]:
    columns = list(rows[0])
    values = ", ".join(f"json_extract(value, '$.{name}')" for name in columns)
    statement = (
        f"INSERT INTO {model._meta.db_table} ({', '.join(columns)}) "  # noqa: S608 - names of ours
        f"SELECT {values} FROM json_each(%s) RETURNING {model._meta.pk.column}"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [json.dumps(rows, default=_as_text, ensure_ascii=False)])
        # Keys are given out in the order of insertion; the order in which they are returned is nowhere promised.
        return sorted(found for (found,) in cursor.fetchall())


def _as_text(value: date) -> str:
    """A moment or a day as the database writes it."""
    return str(connection.ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value)


@models.CharField.register_lookup
class Among(models.Lookup):
    """``column__among=texts``: like ``in``, with one parameter however many texts there are."""

    lookup_name = "among"

    def __init__(self, lhs: Any, rhs: Iterable[str]) -> None:
        super().__init__(lhs, list(rhs))

    def get_prep_lookup(self) -> list[str]:
        return list(self.rhs)

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        column, parameters = self.process_lhs(compiler, connection)
        return f"{column} = ANY(%s)", [*parameters, self.rhs]

    def as_sqlite(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        column, parameters = self.process_lhs(compiler, connection)
        among = "IN (SELECT value FROM json_each(%s))"
        return f"{column} {among}", [*parameters, json.dumps(self.rhs)]
