"""Asks the catalogue's questions in turn and prints the milliseconds each spent in the database, as JSON.

Arguments: how many rounds. The first round warms up and is left out.
"""

import json
import statistics
import sys
import time
from collections import defaultdict

import django

django.setup()

from django.db import connection  # noqa: E402
from django.http import QueryDict  # noqa: E402

from marketplace.core import keyset  # noqa: E402
from marketplace.leads import market  # noqa: E402
from marketplace.leads.addresses import canonical  # noqa: E402
from marketplace.leads.forms import CatalogueForm  # noqa: E402
from marketplace.leads.models import Lead, LeadQuerySet  # noqa: E402
from marketplace.leads.views import PAGE_SIZE  # noqa: E402

PLAIN, CHOSEN = "", "vertical=solar&state=AL"
RADIUS = "vertical=solar&place=City+200&miles=50"
CROWDED = "vertical=solar&place=City+7&miles=50"  # 1 of 100 leads is there
RARE = "state=VT&certificate=1&mode=exclusive&min=150"


class Clock:
    """Adds up the time that statements take, the fetching of their rows included."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self, execute, *arguments):
        start = time.perf_counter()
        try:
            return execute(*arguments)
        finally:
            self.seconds += time.perf_counter() - start


def form_of(query: str) -> CatalogueForm:
    form = CatalogueForm(canonical(QueryDict(query)))
    assert form.is_valid(), form.errors
    return form


def page(query: str, after: str = "") -> keyset.Page:
    form = form_of(query)
    found: LeadQuerySet = form.found(Lead.objects.on_sale())
    return keyset.page(found.select_related("vertical"), order=form.order, size=PAGE_SIZE, after=after)


def middle_cursor(query: str) -> str:
    """The cursor of the page at half depth."""
    form = form_of(query)
    found = form.found(Lead.objects.on_sale()).order_by(*form.order)
    lead = found[found.count() // 2]
    return f"{(lead.listed_at - keyset.EPOCH) // keyset.timedelta(microseconds=1)}_{lead.public_id}"


def main(rounds: int) -> None:
    market.count()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE leads_tally")
    half = {query: middle_cursor(query) for query in (PLAIN, CHOSEN)}
    questions = {
        "first page": lambda: page(PLAIN),
        "first page, filtered": lambda: page(CHOSEN),
        "half depth": lambda: page(PLAIN, half[PLAIN]),
        "half depth, filtered": lambda: page(CHOSEN, half[CHOSEN]),
        "by price": lambda: page("sort=price"),
        "radius": lambda: page(RADIUS),
        "radius, a crowded place": lambda: page(CROWDED),
        "rare": lambda: page(RARE),
        "numbers and total": lambda: form_of(PLAIN).count(),
        "numbers and total, filtered": lambda: form_of(CHOSEN).count(),
        "numbers and total, all filters": lambda: form_of(f"{CHOSEN}&age=30d&mode=shared&certificate=1").count(),
        "numbers on the spot, radius": lambda: form_of(RADIUS).count(),
        "numbers on the spot, a crowded place": lambda: form_of(CROWDED).count(),
        "the count every minute": market.count,
    }
    seen: dict[str, list[float]] = defaultdict(list)
    for number in range(rounds + 1):
        for name, ask in questions.items():
            clock = Clock()
            with connection.execute_wrapper(clock):
                ask()
            if number:
                seen[name].append(1000 * clock.seconds)
    print(json.dumps({name: statistics.median(times) for name, times in seen.items()}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
