"""What supply holds about a person is declared and found."""

import pytest
from django.apps import apps

from marketplace.leads.models import Lead
from marketplace.supply.services import import_file
from privacy.declare.data_sets import data_sets

from .files import row, write

# What says nothing about a person: the file as a whole.
ABOUT_FILES = {"supply.ImportBatch": "*"}


@pytest.mark.django_db
@pytest.mark.usefixtures("zip_codes")
def test_it_works(tmp_path):
    import_file(write(tmp_path, [row(), row(phone_1="1")]))
    rows = next(data_set for data_set in data_sets() if data_set.key == "supply.rows")
    lead = Lead.objects.get()
    assert list(rows.people()) == [lead.pk]
    (held,) = rows.rows(lead.pk)
    assert (held["line"], held["outcome"], held["lead_id"]) == (2, "accepted", lead.pk)


def test_every_column_is_declared_or_about_files():
    declared = next(data_set for data_set in data_sets() if data_set.key == "supply.rows").fields
    for model in apps.get_app_config("supply").get_models():
        label = model._meta.label
        columns = {field.name for field in model._meta.concrete_fields if not field.primary_key}
        assert ABOUT_FILES.get(label) == "*" or columns == set(declared[label])
