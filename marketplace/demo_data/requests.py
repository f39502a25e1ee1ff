"""People who ask for quotes, and nobody real: names from Faker, phones (NPA) 555-01XX, emails at example.com/.org/.net,
real ZIP codes. Everything but the moment is decided by a seed."""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import zipcodes
from django.utils.text import slugify
from faker import Faker

from accounts.models import STATES
from marketplace.leads.pricing import AGE_BANDS
from marketplace.leads.services import normal_phone
from marketplace.leads.verticals import BY_SLUG, KINDS

EMAIL_HOSTS = ("example.com", "example.org", "example.net")
NUMBERS = range(100)  # 555-0100 to 555-0199 are kept for fiction
VERTICAL_WEIGHTS = {
    "auto-insurance": 18, "home-insurance": 12, "life-insurance": 9, "health-insurance": 12, "medicare": 10,
    "mortgage": 10, "solar": 10, "roofing": 8, "hvac": 7, "personal-injury": 4,
}  # fmt: skip
IN_TURN = 500
BAND_WEIGHTS = (16, 13, 13, 21, 18, 11, 8)
ACCENTED = (("José", "Peña"), ("Zoë", "Núñez"), ("Renée", "Lefèvre"), ("Jürgen", "Böhm"), ("Sofía", "Muñoz"))
COMMENTS = (
    "Please call after five.",
    "Weekends are best.",
    "I have two quotes already and want a third.",
    "My policy ends next month.",
    "Leave a message if I do not pick up.",
    "Email first, please.",
)


@dataclass(frozen=True)
class Place:
    """A ZIP code with its area codes."""

    code: str
    city: str
    state: str
    area_codes: tuple[str, ...]


@dataclass(frozen=True)
class Request:
    """Somebody who asks for something."""

    number: int
    first_name: str
    last_name: str
    email: str
    phone: str
    address: str
    place: Place
    vertical: str
    asked_at: datetime
    answers: dict[str, str]
    comments: str


def place_of(found: dict[str, object]) -> Place | None:
    """A place from an entry of the ZIP package, if people live there and its phones are in the United States."""
    if found["zip_code_type"] != "STANDARD" or not found["active"] or found["state"] not in dict(STATES):
        return None
    codes = tuple(code for code in found["area_codes"] if is_dialled(str(code)))  # type: ignore[attr-defined]
    return Place(str(found["zip_code"]), str(found["city"]), str(found["state"]), codes) if codes else None


_dialled: dict[str, bool] = {}


def is_dialled(area_code: str) -> bool:
    """Whether numbers of this area code are valid here; along the border the package names foreign ones too."""
    if area_code not in _dialled:
        _dialled[area_code] = normal_phone(f"{area_code}5550123").startswith(f"+1{area_code}")
    return _dialled[area_code]


class Phonebook:
    """Numbers nobody else of this demo has."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._free = {code: list(NUMBERS) for place in places for code in place.area_codes}
        self._of_state: defaultdict[str, dict[str, None]] = defaultdict(dict)
        for place in places:
            self._of_state[place.state].update(dict.fromkeys(place.area_codes))

    def number_in(self, place: Place) -> str:
        """A free number of the place, else of its state, else of anywhere: people move and keep their number."""
        for codes in (place.area_codes, self._of_state[place.state], self._free):
            for code in codes:
                if self._free[code]:
                    return f"({code}) 555-01{self._free[code].pop(0):02d}"
        raise ValueError("every fictional number is taken")


def many(count: int, *, now: datetime, seed: int) -> Iterator[Request]:
    """``count`` people, asking for everything, everywhere, minutes to a year ago."""
    chance = random.Random(seed)  # noqa: S311 - a demo
    faker = Faker("en_US")
    faker.seed_instance(seed)
    places = [place for found in zipcodes.list_all() if (place := place_of(found))]
    by_state: defaultdict[str, list[Place]] = defaultdict(list)
    for place in places:
        by_state[place.state].append(place)
    states = sorted(by_state)
    phonebook = Phonebook(places)
    # First everything in turn, so that every filter has something to show; then as it would be.
    corners = [(kind.slug, band) for band in range(len(AGE_BANDS)) for kind in KINDS]
    for number in range(count):
        in_turn = number < IN_TURN
        vertical, band = corners[number % len(corners)] if in_turn else (_vertical(chance), _band(chance))
        place = chance.choice(by_state[states[number % len(states)]] if in_turn else places)
        asked_at = now - _age(band, chance)
        phone = phonebook.number_in(place)
        yield _request(number, chance, faker, place=place, phone=phone, vertical=vertical, asked_at=asked_at)


def fresh(number: int, place: Place, *, now: datetime) -> Request:
    """Somebody who asked one to four minutes ago."""
    chance = random.Random()  # noqa: S311 - a demo
    phone = f"({chance.choice(place.area_codes)}) 555-01{chance.choice(NUMBERS):02d}"
    asked_at = now - timedelta(seconds=chance.randint(60, 240))
    return _request(
        number, chance, Faker("en_US"), place=place, phone=phone, vertical=_vertical(chance), asked_at=asked_at
    )


def _vertical(chance: random.Random) -> str:
    return chance.choices(list(VERTICAL_WEIGHTS), list(VERTICAL_WEIGHTS.values()))[0]


def _band(chance: random.Random) -> int:
    return chance.choices(range(len(AGE_BANDS)), BAND_WEIGHTS)[0]


def _age(band: int, chance: random.Random) -> timedelta:
    """An age in the band, well within it, and in the first band mostly young."""
    upper = AGE_BANDS[band].up_to
    if band == 0:
        return timedelta(minutes=3) + (upper - timedelta(hours=1)) * chance.random() ** 2
    lower = AGE_BANDS[band - 1].up_to
    return lower + (upper - lower) * chance.uniform(0.02, 0.98)


def _request(
    number: int, chance: random.Random, faker: Faker, *, place: Place, phone: str, vertical: str, asked_at: datetime
) -> Request:
    first, last = chance.choice(ACCENTED) if chance.random() < 0.04 else (faker.first_name(), faker.last_name())
    return Request(
        number=number,
        first_name=first,
        last_name=last,
        email=f"{slugify(first)}.{slugify(last)}.{number}@{chance.choice(EMAIL_HOSTS)}",
        phone=phone,
        address=faker.street_address(),
        place=place,
        vertical=vertical,
        asked_at=asked_at.replace(microsecond=0),
        answers=_answers(vertical, chance),
        comments=chance.choice(COMMENTS) if chance.random() < 0.15 else "",
    )


def _answers(vertical: str, chance: random.Random) -> dict[str, str]:
    """One of the usual answers to each question; an insurance that somebody does not have is not renewed."""
    answers = {question.key: chance.choice(question.answers) for question in BY_SLUG[vertical].questions}
    if answers.get("insurance.current") == "No":
        answers.pop("insurance.renewal_days", None)
    return answers
