"""The look at the site's own work: each thing that can be wrong is told to the owners, and nothing else is."""

from collections import namedtuple
from datetime import timedelta

import pytest
from django.db import OperationalError

from marketplace import tasks
from marketplace import watch as watching
from marketplace.core import clock
from marketplace.mail.models import Category, OutgoingEmail
from marketplace.mail.services import render, send
from marketplace.models import CheckRun, TaskFailure
from marketplace.queues import failed_tasks
from marketplace.tasks import watch as task
from marketplace.wallet.models import EventCursor, StripeEvent
from marketplace.watch import concerns, watch
from tests.people import give

pytestmark = pytest.mark.django_db
FAILED = "Tasks that ended with an error within a day:"
Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def free(monkeypatch):
    """Call it with the bytes that are free; at first there are plenty."""

    def set_free(number):
        monkeypatch.setattr(watching.shutil, "disk_usage", lambda folder: Usage(10**12, 0, number))

    set_free(10**11)
    return set_free


@pytest.fixture(autouse=True)
def at_work(db):
    """Beat and a worker have been there for a while."""
    look("watch", minutes=15)


def names() -> list[str]:
    return [concern.name for concern in concerns()]


def ago(**time) -> object:
    return clock.now() - timedelta(**time)


def queue_mail(user, **changes) -> None:
    send(user, category=Category.RECEIPT, template="x", context={}, key=f"test:{OutgoingEmail.objects.count()}")
    OutgoingEmail.objects.filter(pk=OutgoingEmail.objects.latest("id").pk).update(**changes)


def look(what="ledger", findings=(), **time) -> None:
    at = ago(**time)
    CheckRun.objects.create(
        what=what, started_at=at, ended_at=at, findings_count=len(findings), first_findings=list(findings)
    )


def event(state) -> None:
    now = clock.now()
    StripeEvent.objects.create(
        event_id=f"evt_{state}",
        type="x",
        object_id="x",
        happened_at=now,
        received_at=now,
        available_at=now,
        state=state,
    )


def test_it_works(alice, charlie):
    give(alice, 5_000)
    look(hours=25)
    queue_mail(alice)
    EventCursor.objects.create(read_until=ago(minutes=20))
    task()
    run = CheckRun.objects.of("watch").newest()
    assert (run.findings_count, run.first_findings) == (0, [])
    assert OutgoingEmail.objects.count() == 1


def test_a_machine_that_was_off_over_night_is_late_and_not_wrong(alice):
    queue_mail(alice, available_at=ago(hours=8))
    EventCursor.objects.create(read_until=ago(hours=8))
    CheckRun.objects.all().delete()
    look("watch", hours=8)
    assert names() == []
    look("watch", minutes=5)
    assert names() == []
    look("watch", minutes=13)
    assert names() == ["mail-waits", "sweep-late"]


def test_a_concern_is_told_once_a_day_and_kept(charlie, free):
    free(999_999_999)
    watch()
    watch()
    mail = render(OutgoingEmail.objects.get())
    assert mail.to == [charlie.email]
    assert mail.subject == "The site needs a look: the disk is nearly full"
    assert "999 MB are free" in mail.body
    assert "What to do: Make room" in mail.body
    said = "Where the site writes its files, 999 MB are free."
    assert list(CheckRun.objects.order_by("id").values_list("what", "first_findings"))[1:] == [("watch", [said])] * 2


def test_what_is_wrong_at_once_is_told_apart(charlie, free):
    free(1)
    event("dead")
    assert [concern.name for concern in watch()] == ["events-dead", "disk"]
    assert OutgoingEmail.objects.count() == 2


def test_a_day_of_looks_is_kept(charlie):
    look("watch", days=2)
    look("ledger", hours=1)
    look("ledger", days=400)
    watch()
    assert CheckRun.objects.of("watch").count() == 2
    assert CheckRun.objects.of("ledger").count() == 2


@pytest.mark.parametrize(
    ("changes", "is_late"),
    [
        ({"available_at": timedelta(minutes=16)}, True),
        ({"available_at": timedelta(minutes=14)}, False),
        ({"created_at": timedelta(days=1), "available_at": timedelta(minutes=-1)}, False),
        ({"available_at": timedelta(days=1), "state": "failed"}, False),
    ],
)
def test_mail_that_waits(alice, changes, is_late):
    """Only what is due is late: another try after a refusal has its own time."""
    queue_mail(alice, **{name: clock.now() - to if isinstance(to, timedelta) else to for name, to in changes.items()})
    assert names() == (["mail-waits"] if is_late else [])


def test_it_says_how_long(alice):
    queue_mail(alice, available_at=ago(minutes=61))
    queue_mail(alice)
    assert next(concerns()).said == "Mails wait to be sent: 2, the oldest for 61 minutes."


def test_mail_that_was_given_up(alice):
    queue_mail(alice, state="failed", claimed_at=ago(hours=25))
    assert names() == []
    queue_mail(alice, state="failed", claimed_at=ago(hours=23), context="")
    assert names() == [], "a mailbox that does not exist is no fault of ours"
    queue_mail(alice, state="failed", claimed_at=ago(hours=23))
    assert names() == ["mail-dead"]


def test_tasks_that_fail(monkeypatch):
    def break_off():
        raise KeyError("alice@example.com")

    monkeypatch.setattr(tasks.watching, "watch", break_off)
    for failures in (1, 2, 3):
        assert names() == []
        assert tasks.watch.apply().state == "FAILURE"
        assert failed_tasks()["marketplace.watch"] == failures
    (concern,) = concerns()
    assert (concern.name, concern.said) == ("tasks-fail", f"{FAILED} marketplace.watch 3 times.")
    assert set(TaskFailure.objects.values_list("task", "error")) == {("marketplace.watch", "KeyError")}
    TaskFailure.objects.update(failed_at=ago(hours=25))
    assert names() == []
    monkeypatch.undo()
    watch()
    assert not TaskFailure.objects.exists(), "a day is enough"


def test_a_failure_that_cannot_be_kept(monkeypatch, log):
    def away(**values):
        raise OperationalError

    monkeypatch.setattr(tasks.TaskFailure.objects, "create", away)
    tasks.keep_failure(sender=task, exception=KeyError())
    assert "failure not kept" in log.getvalue()


@pytest.mark.parametrize("state", ["new", "done", "ignored", "dead"])
def test_events_that_were_given_up(state):
    event(state)
    assert names() == (["events-dead"] if state == "dead" else [])


def test_a_sweep_that_is_late():
    EventCursor.objects.create(read_until=ago(minutes=31))
    assert names() == ["sweep-late"]


def test_books_nobody_checks(alice):
    look(hours=27)
    assert names() == ["ledger-late"]
    look(hours=25)
    assert names() == []


def test_books_nobody_ever_checked(alice):
    assert names() == [], "a new site does not begin with an alert"
    give(alice, 5_000)
    assert names() == []


def test_old_books_nobody_ever_checked(alice, time_machine):
    give(alice, 5_000)
    time_machine.move_to(clock.now() + timedelta(hours=27))
    look("watch", minutes=15)
    assert names() == ["ledger-late"]


def test_books_that_do_not_add_up():
    look(findings=["ledger: account 1: below zero"])
    (concern,) = concerns()
    assert (concern.name, concern.what) == ("ledger", "the books do not add up")
    assert "ledger: account 1: below zero" in concern.said
    look()
    assert names() == []
