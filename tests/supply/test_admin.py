"""Staff see what became of each file and row, never a value."""

from html import unescape

import pytest
from django.urls import reverse

from marketplace.supply.services import import_file

from .files import row, without, write


@pytest.fixture
def batch(tmp_path, zip_codes):
    path = write(tmp_path, [row(last_name="Canary"), row(phone_1="canary"), row(email="canary@example"), row()])
    return import_file(path).batch


def test_it_works(client, charlie, batch):
    client.force_login(charlie)
    page = client.get(reverse("admin:supply_importbatch_changelist")).content.decode()
    assert f"Import {batch.pk}" in page
    page = client.get(reverse("admin:supply_importbatch_change", args=[batch.pk])).content.decode()
    assert f"/admin/supply/importrow/?batch__id__exact={batch.pk}" in page
    page = client.get(reverse("admin:supply_importrow_changelist"), {"batch__id__exact": batch.pk}).content.decode()
    assert 'Phone (column "phone_1") is not a valid US phone number.' in unescape(page)
    assert "anary" not in page


def test_a_file_says_whose_it_is_and_what_for(client, charlie, batch):
    client.force_login(charlie)
    for page in (
        client.get(reverse("admin:supply_importbatch_changelist")).text,
        client.get(reverse("admin:supply_importbatch_change", args=[batch.pk])).text,
    ):
        assert "Test Supply" in page
        assert "Auto insurance" in page
        assert "{" not in page.partition('id="content"')[2].partition("<footer")[0]
    assert (batch.suppliers, batch.verticals) == (["Test Supply"], ["Auto insurance"])


def test_a_row_shows_its_lead_by_public_id(client, charlie, batch):
    client.force_login(charlie)
    taken = batch.rows.filter(outcome="accepted").first()
    page = client.get(reverse("admin:supply_importrow_change", args=[taken.pk])).content.decode()
    assert taken.lead.public_id in page
    assert "anary" not in page


@pytest.mark.parametrize("name", ["importbatch", "importrow"])
def test_nothing_can_be_changed(client, charlie, batch, name):
    client.force_login(charlie)
    assert client.get(reverse(f"admin:supply_{name}_add")).status_code == 403
    row_id = batch.pk if name == "importbatch" else batch.rows.first().pk
    assert client.post(reverse(f"admin:supply_{name}_change", args=[row_id]), {}).status_code == 403
    assert client.post(reverse(f"admin:supply_{name}_delete", args=[row_id]), {"post": "yes"}).status_code == 403


def test_as_many_queries_for_many_rows(client, charlie, zip_codes, tmp_path, django_assert_max_num_queries):
    client.force_login(charlie)
    import_file(write(tmp_path, [row() for _ in range(60)]))
    with django_assert_max_num_queries(8):
        client.get(reverse("admin:supply_importrow_changelist"))


def test_buyers_do_not_see_it(client, alice, batch):
    client.force_login(alice)
    assert client.get(reverse("admin:supply_importbatch_changelist")).status_code in (302, 404)


def test_the_report_groups_the_reasons(client, charlie, zip_codes, tmp_path, django_assert_max_num_queries):
    one = row()
    rows = [one, *(row(phone_1="1") for _ in range(12)), *(one | {"reference": f"{n}"} for n in range(3))]
    rows += [row(consent_text=""), row(), row()]
    path = write(tmp_path, rows)
    path.write_text(path.read_text() + '"half\na row"\n')
    batch = import_file(path).batch
    assert batch.rows.by_reason() == [
        ("rejected", "phone_1 is not a valid US phone number.", 12),
        ("duplicate", "The same phone or email is further up in the file.", 3),
        ("held", "No consent record: it takes consent_text, consent_at and consent_page.", 1),
        ("rejected", "The row has too few or too many cells: a quote may be missing.", 1),
    ]
    client.force_login(charlie)
    with django_assert_max_num_queries(16):
        page = client.get(reverse("admin:supply_importbatch_change", args=[batch.pk])).text
    assert '12 × Rejected: Phone (column "phone_1") is not a valid US phone number.' in unescape(page)


def test_the_report_says_what_was_chosen_in_words(client, charlie, zip_codes, tmp_path):
    client.force_login(charlie)
    path = write(tmp_path, [without("vertical", favourite_colour="green", Pool="yes")])
    batch = import_file(path, vertical="auto-insurance", keep=["favourite_colour", "pool"]).batch
    page = unescape(client.get(reverse("admin:supply_importbatch_change", args=[batch.pk])).text)
    assert 'Favourite colour (column "favourite_colour"), Pool<' in page
    assert "auto-insurance" not in page.partition('id="content"')[2]
    assert batch.headers["pool"] == "Pool"


def test_a_file_from_before_its_headers_were_noted(client, charlie, batch):
    client.force_login(charlie)
    batch.headers = {}
    batch.save()
    page = client.get(reverse("admin:supply_importbatch_change", args=[batch.pk])).text
    assert "Rejected: Phone is not a valid US phone number." in page
