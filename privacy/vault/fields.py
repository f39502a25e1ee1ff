"""The column type of sealed values, so that key rotation and the schema tests can find them all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import models

from .sealing import seal, unseal


class SealedField(models.TextField):
    """Sealed JSON, bound to the row by its ``public_id``. It holds the sealed text; opening is said out loud."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("editable", False)
        super().__init__(*args, **kwargs)


def binding(row: models.Model, column: str) -> str:
    """Where a value stands: table, column and the row's public id."""
    return f"{row._meta.db_table}|{column}|{row.public_id}"  # type: ignore[attr-defined]


def seal_into(row: models.Model, column: str, value: dict[str, Any]) -> None:
    """Seal ``value`` into ``column`` of ``row`` (not saved yet)."""
    setattr(row, column, seal(value, binding(row, column)))


def unseal_from(row: models.Model, column: str) -> dict[str, Any]:
    """What is sealed in ``column`` of ``row``.

    Raises:
        CannotOpen: see ``sealing.unseal``.
    """
    return unseal(getattr(row, column), binding(row, column))


@dataclass(frozen=True)
class SealedInJson:
    """A sealed text under ``key`` of a JSON column that another package owns. ``place`` is what binds it to its row,
    ``of`` the public id by which the row is named."""

    model: str
    column: str
    key: str
    place: Callable[[Any], str]
    of: Callable[[Any], str]


_in_json: list[SealedInJson] = []


def seals_in_json(one: SealedInJson) -> None:
    """Tell the rotation of keys of it; said when the apps are loaded."""
    if one not in _in_json:
        _in_json.append(one)


def sealed_in_json() -> Sequence[SealedInJson]:
    """All that rooms told of."""
    return tuple(_in_json)
