"""What the database itself refuses about leads, whoever asks."""

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from marketplace.leads.models import Lead, Supplier, Vertical
from marketplace.leads.services import make_verticals
from marketplace.leads.verticals import KINDS
from tests.guards import without
from tests.stock import make_lead

pytestmark = pytest.mark.django_db
SOLD_OUT = {"status": "sold", "slots_sold": 2}

REFUSED = {
    "leads_one_to_three_buyers": [{"slots_total": 0, "status": "held"}, {"slots_total": 4}],
    "leads_never_oversold": [{"slots_sold": 3, "status": "withdrawn"}],
    "leads_price_floor": [{"price_cents": 99}],
    "leads_base_floor": [{"base_cents": 99}],
    "leads_sale_needs_origin_and_consent": [
        {"consent": None}, {"origin_site": ""}, {"origin_policy_url": ""}, {"listed_at": None},
    ],
    "leads_open_has_a_slot": [{"slots_sold": 2}],
    "leads_sold_means_no_slot_left": [{"status": "sold"}, {"status": "sold", "slots_sold": 1}],
    "leads_status_known": [{"status": "returned"}, {"status": ""}],
    "leads_age_band_exists": [{"age_band": 7}],
}  # fmt: skip


def refuse(change, name):
    """``change()`` is refused by the guard ``name``. SQLite names a check constraint too."""
    with pytest.raises(DatabaseError, match=name), transaction.atomic():
        change()


@pytest.mark.parametrize(
    ("name", "changes"), [(name, changes) for name, several in REFUSED.items() for changes in several]
)
def test_a_lead_like_this_is_refused(name, changes):
    lead = make_lead(buyers=2)
    with without("leads_slots_fixed"):
        refuse(lambda: Lead.objects.filter(pk=lead.pk).update(**changes), name)


@pytest.mark.parametrize("changes", [{}, {"slots_sold": 1}, SOLD_OUT, {"status": "held"}, {"status": "withdrawn"}])
def test_a_lead_like_this_is_taken(changes):
    lead = make_lead(buyers=2)
    assert Lead.objects.filter(pk=lead.pk).update(**changes or {"city": "Dayton"}) == 1


def test_every_constraint_of_a_lead_has_its_refusal():
    assert {constraint.name for constraint in Lead._meta.constraints} == set(REFUSED)


@pytest.mark.parametrize("changes", [{"slots_total": 2}, {"slots_total": 1, "slots_sold": 0}, {"slots_sold": 0}])
def test_slots_are_fixed_for_ever(changes):
    lead = make_lead(buyers=3)
    Lead.objects.filter(pk=lead.pk).update(slots_sold=1)
    refuse(lambda: Lead.objects.filter(pk=lead.pk).update(**changes), "slots are fixed for ever")


def test_control_without_the_trigger_they_are_not():
    lead = make_lead(buyers=3)
    with without("leads_slots_fixed"):
        assert Lead.objects.filter(pk=lead.pk).update(slots_total=2) == 1


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("leads_vertical_range", {"low_cents": 99}),
        ("leads_vertical_range", {"low_cents": 5000, "high_cents": 4999}),
        ("leads_exclusive_factor", {"exclusive_percent": 199}),
        ("leads_exclusive_factor", {"exclusive_percent": 401}),
    ],
)
def test_a_vertical_like_this_is_refused(name, changes):
    make_verticals()
    refuse(lambda: Vertical.objects.filter(slug="solar").update(**changes), name)


def test_a_supplier_has_one_of_three_grades():
    for grade in "ABC":
        Supplier.objects.create(slug=grade, name=grade, grade=grade)
    refuse(lambda: Supplier.objects.create(slug="d", name="D", grade="D"), "leads_grade_known")


def test_a_vertical_stands_once():
    make_verticals()
    with pytest.raises(IntegrityError), transaction.atomic():
        Vertical.objects.create(
            slug="solar", name="Solar", icon="sun", low_cents=100, high_cents=200, exclusive_percent=200
        )
    make_verticals()
    assert Vertical.objects.count() == len(KINDS)
