"""Looking at personal details: written down before, append-only, 50 an hour, then a second person."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from marketplace.core import clock
from marketplace.core.two_people import SamePerson
from privacy.declare.data_sets import data_sets
from privacy.vault import reveals
from privacy.vault.models import MoreReveals, Reveal
from tests.guards import without
from tests.people import make_member

# transaction=True: a look is recorded in a transaction of its own.
pytestmark = pytest.mark.django_db(transaction=True)
REASON = "Asked for their balance on the phone."


@pytest.fixture
def dana(db):
    return make_member("Dana", is_staff=True)


def look(staff, subject_id="m234567", about="member", read=lambda: "details"):
    return reveals.reveal(staff, about, subject_id, reason=REASON, read=read)


def test_it_works(charlie):
    assert look(charlie) == "details"
    row = Reveal.objects.get()
    assert (row.staff, row.about, row.subject_id, row.reason) == (charlie, "member", "m234567", REASON)


def test_it_is_written_down_before_anything_is_read(charlie):
    def read():
        assert Reveal.objects.count() == 1

    look(charlie, read=read)


def test_what_cannot_be_written_down_is_not_read(charlie, monkeypatch):
    def broken(*args, **kwargs):
        raise DatabaseError("disk full")

    monkeypatch.setattr(Reveal.objects, "create", broken)
    read = []
    with pytest.raises(DatabaseError):
        look(charlie, read=lambda: read.append("seen"))
    assert read == []


def test_never_inside_a_transaction_that_could_undo_it(charlie):
    with transaction.atomic(), pytest.raises(RuntimeError):
        look(charlie)
    assert not Reveal.objects.exists()


def test_the_record_stays(charlie):
    look(charlie)
    for change in (lambda rows: rows.update(reason="x"), lambda rows: rows.delete()):
        with pytest.raises(DatabaseError), transaction.atomic():
            change(Reveal.objects.all())
    assert Reveal.objects.get().reason == REASON


def test_control_without_its_triggers_the_record_does_not_stay(charlie):
    look(charlie)
    names = ("vault_reveal_no_update", "vault_reveal_no_delete", "vault_reveal_no_change")
    with without(*names):
        Reveal.objects.update(reason="x")
    assert Reveal.objects.get().reason == "x"


@pytest.mark.parametrize("changes", [{"reason": ""}, {"subject_id": ""}, {"about": "cat"}])
def test_the_database_refuses_a_look_without_a_reason(charlie, changes):
    whole = {"staff": charlie, "about": "member", "subject_id": "m1", "reason": REASON, "revealed_at": clock.now()}
    with pytest.raises(IntegrityError), transaction.atomic():
        Reveal.objects.create(**whole | changes)


def test_fifty_one_in_an_hour_are_too_many(charlie, dana):
    for number in range(50):
        look(charlie, f"m{number}")
    read = []
    with pytest.raises(reveals.TooManyReveals) as refusal:
        look(charlie, read=lambda: read.append("seen"))
    assert (refusal.value.status, refusal.value.retry_after) == (429, 3600)
    assert read == []
    assert Reveal.objects.count() == 50
    assert look(dana) == "details", "the others are not held up"


def test_the_same_person_again_is_one_person(charlie):
    """Every look is written down; what counts towards the fifty are people."""
    for number in [*range(50), 7, 7, 49]:
        look(charlie, f"m{number}")
    assert Reveal.objects.count() == 53
    assert reveals.people_left(charlie) == 0
    with pytest.raises(reveals.TooManyReveals, match="looked at 50 people"):
        look(charlie, "m50")


def test_an_hour_later_they_are_not(charlie, monkeypatch):
    for number in range(50):
        look(charlie, f"m{number}")
    later = clock.now() + timedelta(hours=1, seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert look(charlie) == "details"


def test_a_second_person_allows_more(charlie, dana):
    for number in range(50):
        look(charlie, f"m{number}")
    request = reveals.ask_for_more(charlie, reason="A supplier's file was bad, calling all its buyers.")
    assert reveals.ask_for_more(charlie, reason="Again.") == request
    with pytest.raises(SamePerson):
        reveals.allow_more(charlie, request)
    with pytest.raises(reveals.TooManyReveals):
        look(charlie)
    reveals.allow_more(dana, request)
    assert reveals.people_left(charlie) == 50
    assert look(charlie) == "details"


def test_a_declined_one_allows_nothing(charlie, dana):
    request = reveals.ask_for_more(charlie, reason="Curious.")
    reveals.decline_more(dana, request, answer="No.")
    assert reveals.people_left(charlie) == 50
    assert MoreReveals.objects.get().answer == "No."


def test_the_member_sees_it_later(charlie, alice, bob):
    look(charlie, alice.public_id)
    declared = next(one for one in data_sets() if one.key == "vault.reveals")
    assert {alice.pk, charlie.pk} == set(declared.people())
    rows = list(declared.rows(alice))
    assert [(row["staff__handle"], row["reason"]) for row in rows] == [("Charlie", REASON)]
    assert list(declared.rows(bob)) == []
    assert alice.public_id not in str(list(declared.rows(charlie)))
