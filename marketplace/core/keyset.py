"""Keyset pages: as fast at half depth as at the start, and stable while rows are added on top."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from django.db.models import DateTimeField, Model, Q, QuerySet

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
    earlier page gave. A cursor is ``value_id``; the field holds whole numbers or moments (written in microseconds).

    Raises:
        BadCursor: ``after`` or ``before`` is not of that form.
    """
    backwards = bool(before)
    cursor = before or after
    field = order[0].lstrip("-")
    is_moment = isinstance(queryset.model._meta.get_field(field), DateTimeField)
    wanted = order if not backwards else tuple(_turned(name) for name in order)
    if cursor:
        queryset = queryset.filter(_beyond(wanted, *_parse(cursor, is_moment)))
    rows = list(queryset.order_by(*wanted)[: size + 1])
    more = len(rows) > size
    rows = rows[:size]
    if backwards:
        rows.reverse()

    def mark(row: M) -> str:
        value = getattr(row, field)
        return f"{(value - EPOCH) // timedelta(microseconds=1) if is_moment else value}_{row.pk}"

    has_newer = more if backwards else bool(after)
    has_older = bool(before) if backwards else more
    return Page(rows, mark(rows[0]) if rows and has_newer else "", mark(rows[-1]) if rows and has_older else "")


def _turned(name: str) -> str:
    return name[1:] if name.startswith("-") else f"-{name}"


def _parse(cursor: str, is_moment: bool) -> tuple[int | datetime, int]:
    value, _, row = cursor.partition("_")
    if not (value.isascii() and value.isdigit() and row.isascii() and row.isdigit()) or len(cursor) > 40:
        raise BadCursor
    if int(value) >= 2**63 or int(row) >= 2**63:
        raise BadCursor
    if not is_moment:
        return int(value), int(row)
    try:
        return EPOCH + timedelta(microseconds=int(value)), int(row)
    except OverflowError as error:
        raise BadCursor from error


def _beyond(order: tuple[str, ...], value: int | datetime, row: int) -> Q:
    field, key = order[0].lstrip("-"), order[1].lstrip("-")
    first = "lt" if order[0].startswith("-") else "gt"
    second = "lt" if order[1].startswith("-") else "gt"
    same: dict[str, Any] = {field: value, f"{key}__{second}": row}
    return Q(**{f"{field}__{first}": value}) | Q(**same)
