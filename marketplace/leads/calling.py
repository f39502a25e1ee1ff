"""When a person may be called: from 8 am to 9 pm where they are (47 CFR 64.1200(c)(1))."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from marketplace.core import clock

from .models import Lead

EARLIEST, LATEST = time(8), time(21)
MORNING = time(9)  # when nobody is called out of bed


@dataclass(frozen=True)
class CallTime:
    """A moment on a person's clock."""

    local: datetime

    @property
    def is_open(self) -> bool:
        """Whether they may be called at this moment."""
        return EARLIEST <= self.local.time() < LATEST

    @property
    def clock(self) -> str:
        """``"8:05 am (EST)"``."""
        return f"{self.local:%I:%M} {self.local:%p} ".lstrip("0").lower() + f"({self.local:%Z})"

    @property
    def is_early(self) -> bool:
        """Whether they may be called later on the same day."""
        return self.local.time() < EARLIEST


def call_time(lead: Lead, at: datetime | None = None) -> CallTime | None:
    """What time it is where the person of ``lead`` lives, now or at the moment ``at``; None if we do not know."""
    return CallTime((at or clock.now()).astimezone(ZoneInfo(lead.time_zone))) if lead.time_zone else None


def next_morning(zone: ZoneInfo) -> datetime:
    """Tomorrow at 9 am in ``zone``."""
    tomorrow = clock.now().astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, MORNING, zone)
