"""Counting what is on sale, so that pages need not: by its sort every minute, and for the plots once an hour."""

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from itertools import product
from typing import Any

from django.db import connection, transaction
from django.db.models import (
    BooleanField,
    Case,
    Count,
    ExpressionWrapper,
    F,
    Q,
    QuerySet,
    SmallIntegerField,
    Value,
    When,
    Window,
)
from django.db.models.functions import RowNumber, TruncHour, TruncWeek

from marketplace.core import clock
from marketplace.core.transactions import in_transaction

from .models import ANY, Lead, LeadQuerySet, Market, Tally, Vertical
from .pricing import AGE_BANDS, PRICE_BANDS

_SORT = ("age", "price", "exclusive", "certified", "vertical", "state")
WEEKS = 12
HOURS = 24
_BATCH = 2000

Sort = tuple[int, int, int, int, str, str]  # in the order of _SORT


def in_age_bands(now: datetime) -> Case:
    """The index into AGE_BANDS of a lead's age at ``now``, as SQL; the last one for what is older."""
    younger = [When(asked_at__gte=now - band.up_to, then=Value(index)) for index, band in enumerate(AGE_BANDS)]
    return Case(*younger, default=Value(len(AGE_BANDS) - 1), output_field=SmallIntegerField())


def in_price_bands() -> Case:
    """The index into PRICE_BANDS of a lead's price, as SQL."""
    bands = list(enumerate(PRICE_BANDS))[1:]
    dearer = [When(price_cents__gte=start, then=Value(index)) for index, start in reversed(bands)]
    return Case(*dearer, default=Value(0), output_field=SmallIntegerField())


def is_exclusive() -> Case:
    """1 for an exclusive lead, 0 for a shared one, as SQL."""
    return Case(When(slots_total=1, then=Value(1)), default=Value(0), output_field=SmallIntegerField())


def is_certified() -> Case:
    """1 for a lead with a certificate, 0 for others, as SQL."""
    return Case(When(is_certified=True, then=Value(1)), default=Value(0), output_field=SmallIntegerField())


def count() -> int:
    """Count all leads on sale by their sort; returns how many rows changed. Only those are written, in one transaction,
    so that a page sees one count, not two."""
    wanted = _with_groups(_count_sorts(Lead.objects.on_sale(), clock.now()))
    return _write_tallies(wanted)


def _count_sorts(leads: LeadQuerySet, now: datetime) -> Counter[Sort]:
    slugs = dict(Vertical.objects.values_list("pk", "slug"))
    sorts = leads.order_by().annotate(
        age=in_age_bands(now), price=in_price_bands(), exclusive=is_exclusive(), certified=is_certified()
    )
    rows = sorts.values_list("age", "price", "exclusive", "certified", "vertical_id", "state").annotate(n=Count("pk"))
    counts: Counter[Sort] = Counter()
    for *rest, vertical_id, state, number in rows:
        age, price, exclusive, certified = rest
        counts[age, price, exclusive, certified, slugs[vertical_id], state] += number
    return counts


def _with_groups(counts: Counter[Sort]) -> Counter[Sort]:
    """``counts`` and those of the groups; that of everything is there even if nothing is on sale."""
    grouped: Counter[Sort] = Counter({(ANY, ANY, ANY, ANY, "", ""): 0})
    for (age, price, exclusive, certified, vertical, state), number in counts.items():
        kinds = (
            (age, price, exclusive, certified),
            (ANY, ANY, ANY, ANY),
            (age, ANY, ANY, ANY),
            (ANY, price, ANY, ANY),
            (ANY, ANY, exclusive, ANY),
            (ANY, ANY, ANY, certified),
        )
        for kind, line, place in product(kinds, (vertical, ""), (state, "")):
            grouped[(*kind, line, place)] += number
    return grouped


@in_transaction
def _write_tallies(wanted: Counter[Sort]) -> int:
    """Write what differs. Two counts at once do each other no harm: the next one puts right what they mixed."""
    kept = {tuple(row[:6]): row[6:] for row in Tally.objects.values_list(*_SORT, "pk", "count")}
    gone = [key for sort, (key, _) in kept.items() if sort not in wanted]
    changed = [(number, kept[sort][0]) for sort, number in wanted.items() if sort in kept and kept[sort][1] != number]
    new = [Tally(**dict(zip(_SORT, sort, strict=True)), count=wanted[sort]) for sort in wanted.keys() - kept.keys()]
    for start in range(0, len(gone), _BATCH):
        Tally.objects.filter(pk__in=gone[start : start + _BATCH]).delete()
    if changed:
        with connection.cursor() as cursor:
            cursor.executemany("UPDATE leads_tally SET count = %s WHERE id = %s", changed)
    Tally.objects.bulk_create(new, batch_size=_BATCH, ignore_conflicts=True)
    return len(gone) + len(changed) + len(new)


def look_around() -> None:
    """Look at prices and listings of each line of business, as of the last full hour."""
    now = clock.now().replace(minute=0, second=0, microsecond=0)
    prices, hours, weeks = _prices(), _hours(now), _weeks(now)
    with transaction.atomic():  # a plot adds them up
        for vertical_id in Vertical.objects.values_list("pk", flat=True):
            seen = {"prices": prices[vertical_id], "hours": hours[vertical_id], "weeks": weeks[vertical_id]}
            Market.objects.update_or_create(vertical_id=vertical_id, defaults={"seen_at": now, **seen})


def _ranked(leads: QuerySet[Lead], amount: str, *groups: str) -> Any:
    """``leads`` with their place (from 1) by ``amount`` within their group, and the size of the group."""
    partition = [F(group) for group in groups]
    return leads.annotate(
        place=Window(RowNumber(), partition_by=partition, order_by=[F(amount), F("pk")]),
        size=Window(Count("pk"), partition_by=partition),
    )


def _prices() -> dict[int, list[int]]:
    """Lowest, quarter, median, three quarters and highest price on sale, by vertical."""
    ranked = _ranked(Lead.objects.on_sale().order_by(), "price_cents", "vertical_id")
    at = [Q(place=1 + (F("size") - 1) * quarter / 4) for quarter in range(5)]
    found: dict[int, list[int]] = defaultdict(list)
    prices: dict[tuple[int, int], int] = {}
    sizes: dict[int, int] = {}
    for vertical_id, cents, place, size in ranked.filter(Q(*at, _connector=Q.OR)).values_list(
        "vertical_id", "price_cents", "place", "size"
    ):
        prices[vertical_id, place], sizes[vertical_id] = cents, size
    for vertical_id, size in sizes.items():
        found[vertical_id] = [prices[vertical_id, 1 + (size - 1) * quarter // 4] for quarter in range(5)]
    return found


def _hours(now: datetime) -> dict[int, list[int]]:
    """How many were listed in each of the hours before ``now``, by vertical; those that were sold since, too."""
    since = now - timedelta(hours=HOURS)
    listed = Lead.objects.filter(listed_at__gte=since, listed_at__lt=now).order_by()
    found: dict[int, list[int]] = defaultdict(lambda: [0] * HOURS)
    rows = listed.annotate(hour=TruncHour("listed_at")).values_list("vertical_id", "hour").annotate(n=Count("pk"))
    for vertical_id, hour, number in rows:
        found[vertical_id][int((hour - since).total_seconds()) // 3600] += number
    return found


def _weeks(now: datetime) -> dict[int, list[list[Any]]]:
    """The median fresh price in each week of listing, for exclusive and shared leads, by vertical: what such a lead
    cost when it was new, whatever it costs now and whether it was sold."""
    monday = (now - timedelta(days=now.weekday())).replace(hour=0)
    listed = Lead.objects.filter(listed_at__gte=monday - timedelta(weeks=WEEKS - 1), listed_at__lte=now).order_by()
    weekly = listed.annotate(
        week=TruncWeek("listed_at"), exclusive=ExpressionWrapper(Q(slots_total=1), output_field=BooleanField())
    )
    ranked = _ranked(weekly, "base_cents", "vertical_id", "exclusive", "week").filter(place=(F("size") + 1) / 2)
    factors = dict(Vertical.objects.values_list("pk", "exclusive_percent"))
    found: dict[int, list[list[Any]]] = defaultdict(list)
    rows = ranked.order_by("week").values_list("vertical_id", "exclusive", "week", "size", "base_cents")
    for vertical_id, exclusive, week, size, cents in rows:
        fresh = cents * factors[vertical_id] // 100 if exclusive else cents
        found[vertical_id].append([exclusive, f"{week:%Y-%m-%d}", size, fresh])
    return found
