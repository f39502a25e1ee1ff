"""The catalogue as plots: where the leads are, when they are listed, and what they cost."""

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from typing import Any

from django.urls import reverse

from accounts.models import STATES
from marketplace.core import charts
from marketplace.core.money import dollars

from .facets import Facets
from .forms import CatalogueForm
from .market import HOURS
from .models import Lead, Market


def by_state(form: CatalogueForm, counted: Facets) -> charts.Chart:
    """The leads that pass the filters of ``form``, by state; a state is a link that adds or drops it."""
    here = reverse("leads:catalogue")
    return charts.us_map(
        counted.counts.get("state", {}),
        names=dict(STATES),
        link=lambda code: f"{here}?{form.with_state(code)}",
        selected=form.cleaned_data.get("state") or [],
        caption="Leads on sale by state",
        head=("State", "Leads"),
        nothing="No lead passes your filters, or there are too many near that place to count them by state.",
    )


def of_market(slugs: Collection[str]) -> dict[str, Any]:
    """The plots of the lines of business ``slugs``, of all of them if there are none. One query."""
    seen = Market.objects.select_related("vertical").order_by("vertical__position", "vertical__name")
    markets = [market for market in seen if not slugs or market.vertical.slug in slugs]
    return {
        "hours": _listed_by_hour(markets),
        "prices": _prices(markets),
        "seen_at": markets[0].seen_at if markets else None,
    }


def _listed_by_hour(markets: Sequence[Market]) -> charts.Chart:
    """Hours are told in UTC, as nothing of the visitor is known."""
    points = []
    for ago in range(HOURS, 0, -1) if markets else ():
        begins = markets[0].seen_at - timedelta(hours=ago)
        points.append((f"{begins:%H}:00", sum(market.hours[-ago] for market in markets)))
    return charts.columns(points, caption="Leads listed by hour, last 24 hours (UTC)", head=("From", "Leads"))


def _prices(markets: Sequence[Market]) -> charts.Chart:
    rows = [
        charts.Range(market.vertical.name, market.prices[1], market.prices[2], market.prices[3])
        for market in markets
        if market.prices
    ]
    return charts.ranges(
        rows,
        caption="What leads cost now: median and middle half of all prices",
        head=("Line of business", "A quarter cost less than", "Median", "A quarter cost more than"),
        number=dollars,
    )


def price_history(lead: Lead) -> charts.Chart:
    """What leads like this one cost when they were new, week by week; its vertical and the market of it loaded."""
    market: Market | None = getattr(lead.vertical, "market", None)
    weeks = [week for week in market.weeks if week[0] == lead.is_exclusive] if market else []
    kind = "exclusive" if lead.is_exclusive else "shared"
    return charts.line(
        [(date.fromisoformat(day), cents) for _, day, _, cents in weeks],
        caption=f"Median price of a fresh, {kind} {lead.vertical.name} lead, by week of listing",
        head=("Week from", "Median price"),
        number=dollars,
        nothing="No lead of this kind was listed in the last 12 weeks.",
    )
