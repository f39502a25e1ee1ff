"""Inserting many rows with one statement and one parameter, past the object-relational mapper, which would take most
of an import's time."""

import json
import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from django.db import connection, models


def insert(model: type[models.Model], rows: Sequence[dict[str, Any]]) -> list[int]:
    """Insert ``rows`` into the table of ``model``; returns their primary keys in the same order.

    A row maps columns to values; all rows have the same columns, and every column without a database default is among
    them.

    Raises:
        IntegrityError, DataError: the database does not take a row; then it takes none.
    """
    if not rows:
        return []
    columns = ", ".join(rows[0])
    table, key = model._meta.db_table, model._meta.pk.column
    statement = f"INSERT INTO {table} ({columns}) {_source(model, list(rows[0]))} RETURNING {key}"
    with connection.cursor() as cursor:
        cursor.execute(statement, [json.dumps(rows, default=_as_text, ensure_ascii=False)])
        # Keys are given out in the order of insertion; the order in which they are returned is nowhere promised.
        return sorted(found for (found,) in cursor.fetchall())


def _source(model: type[models.Model], names: Sequence[str]) -> str:
    """The rows of a JSON array as a table."""
    if connection.vendor == "sqlite":
        values = ", ".join(f"json_extract(value, '$.{name}')" for name in names)
        return f"SELECT {values} FROM json_each(%s)"  # noqa: S608 - columns of ours
    types = {field.column: _type_of(field) for field in model._meta.concrete_fields}
    typed = ", ".join(f"{name} {types[name]}" for name in names)
    return f"SELECT {', '.join(names)} FROM json_to_recordset(%s) AS given ({typed})"  # noqa: S608 - columns of ours


def _type_of(field: Any) -> str:
    """The column's type without its length: as ``varchar(20)`` a longer value would be cut in silence."""
    found = field.rel_db_type(connection) if field.is_relation else field.db_type(connection)
    return re.sub(r"\(\d+\)", "", found)


def _as_text(value: date) -> str:
    """A moment or a day as the database writes it."""
    return str(connection.ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value)
