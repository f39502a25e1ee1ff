"""`/my-leads/exports/<id>/` and its file: how far it is, and then the download, for a day and for its owner."""

from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse

from marketplace.core import clock
from marketplace.purchases import export_jobs, exports
from marketplace.purchases.models import Export
from marketplace.purchases.tasks import forget

from .conftest import bought


@pytest.fixture(autouse=True)
def _here(settings, tmp_path, monkeypatch):
    settings.EXPORT_FILES = tmp_path / "exports"
    monkeypatch.setattr(exports, "BATCH", 2)


@pytest.fixture
def export(alice):
    """An export of Alice's three leads that waits."""
    for _ in range(3):
        bought(alice)
    return export_jobs.start_export(alice, "csv", {}, rows=3)


def urls(export):
    return [reverse(f"purchases:{name}", args=[export.public_id]) for name in ("export", "export_file")]


def test_it_works(as_alice, export):
    page, file = urls(export)

    response = as_alice.get(page)
    text = response.content.decode()
    assert "Your file is being written" in text
    assert "Waiting for its turn." in text
    assert "You can leave this page" in text
    assert response["Refresh"] == "5"
    assert as_alice.get(file)["Location"] == page, "not ready"

    export_jobs.write_waiting()
    response = as_alice.get(page)
    assert "Your file is ready" in response.content.decode()
    assert "Refresh" not in response
    assert f'href="{file}"' in response.content.decode()
    assert as_alice.get(file).status_code == 200


def test_the_progress_is_shown_in_numbers(as_alice, export):
    Export.objects.update(state="writing", rows_done=2)
    text = as_alice.get(urls(export)[0]).content.decode()
    assert "2 of 3 leads are written." in text
    assert 'value="2" max="3"' in text


def test_the_worker_says_how_far_it_is(export, monkeypatch):
    said = []
    real = export_jobs._update

    def update(export, **changes):
        said.append(changes.get("rows_done"))
        real(export, **changes)

    monkeypatch.setattr(export_jobs, "_update", update)
    export_jobs.write_waiting()
    assert said[:2] == [2, 3]


def test_refreshing_can_be_stopped(as_alice, export):
    assert "Refresh" not in as_alice.get(f"{urls(export)[0]}?still=1")


def test_my_leads_links_it(as_alice, export):
    assert f'href="{urls(export)[0]}"' in as_alice.get("/my-leads/").content.decode()


def test_after_a_day_it_is_gone(as_alice, alice, export, settings):
    export_jobs.write_waiting()
    for days, files in ((2, 0), (40, 0)):
        with time_machine.travel(clock.now() + timedelta(days=days)):
            as_alice.force_login(alice)
            answers = [as_alice.get(url).status_code for url in urls(export)]
            assert answers == [410, 410]
            forget()
            assert len(list(settings.EXPORT_FILES.iterdir())) == files
    assert not Export.objects.exists(), "after a month not even the row is there"


def test_a_file_younger_than_a_day_stays(as_alice, export, settings):
    export_jobs.write_waiting()
    forget()
    assert len(list(settings.EXPORT_FILES.iterdir())) == 1
    assert as_alice.get(urls(export)[1]).status_code == 200


@pytest.mark.parametrize("damage", ["lost", "cut", "empty", "another"])
def test_a_file_that_does_not_open_is_gone(as_alice, alice, export, damage):
    export_jobs.write_waiting()
    export.refresh_from_db()
    path = export_jobs.path_of(export)
    if damage == "lost":
        path.unlink()
    elif damage == "another":
        other = export_jobs.start_export(alice, "csv", {}, rows=3)
        export_jobs.write_waiting()
        other.refresh_from_db()
        path.write_bytes(export_jobs.path_of(other).read_bytes())
    else:
        path.write_bytes(path.read_bytes()[:40] if damage == "cut" else b"")
    response = as_alice.get(urls(export)[1])
    assert response.status_code == 410
    assert "This file was deleted" in response.content.decode()


def test_others_do_not_exist(client, bob, charlie, export):
    export_jobs.write_waiting()
    for who in (bob, charlie):
        client.force_login(who)
        assert [client.get(url).status_code for url in urls(export)] == [404, 404]


def test_a_visitor_signs_in(client, export):
    for url in urls(export):
        assert client.get(url)["Location"].startswith(reverse("account_login"))


def test_only_reading(as_alice, export):
    assert [as_alice.post(url).status_code for url in urls(export)] == [405, 405]
