"""Where leads are, for looking near a place.

A lead stands at the middle of its city, which its page names anyway: searching in small circles from many sides finds
out no more about a person than that. The whole ZIP code is shown after buying only.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from math import cos, radians

from django.db.models import Avg, Q

from accounts.models import STATES

from .models import ZipCode

MILES_A_DEGREE = 69.0  # of latitude
_ZIP = re.compile(r"\d{5}(?:-\d{4})?")
_STATES = dict(STATES)
_BY_NAME = {name.casefold(): code for code, name in STATES}


class UnknownPlace(ValueError):
    """What was typed is no place we know, in the words of a form's error."""


@dataclass(frozen=True)
class Centre:
    """A point to look around, in degrees, and its name."""

    name: str
    latitude: float
    longitude: float

    def box(self, miles: int) -> tuple[float, float]:
        """Half the height and half the width, in degrees, of the box around a circle of ``miles``."""
        height = miles / MILES_A_DEGREE
        return height, height / cos(radians(self.latitude))


@lru_cache(maxsize=1000)  # places stay where they are, and a list page has a budget of queries
def find(text: str) -> Centre:
    """The place of ``"43215"`` or of ``"Columbus, OH"``.

    Raises:
        UnknownPlace: there is none, or more than one of that name.
    """
    if _ZIP.fullmatch(text):
        return _of_zip_code(text[:5])
    city, _, state = (part.strip() for part in text.rpartition(",")) if "," in text else (text, "", "")
    return _of_city(city, state)


def _of_zip_code(code: str) -> Centre:
    found = ZipCode.objects.filter(code=code, latitude__isnull=False).first()
    if found is None:
        raise UnknownPlace("We know no place with this ZIP code.")
    return Centre(f"{code} ({found.city}, {found.state})", found.latitude or 0.0, found.longitude or 0.0)


def _of_city(city: str, state: str) -> Centre:
    of_state = Q(state=_code_of(state)) if state else Q(state__in=_STATES)
    found = sorted(city_centres(of_state & Q(city__iexact=city)).items())
    if not found:
        raise UnknownPlace("We know no such place. Enter a ZIP code, or a city with its state, such as Columbus, OH.")
    if len(found) > 1:
        states = ", ".join(state for (_, state), _ in found)
        raise UnknownPlace(f"There is more than one {found[0][0][0]}. Add the state, one of {states}.")
    [((city, state), (latitude, longitude))] = found
    return Centre(f"{city}, {state}", latitude, longitude)


def _code_of(state: str) -> str:
    return _BY_NAME.get(state.casefold(), state.upper())


def city_centres(which: Q | None = None) -> dict[tuple[str, str], tuple[float, float]]:
    """Latitude and longitude of the middle of each city, by city and state: the mean of its ZIP codes."""
    codes = ZipCode.objects.filter(which or Q(), latitude__isnull=False).values("city", "state")
    means = codes.annotate(latitude_of=Avg("latitude"), longitude_of=Avg("longitude"))
    return {
        (city, state): (latitude, longitude)
        for city, state, latitude, longitude in means.values_list("city", "state", "latitude_of", "longitude_of")
    }
