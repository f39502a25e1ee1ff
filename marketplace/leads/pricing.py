"""What a lead costs. The price is computed when a lead is listed and when its age band changes, stored, and charged
as stored. It depends on the lead alone: never on who looks (AL-17)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from marketplace.core.money import scaled

MINIMUM_CENTS = 100


@dataclass(frozen=True)
class AgeBand:
    """Leads up to this age cost this percentage of the fresh price."""

    up_to: timedelta
    percent: int
    label: str


AGE_BANDS = (
    AgeBand(timedelta(hours=24), 100, "Up to 24 hours"),
    AgeBand(timedelta(days=3), 70, "1 to 3 days"),
    AgeBand(timedelta(days=7), 50, "4 to 7 days"),
    AgeBand(timedelta(days=30), 25, "8 to 30 days"),
    AgeBand(timedelta(days=90), 12, "31 to 90 days"),
    AgeBand(timedelta(days=180), 7, "91 to 180 days"),
    AgeBand(timedelta(days=365), 4, "181 to 365 days"),
)
# By these prices leads are counted: each band starts at one of them (cents) and ends before the next.
PRICE_BANDS = (0, 1000, 2500, 5000, 10_000, 20_000)
# What places a lead within its vertical's range, in points of 100.
GRADE_POINTS = {"A": 40, "B": 25, "C": 10}
CERTIFICATE_POINTS = 25
COMPLETE_POINTS = 35
POINTS = (
    *((f"Supplier with grade {grade}", number) for grade, number in GRADE_POINTS.items()),
    ("Independent certificate of consent", CERTIFICATE_POINTS),
    ("Every question answered (part of it for some)", COMPLETE_POINTS),
)


def age_band(asked_at: datetime, now: datetime) -> int | None:
    """The index into AGE_BANDS, or None when the lead is too old to be sold."""
    age = now - asked_at
    return next((index for index, band in enumerate(AGE_BANDS) if age <= band.up_to), None)


def points(grade: str, *, is_certified: bool, answered: int, asked: int) -> int:
    """0 to 100: supplier grade, independent certificate, and the share of the vertical's questions answered."""
    complete = COMPLETE_POINTS * min(answered, asked) // asked if asked else COMPLETE_POINTS
    return GRADE_POINTS[grade] + (CERTIFICATE_POINTS if is_certified else 0) + complete


def base_price(low_cents: int, high_cents: int, score: int) -> int:
    """The fresh shared price in cents, rounded to a quarter dollar, for a ``score`` of 0 to 100."""
    exact = low_cents + (high_cents - low_cents) * score // 100
    return max(MINIMUM_CENTS, (exact + 12) // 25 * 25)


def price(base_cents: int, *, exclusive_percent: int, slots_total: int, band: int) -> int:
    """The price charged, in cents: base × exclusive factor × age factor, at least one dollar."""
    factor = exclusive_percent if slots_total == 1 else 100
    return max(MINIMUM_CENTS, scaled(base_cents, factor, AGE_BANDS[band].percent))
