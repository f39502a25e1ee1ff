"""Published texts never change, and an acceptance names the exact bytes."""

import hashlib
from datetime import UTC, date, datetime

import pytest
import time_machine
from django.db import DatabaseError, connection, transaction

from privacy.policy import services
from privacy.policy.models import Acceptance, Document, PolicyVersion
from privacy.policy.services import (
    StaleText,
    TextChanged,
    accept,
    accepted_sha256,
    html_of,
    in_force,
    load_texts,
    sha256_of,
)
from tests.guards import without

pytestmark = pytest.mark.django_db


def test_it_works(alice):
    terms = in_force(Document.TERMS)
    assert terms.sha256 == hashlib.sha256(terms.text.encode()).hexdigest()
    assert accepted_sha256(alice.pk, Document.TERMS) == terms.sha256


def test_loading_twice_changes_nothing():
    assert load_texts() == []
    assert PolicyVersion.objects.count() == 1


def test_a_new_text_is_published_beside_the_old(tmp_path, monkeypatch, alice):
    for path in services.TEXTS.glob("*.md"):
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "terms-2.md").write_text("effective: 2027-01-01\n\nNew terms.\n")
    monkeypatch.setattr(services, "TEXTS", tmp_path)
    first = in_force(Document.TERMS)
    assert [version.number for version in load_texts()] == [2]
    assert accepted_sha256(alice.pk, Document.TERMS) == first.sha256


def publish(number: int, effective_on: date) -> None:
    text = f"Version {number}."
    PolicyVersion.objects.create(
        document=Document.TERMS, number=number, text=text, sha256=sha256_of(text), effective_on=effective_on
    )


def test_a_text_is_in_force_from_its_day_on():
    publish(2, date(2027, 1, 1))
    publish(3, date(2027, 3, 1))
    for moment, number in {
        "2026-12-31 23:59:59": 1,
        "2027-01-01 00:00:00": 2,
        "2027-02-28 23:59:59": 2,
        "2027-03-01 00:00:00": 3,
        "2030-01-01 00:00:00": 3,
    }.items():
        with time_machine.travel(datetime.fromisoformat(f"{moment}+00:00"), tick=False):
            assert in_force(Document.TERMS).number == number, moment


def test_before_the_first_day_the_first_text_is_in_force():
    """A clock that is wrong must not leave the site without terms."""
    publish(2, date(2027, 1, 1))
    with time_machine.travel(datetime(2020, 1, 1, tzinfo=UTC), tick=False):
        assert in_force(Document.TERMS).number == 1


def test_an_edited_text_is_refused(tmp_path, monkeypatch):
    (tmp_path / "terms-1.md").write_text("effective: 2026-11-01\n\nOther words.\n")
    monkeypatch.setattr(services, "TEXTS", tmp_path)
    with pytest.raises(TextChanged):
        load_texts()


def test_a_text_without_date_is_refused(tmp_path, monkeypatch):
    (tmp_path / "terms-2.md").write_text("No date.\n")
    monkeypatch.setattr(services, "TEXTS", tmp_path)
    with pytest.raises(ValueError, match="effective"):
        load_texts()


@pytest.mark.parametrize("table", ["policy_policyversion", "policy_acceptance"])
def test_neither_texts_nor_acceptances_are_changed_or_deleted(alice, table):
    for statement in (f"UPDATE {table} SET sha256 = 'x'", f"DELETE FROM {table}"):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


def test_control_without_the_guard_a_text_can_be_edited():
    names = ("policy_policyversion_no_update", "policy_policyversion_no_change")
    with without(*names), connection.cursor() as cursor:
        cursor.execute("UPDATE policy_policyversion SET text = 'x'")
    assert PolicyVersion.objects.filter(text="x").exists()


def test_agreeing_twice_is_one_acceptance(alice):
    terms = in_force(Document.TERMS)
    accept(alice, terms, sha256=terms.sha256, surface="again")
    assert Acceptance.objects.filter(user=alice).count() == 1


def test_agreeing_to_other_bytes_is_refused(alice):
    with pytest.raises(StaleText):
        accept(alice, in_force(Document.TERMS), sha256="0" * 64, surface="x")


def test_html_in_a_text_is_shown_not_run():
    version = PolicyVersion(text="<script>alert(1)</script>\n\n[x](javascript:alert(1))")
    assert "<script>" not in html_of(version)
    assert 'href="javascript' not in html_of(version)
