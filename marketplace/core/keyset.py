"""Keyset pages: as fast at half depth as at the start, and stable while rows are added on top."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from django.db.models import DateTimeField, Model, Q, QuerySet, Subquery

_CURSOR = re.compile(r"(?P<value>[0-9]{1,19})_(?P<row>[0-9a-z]{1,20})")
M = TypeVar("M", bound=Model)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class BadCursor(ValueError):
    """The cursor in the address is none of ours."""


@dataclass(frozen=True)
class Page(Generic[M]):
    """One page: its rows in order, and the cursors of its neighbours ("" where there is none)."""

    rows: list[M]
    newer: str
    older: str


def page(queryset: QuerySet[M], *, order: tuple[str, str], size: int, after: str = "", before: str = "") -> Page[M]:
    """A page of at most ``size`` rows of ``queryset``.

    ``order`` is (field, "id") with a leading "-" on either for descending; ``after`` and ``before`` are cursors that an
    earlier page gave. A cursor is ``value_row``: the field's whole number or moment (in microseconds), and the row's
    public id, so that no primary key stands in an address (AL-10); a model without one is named by its key.

    Raises:
        BadCursor: ``after`` or ``before`` is not of that form.
    """
    backwards = bool(before)
    cursor = before or after
    field = order[0].lstrip("-")
    is_moment = isinstance(queryset.model._meta.get_field(field), DateTimeField)
    row_name = "public_id" if hasattr(queryset.model, "public_id") else "pk"
    wanted = order if not backwards else tuple(_turned(name) for name in order)
    if cursor:
        value, row = _parse(cursor, is_moment, row_name)
        # Asked for inside the one query; a row that is gone leaves its equals out, never a page twice.
        key = queryset.model._default_manager.filter(**{row_name: row}).values("pk")
        queryset = queryset.filter(_beyond(wanted, value, Subquery(key)))
    rows = list(queryset.order_by(*wanted)[: size + 1])
    more = len(rows) > size
    rows = rows[:size]
    if backwards:
        rows.reverse()

    def mark(row: M) -> str:
        value = getattr(row, field)
        return f"{(value - EPOCH) // timedelta(microseconds=1) if is_moment else value}_{getattr(row, row_name)}"

    has_newer = more if backwards else bool(after)
    has_older = bool(before) if backwards else more
    return Page(rows, mark(rows[0]) if rows and has_newer else "", mark(rows[-1]) if rows and has_older else "")


def _turned(name: str) -> str:
    return name[1:] if name.startswith("-") else f"-{name}"


def _parse(cursor: str, is_moment: bool, row_name: str) -> tuple[int | datetime, str | int]:
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise BadCursor
    value, row = int(found["value"]), found["row"]
    if value >= 2**63 or (row_name == "pk" and not (row.isdigit() and int(row) < 2**63)):
        raise BadCursor
    if not is_moment:
        return value, row
    try:
        return EPOCH + timedelta(microseconds=value), row
    except OverflowError as error:
        raise BadCursor from error


def _beyond(order: tuple[str, ...], value: int | datetime, key: Subquery) -> Q:
    field, row = order[0].lstrip("-"), order[1].lstrip("-")
    first = "lt" if order[0].startswith("-") else "gt"
    second = "lt" if order[1].startswith("-") else "gt"
    further: dict[str, Any] = {f"{row}__{second}": key}
    # The first half alone would repeat rows; it stands there because an index can start from it, not from an OR.
    return Q(**{f"{field}__{first}e": value}) & (Q(**{f"{field}__{first}": value}) | Q(**further))
