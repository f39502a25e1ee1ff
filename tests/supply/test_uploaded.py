"""Before anything comes in staff see what would, without a contact; afterwards how far it is."""

from datetime import timedelta
from html import unescape

import pytest
from django.urls import reverse

from marketplace.core import clock
from marketplace.leads.models import Lead, LeadContact, Supplier, Suppression, Vertical
from marketplace.leads.services import make_verticals
from marketplace.supply import files, reading
from marketplace.supply.columns import FIELDS
from marketplace.supply.labels import LABELS_OF_FIELDS, in_words
from marketplace.supply.models import ImportBatch, ImportRow, KeptColumn, Upload
from marketplace.supply.services import import_file
from marketplace.supply.tasks import tidy
from privacy.vault import files as sealed_files
from privacy.vault.files import PIECE

from .files import let_in, on_disk, row, upload, without, write


@pytest.fixture
def page(as_charlie, tmp_path):
    """A function that uploads rows and answers the page to which that leads."""

    def look(*rows, **fields):
        content = write(tmp_path, rows).read_bytes()
        return as_charlie.get(upload(as_charlie, content, **fields).url)

    return look


def everything():
    """All that could have been written about stock."""
    models = (Lead, LeadContact, Supplier, Suppression, ImportBatch, ImportRow, KeptColumn)
    return [model.objects.count() for model in models]


def test_it_works(page, tmp_path):
    import_file(write(tmp_path, [first := row(reference="known")], name="before.csv"))
    before = everything()
    shown = page(
        row(last_name="Canary", supplier="New Supply"),
        row(phone_1="canary"),
        without("consent_text"),
        row(consent_revoked_at=clock.now().isoformat(), phone_1=first["phone_1"]),
        first | {"reference": "again", "supplier": "Another"},
    )
    assert shown.status_code == 200
    text = shown.text.partition('id="content"')[2]
    for words in (
        "Goes on sale", 'Rejected: Phone (column "phone_1") is not a valid US phone number.',
        "On hold: No consent record", "Rejected: The consent was revoked.",
        "Columbus, OH", "Auto insurance", "New Supply", "Vehicles: 2",
    ):  # fmt: skip
        assert words in unescape(text), words
    assert everything() == before, "a preview writes nothing"
    assert Lead.objects.get().status == "open", "not even what a row says about a consent"


def test_duplicates_are_foreseen(page, tmp_path):
    first = row()
    import_file(write(tmp_path, [first], name="before.csv"))
    text = page(first | {"reference": "again"}, one := row(), one | {"reference": "too"}).text
    assert "Duplicate: The same phone or email is in stock" in text
    assert "Duplicate: The same phone or email is on line 3" in text


def test_no_contact_is_shown(page):
    secret = {
        "first_name": "Xanthippe", "last_name": "Canary", "email": "canary@example.org", "phone_1": "614-555-0199",
        "address_1": "77 Canary Street", "comments": "Canary asks for a call", "reference": "CANARY-REF",
        "agent": "Xanthippe", "call_me": "614 555 0199", "Mail 2": "canary.two@example.org", "pets": "two dogs",
    }  # fmt: skip
    shown = page(row(**secret), row(first_name="Xanthippe", phone_1="wrong canary"))
    text = shown.text.partition('id="content"')[2]
    for value in ("anary", "Xanthippe", "0199", "CANARY"):
        assert value not in text
    assert 'class="mask' in text
    assert "like two dogs" in text, "an answer that would be public is shown, to decide about"
    assert "agent" in text
    assert "Mail 2: left out, it looks personal" in text


def test_says_which_column_would_cost_leads(page):
    costly = {"agent": "call 614 555 0199", "pets": "two dogs"}
    text = unescape(page(row(**costly), row(**costly), row(agent="", pets="one cat"), row(phone_1="wrong")).text)
    agent, pets = (text.partition(f'value="{name}"')[2].partition("</li>")[0] for name in ("agent", "pets"))
    assert "With it 2 of the first 4 rows would be rejected" in agent
    assert "would be rejected" not in pets
    assert "like two dogs, one cat" in pets


def test_what_each_column_is_read_as(page):
    more = {"Zip  Code": "43215", "Cell Phone": "614-555-0188", "favourite_colour": "green"}
    lines = [without("postal_code", **more), without("postal_code", **more, consent_text="")]
    text = unescape(page(*lines).text)
    assert '<th scope="row">Zip Code</th><td>ZIP code</td>' in text
    assert '<th scope="row">vehicle.count</th><td>Vehicles</td>' in text
    assert "Left out, because another column says the same: Cell Phone." in text
    assert 'Favourite colour (column "favourite_colour"), like green' in text
    assert "it takes consent wording (column" in text


def test_every_column_has_a_label():
    assert LABELS_OF_FIELDS.keys() == FIELDS.keys()


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("phone_1 is not a valid US phone number.", 'Phone (column "Cell") is not a valid US phone number.'),
        ("state contradicts postal_code.", 'State contradicts ZIP code (column "plz").'),
        ("vehicle.count is longer than 80 characters.", "Vehicles is longer than 80 characters."),
        ("favourite_colour is longer than 80 characters.", "Favourite colour is longer than 80 characters."),
        ("origin_site is not the name of a site.", "Site of origin is not the name of a site."),
        ("No origin: it takes origin_site.", "No origin: it takes site of origin."),
        ("The row has 3 cells, the header 4.", "The row has 3 cells, the header 4."),
        ("", ""),
    ],
)
def test_reasons_in_the_words_of_staff(reason, words):
    assert in_words(reason, {"phone_1": "Cell", "postal_code": "plz", "state": "state"}) == words


def test_ticks_are_remembered_for_the_supplier(as_charlie, tmp_path):
    def look(*names, supplier):
        content = write(tmp_path, [without("supplier", **dict.fromkeys(names, "2"))]).read_bytes()
        url = upload(as_charlie, content, supplier=supplier).url
        return url, as_charlie.get(url).text

    url, text = look("pets", "pool", supplier="Test Supply")
    assert " checked" not in text
    assert as_charlie.post(f"{url}start/", {"keep": ["pets"]}).status_code == 302
    url, text = look("pets", "pool", supplier="Test  supply")
    assert 'value="pets" id="keep-1" checked' in text
    assert text.count(" checked") == 1
    _, other = look("pets", "pool", supplier="Another")
    assert " checked" not in other
    as_charlie.post(f"{url}start/", {"keep": ["pool"]})
    _, text = look("pets", "pool", supplier="Test Supply")
    assert 'value="pool" id="keep-2" checked' in text
    assert text.count(" checked") == 1


def test_a_column_that_must_not_be_kept(as_charlie, tmp_path):
    content = write(tmp_path, [row(**{"mobile two": "1", "pets": "2"})]).read_bytes()
    url = upload(as_charlie, content).url
    for keep in (["mobile_two"], ["phone_1"], ["nothing"], ["pets", "email"]):
        answer = as_charlie.post(f"{url}start/", {"keep": keep})
        assert answer.status_code == 422
        assert "no column of the file that may be kept" in answer.text
    assert Upload.objects.get().state == "preview"


def test_cancel_deletes_the_file(as_charlie, tmp_path):
    url = upload(as_charlie, write(tmp_path, [row()]).read_bytes()).url
    for _ in range(2):
        answer = as_charlie.post(f"{url}cancel/", follow=True)
        assert "The file was deleted. Nothing of it came in." in answer.text
    assert on_disk() == []
    assert Upload.objects.get().state == "cancelled"
    assert "Nothing of it came in." in as_charlie.get(url).text
    assert as_charlie.post(f"{url}start/").status_code == 302
    assert Upload.objects.get().state == "cancelled"


def test_how_far_it_is(as_charlie, tmp_path):
    url = upload(as_charlie, write(tmp_path, [row()]).read_bytes()).url
    as_charlie.post(f"{url}start/")
    page = as_charlie.get(url)
    assert page["Refresh"] == "5"
    assert "You can leave this page" in page.text
    assert "Refresh" not in as_charlie.get(f"{url}?still=1")
    found = Upload.objects.get()
    ImportBatch.objects.create(sha256=found.sha256, started_at=clock.now(), read_to=7000, accepted=6500, rejected=499)
    Upload.objects.update(state="running", lines=10_001)
    text = as_charlie.get(url).text
    assert "7,000 of 10,001 lines are done." in text
    assert 'value="7000" max="10001"' in text
    assert "6,500" in text
    assert url in as_charlie.get(reverse("admin:supply_importbatch_changelist")).text


def test_done_it_leads_to_the_report(as_charlie, tmp_path):
    done = let_in(as_charlie, write(tmp_path, [row()]).read_bytes())
    answer = as_charlie.get(reverse("admin:supply_uploaded", args=[done.public_id]))
    assert answer.url == reverse("admin:supply_importbatch_change", args=[done.batch_id])


def test_a_file_that_is_gone_or_damaged(as_charlie, tmp_path, uploads):
    url = upload(as_charlie, write(tmp_path, [row()]).read_bytes()).url
    path = files.content_of(Upload.objects.get().public_id).path
    path.write_bytes(path.read_bytes()[:-1])
    for answer in (as_charlie.get(url), as_charlie.post(f"{url}start/")):
        assert answer.status_code == 422
        assert "cannot be read back" in answer.text
    path.unlink()
    assert "The uploaded file is gone." in as_charlie.get(url).text
    assert as_charlie.post(f"{url}cancel/").status_code == 302


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_look_reads_no_more_than_the_first_rows(as_charlie, tmp_path, monkeypatch, encoding):
    """However large the file is: it was read to its end once, when it came."""
    rows = [row(last_name="Peña", supplier="Señor Supply"), *(row() for _ in range(4000))]
    content = write(tmp_path, rows, encoding=encoding).read_bytes()
    assert len(content) > 4 * PIECE
    url = upload(as_charlie, content).url
    opened, real = [], sealed_files.unseal_bytes

    def unseal(*args, **kwargs):
        opened.append(1)
        return real(*args, **kwargs)

    monkeypatch.setattr(sealed_files, "unseal_bytes", unseal)
    monkeypatch.setattr(reading, "_examine", lambda file: 1 / 0)
    page = as_charlie.get(url)
    assert "Señor Supply" in page.text
    assert len(opened) <= 5, "its first piece, for each separator and for the rows"
    assert as_charlie.post(f"{url}start/").status_code == 302
    assert len(opened) <= 15


def test_one_that_was_received_before_that_was_noted(as_charlie, tmp_path):
    url = upload(as_charlie, write(tmp_path, [row(supplier="Señor Supply")], encoding="cp1252").read_bytes()).url
    Upload.objects.update(encoding="")
    assert "Señor Supply" in as_charlie.get(url).text


def test_strangers(client, alice, as_charlie, tmp_path):
    url = upload(as_charlie, write(tmp_path, [row()]).read_bytes()).url
    assert as_charlie.get(reverse("admin:supply_uploaded", args=["nobody"])).status_code == 404
    assert as_charlie.get(f"{url}start/").status_code == 405
    client.force_login(alice)
    assert client.get(url).status_code == 302
    assert client.post(f"{url}start/").status_code == 302
    assert client.post(f"{url}cancel/").status_code == 302
    assert Upload.objects.get().state == "preview"


def test_a_day_later_it_is_deleted(as_charlie, tmp_path):
    upload(as_charlie, write(tmp_path, [row()]).read_bytes())
    tidy()
    assert on_disk() == [".upload"]
    Upload.objects.update(created_at=clock.now() - timedelta(days=1, seconds=1))
    tidy()
    assert on_disk() == []
    assert Upload.objects.get().state == "cancelled"


def test_the_line_of_business_for_all_rows(page):
    make_verticals()
    text = page(without("vertical supplier"), vertical="solar", supplier="Sun Supply").text
    assert Vertical.objects.get(slug="solar").name in text
    assert "Sun Supply" in text
