"""What supply holds about a person is declared and found."""

import pytest
from django.apps import apps
from django.urls import reverse

from marketplace.leads.models import Lead
from marketplace.supply.services import import_file
from privacy.declare.data_sets import data_sets

from .files import let_in, row, write

# What says nothing about a person: the file as a whole, and what columns are called.
ABOUT_FILES = {"supply.ImportBatch": "*", "supply.KeptColumn": "*"}


@pytest.mark.django_db
@pytest.mark.usefixtures("zip_codes")
def test_it_works(tmp_path):
    import_file(write(tmp_path, [row(), row(phone_1="1")]))
    rows = data_set("supply.rows")
    lead = Lead.objects.get()
    assert list(rows.people()) == [lead.pk]
    (held,) = rows.rows(lead.pk)
    assert (held["line"], held["outcome"], held["lead_id"]) == (2, "accepted", lead.pk)


def data_set(key):
    return next(one for one in data_sets() if one.key == key)


def test_files_and_withdrawals_are_found(as_charlie, charlie, bob, tmp_path):
    content = write(tmp_path, [row(phone_1="1"), row(consent_text="")]).read_bytes()  # the second is on hold
    upload = let_in(as_charlie, content)
    as_charlie.post(reverse("admin:supply_withdraw", args=[upload.batch_id]), {"reason": "A test."})
    as_charlie.post(reverse("admin:supply_undo_withdrawal", args=[upload.batch_id]))
    lead = Lead.objects.get()
    assert list(data_set("supply.files").people()) == list(data_set("supply.withdrawn").people()) == [lead.pk]
    (file,) = data_set("supply.files").rows(lead.pk)
    assert file["public_id"] == upload.public_id
    (withdrawn,) = data_set("supply.withdrawn").rows(lead.pk)
    assert withdrawn["came_back"] is True
    assert set(data_set("supply.staff").people()) == {charlie.pk}
    assert [sorted(row) for row in data_set("supply.staff").rows(charlie)] == [
        ["created_at", "options", "public_id", "state"],
        ["batch", "made_at", "reason"],
        ["batch", "undone_at"],
    ]
    assert list(data_set("supply.staff").rows(bob)) == []


def test_every_column_is_declared_or_about_files():
    declared: dict[str, set[str]] = {}
    for one in data_sets():
        for label, columns in one.fields.items():
            declared.setdefault(label, set()).update(columns)
    for model in apps.get_app_config("supply").get_models():
        label = model._meta.label
        columns = {field.name for field in model._meta.concrete_fields if not field.primary_key}
        assert ABOUT_FILES.get(label) == "*" or columns == declared[label]
