"""The ZIP codes of the 50 states and DC, from the ``zipcodes`` package into our own table."""

from typing import NamedTuple

import zipcodes
from django.db import transaction

from accounts.models import STATES
from marketplace.leads.models import ZipCode
from marketplace.leads.places import city_centres

SOLD_IN = dict(STATES)


class Place(NamedTuple):
    """City, state and time zone of a ZIP code, and the middle of that city, in degrees."""

    city: str
    state: str
    time_zone: str
    latitude: float | None
    longitude: float | None


def load_zip_codes() -> int:
    """Fill the ZIP table if it is empty; returns how many rows it has then. Safe to run twice and at once."""
    with transaction.atomic():
        if not ZipCode.objects.exists():
            ZipCode.objects.bulk_create(
                [
                    ZipCode(
                        code=row["zip_code"],
                        city=row["city"],
                        state=row["state"],
                        # Military and a few other codes have no place on the map; the package says 0 there.
                        latitude=float(row["lat"]) or None,
                        longitude=float(row["long"]) or None,
                        time_zone=row["timezone"],
                    )
                    for row in zipcodes.list_all()
                ],
                batch_size=5000,
                ignore_conflicts=True,
            )
    return ZipCode.objects.count()


def places() -> dict[str, Place]:
    """The place of every ZIP code, filling the table on first need."""
    if not ZipCode.objects.exists():
        load_zip_codes()
    centres = city_centres()
    codes = ZipCode.objects.values_list("code", "city", "state", "time_zone")
    nowhere = (None, None)
    return {code: Place(city, state, zone, *centres.get((city, state), nowhere)) for code, city, state, zone in codes}
