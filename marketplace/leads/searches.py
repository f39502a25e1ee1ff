"""The lists of leads that a member keeps by name."""

from dataclasses import dataclass
from datetime import timedelta

from django.http import QueryDict

from accounts.models import User
from marketplace.core import clock
from marketplace.core.refusals import Refusal
from marketplace.core.transactions import in_transaction

from .facets import count_each
from .forms import CatalogueForm, Chip
from .models import Lead, SavedSearch

MOST = 20
NEWS = 99  # more are shown as "99+"
REMOVED_KEPT = timedelta(hours=1)


class TooManySearches(Refusal):
    """The member keeps as many searches as there may be."""

    status = 422
    message = f"You have {MOST} saved searches. Please remove one first."


@dataclass(frozen=True)
class Kept:
    """A saved search with its filters in words, and how many leads of it were listed since the member looked last (at
    most 100 are counted)."""

    search: SavedSearch
    chips: list[Chip]
    news: int


@in_transaction
def save_search(member: User, name: str, query: str) -> SavedSearch:
    """Keep the list at ``query`` (canonical) under ``name``. Kept already, it gets the name.

    Raises:
        TooManySearches: there are 20; nothing is kept.
    """
    User.objects.select_for_update(no_key=True).get(pk=member.pk)  # two presses are one search
    kept = SavedSearch.objects.for_user(member).kept()
    known = kept.filter(query=query).first()
    if known is not None:
        kept.filter(pk=known.pk).update(name=name)
        return known
    if kept.count() >= MOST:
        raise TooManySearches
    now = clock.now()
    return SavedSearch.objects.create(member=member, name=name, query=query, created_at=now, seen_at=now)


def look_at(search: SavedSearch) -> None:
    """The member looks at the list now: what is listed from here on is new."""
    SavedSearch.objects.filter(pk=search.pk).update(seen_at=clock.now())


def remove_search(search: SavedSearch) -> None:
    """Remove it; for an hour it can be restored."""
    SavedSearch.objects.filter(pk=search.pk, removed_at=None).update(removed_at=clock.now())


@in_transaction
def restore_search(search: SavedSearch) -> None:
    """Bring a removed search back. If the member keeps the same list again meanwhile, that one stays."""
    User.objects.select_for_update(no_key=True).get(pk=search.member_id)
    if not SavedSearch.objects.kept().filter(member=search.member_id, query=search.query).exists():
        SavedSearch.objects.filter(pk=search.pk).update(removed_at=None)


def forget_removed() -> int:
    """Delete what was removed over an hour ago; returns how many."""
    return SavedSearch.objects.filter(removed_at__lt=clock.now() - REMOVED_KEPT).delete()[0]


def searches_of(member: User) -> list[Kept]:
    """The searches the member keeps, the latest first. Two queries."""
    searches = list(SavedSearch.objects.for_user(member).kept().order_by("-created_at", "-id"))
    forms = [form_of(search) for search in searches]
    listed = [
        form.found(Lead.objects.on_sale()).filter(listed_at__gt=search.seen_at)
        for search, form in zip(searches, forms, strict=True)
    ]
    news = count_each(listed, most=NEWS)
    return [Kept(search, form.chips(), number) for search, form, number in zip(searches, forms, news, strict=True)]


def form_of(search: SavedSearch) -> CatalogueForm:
    """The filters of ``search``; those that do not exist any more are left out."""
    form = CatalogueForm(QueryDict(search.query))
    form.is_valid()
    return form
