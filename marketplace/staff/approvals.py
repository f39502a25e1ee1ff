"""Everything that waits for a second person, in one list; and what became of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.urls import reverse

from accounts.models import User
from marketplace.core import clock
from marketplace.core.two_people import TwoPeople
from marketplace.ledger import adjustments
from marketplace.ledger.models import Adjustment
from marketplace.purchases import crediting
from marketplace.purchases.models import Credit
from marketplace.wallet import suspense
from marketplace.wallet.models import Resolution
from privacy.vault import reveals
from privacy.vault.models import MoreReveals

from . import services


@dataclass(frozen=True)
class Sort:
    """One sort of request: its rows with all that its sentence needs, who may read and who may decide it, and the verbs
    that do it. ``about`` names the field of the member it is about, ``beside`` the field that it shares with requests a
    reader should know of before deciding."""

    name: str
    model: type[TwoPeople]
    with_all: tuple[str, ...]
    about: str
    beside: str
    may_read: str
    permission: str
    approve: Callable[[User, Any], None]
    decline: Callable[..., None]

    def rows(self) -> Any:
        return self.model._default_manager.select_related("maker", "checker", *self.with_all)

    def others(self, row: Any) -> Any:
        """What else was asked for beside ``row`` and stands: the same purchase, member, payment or colleague."""
        stands = self.rows().filter(state__in=[TwoPeople.State.ASKED, TwoPeople.State.APPROVED])
        return stands.filter(**{self.beside: getattr(row, self.beside)}).exclude(pk=row.pk).order_by("-pk")


TOLD_FOR = timedelta(days=7)  # how long who asked, or decided, finds it in the list
SORTS = {
    sort.name: sort
    for sort in (
        Sort(
            "credit", Credit, ("buyer", "purchase__lead"), "buyer", "purchase",
            "purchases.view_credit", "purchases.decide_credit", crediting.approve, crediting.decline,
        ),
        Sort(
            "adjustment", Adjustment, ("owner",), "owner", "owner",
            "ledger.view_adjustment", "ledger.decide_adjustment", services.approve_adjustment, adjustments.decline,
        ),
        Sort(
            "resolution", Resolution, ("payment", "member"), "member", "payment",
            "wallet.view_resolution", suspense.MAY_DECIDE, suspense.approve, suspense.decline,
        ),
        Sort(
            "reveals", MoreReveals, (), "", "maker",
            "vault.view_morereveals", "vault.decide_morereveals", reveals.allow_more, reveals.decline_more,
        ),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Request:
    """A request as one reader sees it: whether they may open it, decide it, and whether they asked for it."""

    sort: Sort
    row: Any
    may_open: bool
    may_decide: bool
    is_own: bool

    @property
    def member(self) -> User | None:
        """Whom it is about."""
        return getattr(self.row, self.sort.about) if self.sort.about else None

    @property
    def may_take_back(self) -> bool:
        """Whether the reader asked for it and nobody has decided it."""
        return self.is_own and self.row.is_waiting


def address_of(row: TwoPeople) -> str:
    """The page of a request."""
    name = next(name for name, sort in SORTS.items() if isinstance(row, sort.model))
    return reverse("admin:approval", args=[name, row.public_id])


def seen_by(reader: User, sort: Sort, row: Any) -> Request:
    """``row`` of ``sort`` as ``reader`` sees it. Who asked may always open it."""
    is_own = row.maker_id == reader.pk
    may_decide = reader.has_perm(sort.permission)
    may_open = is_own or may_decide or reader.has_perm(sort.may_read)
    return Request(sort, row, may_open, may_decide and row.may_be_decided_by(reader), is_own)


def waiting(reader: User) -> list[Request]:
    """What waits and concerns the reader: what they may decide, and what they asked for; oldest first."""
    found = []
    for sort in SORTS.values():
        rows = sort.rows().waiting()
        concerning = rows if reader.has_perm(sort.permission) else rows.filter(maker=reader)
        found += [seen_by(reader, sort, row) for row in concerning]
    return sorted(found, key=lambda one: one.row.made_at)


def answered(reader: User) -> list[Request]:
    """What others decided within a week of what the reader asked for; newest first."""
    return _decided(reader, maker=reader)


def decided_by(reader: User) -> list[Request]:
    """What the reader decided within a week; newest first."""
    return _decided(reader, checker=reader)


def _decided(reader: User, **whose: User) -> list[Request]:
    since = clock.now() - TOLD_FOR
    found = [
        seen_by(reader, sort, row)
        for sort in SORTS.values()
        for row in sort.rows().filter(**whose).decided_since(since)
    ]
    return sorted(found, key=lambda one: one.row.decided_at, reverse=True)


def about(member: User, reader: User, *, most: int) -> list[Request]:
    """The newest requests about ``member`` that ``reader`` may read."""
    found = [
        seen_by(reader, sort, row)
        for sort in SORTS.values()
        if sort.about
        for row in sort.rows().filter(**{sort.about: member}).order_by("-pk")[:most]
    ]
    readable = [one for one in found if one.may_open]
    return sorted(readable, key=lambda one: one.row.made_at, reverse=True)[:most]
