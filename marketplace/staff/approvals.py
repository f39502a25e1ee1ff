"""Everything that waits for a second person, in one list."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

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


@dataclass(frozen=True)
class Sort:
    """One sort of request: its rows with all that its sentence needs, who may decide, and the verbs that do it."""

    name: str
    model: type[TwoPeople]
    with_all: tuple[str, ...]
    permission: str
    approve: Callable[[User, Any], None]
    decline: Callable[..., None]

    def rows(self) -> Any:
        return self.model._default_manager.select_related("maker", "checker", *self.with_all)


TOLD_FOR = timedelta(days=7)  # how long who asked finds what was decided
SORTS = {
    sort.name: sort
    for sort in (
        Sort(
            "credit",
            Credit,
            ("buyer", "purchase__lead"),
            "purchases.decide_credit",
            crediting.approve,
            crediting.decline,
        ),
        Sort(
            "adjustment",
            Adjustment,
            ("owner",),
            "ledger.decide_adjustment",
            adjustments.approve,
            adjustments.decline,
        ),
        Sort(
            "resolution",
            Resolution,
            ("payment", "member"),
            suspense.MAY_DECIDE,
            suspense.approve,
            suspense.decline,
        ),
        Sort(
            "reveals",
            MoreReveals,
            (),
            "vault.decide_morereveals",
            reveals.allow_more,
            reveals.decline_more,
        ),
    )
}


@dataclass(frozen=True)
class Waiting:
    """A request, and whether the reader may decide it."""

    sort: Sort
    row: TwoPeople
    may_decide: bool
    is_own: bool


def decided(reader: User) -> list[Waiting]:
    """What others decided within a week of what the reader asked for; newest first."""
    since = clock.now() - TOLD_FOR
    found = [
        Waiting(sort, row, may_decide=False, is_own=True)
        for sort in SORTS.values()
        for row in sort.rows().filter(maker=reader).decided_since(since)
    ]
    return sorted(found, key=lambda one: one.row.decided_at or one.row.made_at, reverse=True)


def waiting(reader: User) -> list[Waiting]:
    """What waits and concerns the reader: what they may decide, and what they asked for; oldest first."""
    found = []
    for sort in SORTS.values():
        may_decide = reader.has_perm(sort.permission)
        rows = sort.rows().waiting()
        found += [
            Waiting(sort, row, may_decide and row.may_be_decided_by(reader), row.maker_id == reader.pk)
            for row in (rows if may_decide else rows.filter(maker=reader))
        ]
    return sorted(found, key=lambda one: one.row.made_at)
