"""Keyset pages: every row once, forwards and backwards, and no primary key in a cursor."""

from datetime import timedelta

import pytest

from marketplace.core import clock, keyset
from marketplace.leads.models import Lead
from tests.stock import make_lead

ORDERS = [("-listed_at", "-id"), ("price_cents", "id"), ("-price_cents", "-id")]


@pytest.fixture
def leads(db):
    """Eleven leads, most of them equal in what they are ordered by."""
    now = clock.now()
    for number in range(11):
        lead = make_lead(price_cents=500 + number // 4 * 100)
        Lead.objects.filter(pk=lead.pk).update(listed_at=now - timedelta(hours=number // 4))


@pytest.mark.parametrize("order", ORDERS)
def test_it_works(leads, order):
    seen, after = [], ""
    while True:
        page = keyset.page(Lead.objects.all(), order=order, size=3, after=after)
        seen += page.rows
        after = page.older
        if not after:
            break

    assert seen == list(Lead.objects.order_by(*order))


@pytest.mark.parametrize("order", ORDERS)
def test_backwards_gives_the_same_pages(leads, order):
    first = keyset.page(Lead.objects.all(), order=order, size=4)
    second = keyset.page(Lead.objects.all(), order=order, size=4, after=first.older)
    back = keyset.page(Lead.objects.all(), order=order, size=4, before=second.newer)

    assert back.rows == first.rows
    assert (first.newer, back.newer) == ("", "")
    assert back.older


def test_a_new_row_on_top_moves_nothing(leads):
    first = keyset.page(Lead.objects.all(), order=ORDERS[0], size=4)
    expected = keyset.page(Lead.objects.all(), order=ORDERS[0], size=4, after=first.older).rows
    make_lead()

    assert keyset.page(Lead.objects.all(), order=ORDERS[0], size=4, after=first.older).rows == expected


def test_a_cursor_names_no_primary_key(leads):
    page = keyset.page(Lead.objects.all(), order=ORDERS[1], size=4)

    assert page.older == f"{page.rows[-1].price_cents}_{page.rows[-1].public_id}"


@pytest.mark.parametrize(
    "cursor",
    ["x", "_", "1_", "_1", "1_1_1", "-1_a", "1.5_a", "١_a", "1_A", "1_%", "9" * 19 + "_a", "1_" + "a" * 21, "1\x00_a"],
)
def test_other_cursors_are_refused(db, cursor):
    for side in ("after", "before"):
        with pytest.raises(keyset.BadCursor):
            keyset.page(Lead.objects.all(), order=ORDERS[1], size=4, **{side: cursor})
