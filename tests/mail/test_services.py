"""Every message leaves once: whatever the server, the network or a worker does."""

import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.urls import reverse

from marketplace.core import clock
from marketplace.mail import services
from marketplace.mail.models import Category, OutgoingEmail
from marketplace.mail.services import MAX_ATTEMPTS, deliver_due, send

State = OutgoingEmail.State
pytestmark = pytest.mark.django_db
NOBODY = "someone@example.net"


def queue(member, key="mail:1", *, template="accounts/email/verification", to=""):
    """A message to ``to`` (the member's own address without it)."""
    context = {"code": "12345678", "minutes": 15}
    send(member, category=Category.VERIFICATION, template=template, context=context, key=key, to=to)
    return OutgoingEmail.objects.get(key=key)


def state_of(row):
    row.refresh_from_db()
    return row.state


def test_it_works(alice, post_office):
    row = queue(alice)
    assert deliver_due() == 1
    assert post_office.recipients() == [alice.email]
    row.refresh_from_db()
    assert (row.state, row.context, row.problem) == (State.SENT, "", "")
    assert row.sent_at is not None
    assert deliver_due() == 0
    assert len(post_office.arrived) == 1


def test_a_message_has_text_and_html_and_names_its_row_only(alice, post_office):
    row = queue(alice)
    deliver_due()
    message = post_office.arrived[0]
    assert [part.get_content_type() for part in message.walk()][1:] == ["text/plain", "text/html"]
    assert row.public_id in message["Message-ID"]
    assert message["Auto-Submitted"] == "auto-generated"
    assert not {"Bcc", "Cc", "Reply-To", "X-Mailer"} & set(message.keys())


def test_the_waiting_row_is_sealed(alice):
    row = queue(alice, to=NOBODY)
    assert "12345678" not in row.context
    assert NOBODY not in row.context


def test_a_key_is_queued_once(alice, post_office):
    queue(alice)
    queue(alice)
    deliver_due()
    assert len(post_office.arrived) == 1


def test_nothing_is_queued_without_a_category(alice):
    with pytest.raises(ValueError, match="chat"):
        send(alice, category="chat", template="accounts/email/verification", context={}, key="mail:1")
    assert not OutgoingEmail.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_is_not_sent(alice, post_office):
    with pytest.raises(RuntimeError), transaction.atomic():
        queue(alice)
        raise RuntimeError
    assert deliver_due() == 0
    assert post_office.arrived == []


def test_many_messages_take_one_connection(alice, post_office):
    for number in range(20):
        queue(alice, f"mail:{number}")
    assert deliver_due() == 20
    assert post_office.connections == 1


def test_a_server_that_is_down_loses_nothing(alice, smtp_settings, wait):
    first, second = queue(alice, "mail:1"), queue(alice, "mail:2")
    assert deliver_due() == 0
    first.refresh_from_db()
    assert first.state == State.QUEUED
    assert first.problem == "ConnectionRefusedError"
    assert first.available_at > clock.now() + timedelta(seconds=3)
    assert first.context
    second.refresh_from_db()
    assert second.attempts == 0, "only the first pays for finding out"


def test_what_waited_for_the_server_leaves_when_it_is_back(alice, smtp_settings, wait, request):
    queue(alice, "mail:1")
    queue(alice, "mail:2")
    for _ in range(3):
        deliver_due()
        wait(timedelta(minutes=1))
    office = request.getfixturevalue("post_office")
    assert deliver_due() == 2
    assert len(office.arrived) == 2


def test_the_waits_grow(alice, smtp_settings, wait):
    row = queue(alice)
    waits = []
    for _ in range(4):
        deliver_due()
        row.refresh_from_db()
        waits.append(round((row.available_at - clock.now()).total_seconds()))
        wait(row.available_at - clock.now())
    assert waits == [5, 15, 45, 135]


@pytest.mark.parametrize("temper", ["rcpt 450 busy", "data 451 later"])
def test_not_now_means_later(alice, post_office, wait, temper):
    post_office.temper[alice.email] = temper
    row = queue(alice)
    deliver_due()
    assert state_of(row) == State.QUEUED
    assert row.problem.endswith(temper.split()[1])
    post_office.temper.clear()
    wait(timedelta(minutes=1))
    deliver_due()
    assert state_of(row) == State.SENT
    assert len(post_office.arrived) == 1


@pytest.mark.parametrize("temper", ["rcpt 550 nobody here", "data 554 never"])
def test_never_means_given_up_and_the_others_flow(alice, bob, post_office, wait, temper):
    post_office.temper[alice.email] = temper
    refused, good = queue(alice, "mail:1"), queue(bob, "mail:2")
    deliver_due()
    assert state_of(refused) == State.FAILED
    assert state_of(good) == State.SENT
    wait(timedelta(days=1))
    post_office.temper.clear()
    assert deliver_due() == 0


def test_dead_letters_are_found_in_the_admin(alice, charlie, post_office, client):
    post_office.temper[alice.email] = "rcpt 550 nobody here"
    row = queue(alice)
    deliver_due()
    client.force_login(charlie)
    page = client.get(reverse("admin:mail_outgoingemail_changelist"), {"state__exact": "failed"})
    assert page.status_code == 200
    assert row.public_id in page.text
    assert "SMTPRecipientsRefused 550" in page.text
    assert alice.email not in page.text
    other = client.get(reverse("admin:mail_outgoingemail_changelist"), {"state__exact": "unknown"})
    assert row.public_id not in other.text


def test_a_connection_that_breaks_after_the_text_leaves_the_fate_unknown(alice, bob, post_office, wait):
    post_office.temper[alice.email] = "drop after text"
    lost, good = queue(alice, "mail:1"), queue(bob, "mail:2")
    deliver_due()
    assert state_of(lost) == State.UNKNOWN
    assert state_of(good) == State.SENT
    post_office.temper.clear()
    wait(timedelta(days=1))
    assert deliver_due() == 0, "never sent again"
    assert post_office.recipients() == [alice.email, bob.email], "it had arrived"


@pytest.mark.parametrize("temper", ["drop at rcpt", "drop at data"])
def test_a_connection_that_breaks_before_the_text_is_tried_again(alice, bob, post_office, wait, temper):
    post_office.temper[alice.email] = temper
    delayed, good = queue(alice, "mail:1"), queue(bob, "mail:2")
    deliver_due()
    assert state_of(delayed) == State.QUEUED
    assert state_of(good) == State.SENT
    post_office.temper.clear()
    wait(timedelta(minutes=1))
    deliver_due()
    assert state_of(delayed) == State.SENT
    assert post_office.recipients() == [bob.email, alice.email]


def test_an_answer_that_makes_no_sense_leaves_the_fate_unknown(alice, post_office):
    post_office.temper[alice.email] = "data 299 what"
    row = queue(alice)
    deliver_due()
    assert state_of(row) == State.UNKNOWN


def test_a_message_whose_worker_died_is_marked_and_not_sent_again(alice, post_office, wait):
    row = queue(alice)
    assert services._claim() is not None  # and the worker is gone
    assert deliver_due() == 0
    assert state_of(row) == State.SENDING
    wait(timedelta(minutes=5, seconds=1))
    assert deliver_due() == 0
    row.refresh_from_db()
    assert (row.state, row.problem) == (State.UNKNOWN, "worker lost")
    assert post_office.arrived == []


def test_the_answer_of_a_worker_given_up_for_dead_changes_nothing(alice, wait):
    row = queue(alice)
    slow = services._claim()
    wait(timedelta(minutes=6))
    services._mark_lost()
    services._finish(slow, state=State.QUEUED)
    assert state_of(row) == State.UNKNOWN


@pytest.mark.django_db(transaction=True)
def test_two_workers_send_each_message_once(alice, post_office):
    for number in range(40):
        queue(alice, f"mail:{number}", to=f"person{number}@example.org")
    start = threading.Barrier(2)

    def work() -> None:
        try:
            start.wait()
            deliver_due()
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    arrived = Counter(post_office.recipients())
    assert len(arrived) == 40
    assert set(arrived.values()) == {1}
    assert set(OutgoingEmail.objects.values_list("state", flat=True)) == {State.SENT}
    assert post_office.connections == 2, "both took part"


def test_without_the_guarded_claim_two_workers_would_send_twice(alice, post_office, monkeypatch):
    """The control of the test above: a claim that does not look at the state sends a message once for each worker."""
    queue(alice)
    taken = OutgoingEmail.objects.get()
    for _ in range(2):
        OutgoingEmail.objects.filter(pk=taken.pk).update(state=State.SENDING, claim="x", context=taken.context)
        taken.claim = "x"
        server = services.get_connection()
        server.open()
        services._deliver(taken, server)
        server.close()
    assert len(post_office.arrived) == 2


def test_a_poisoned_message_stops_nobody_and_is_given_up(alice, bob, post_office, wait):
    poison, good = queue(alice, "mail:1", template="accounts/email/no_such_mail"), queue(bob, "mail:2")
    assert deliver_due() == 1
    assert state_of(good) == State.SENT
    for _ in range(MAX_ATTEMPTS):
        wait(timedelta(hours=7))
        deliver_due()
    poison.refresh_from_db()
    assert (poison.state, poison.attempts, poison.problem) == (State.FAILED, MAX_ATTEMPTS, "TemplateDoesNotExist")
    assert poison.context, "it can be sent once it is mended"


def test_a_context_that_cannot_be_opened_waits_and_is_given_up(alice, post_office, wait):
    row = queue(alice)
    OutgoingEmail.objects.filter(pk=row.pk).update(context="gone." + row.context.partition(".")[2])
    deliver_due()
    row.refresh_from_db()
    assert (row.state, row.problem) == (State.QUEUED, "CannotOpen")


def test_a_run_ends_before_its_task_is_stopped(alice, post_office, monkeypatch):
    queue(alice)
    monkeypatch.setattr(services, "RUN_SECONDS", 0)
    assert deliver_due() == 0
    assert OutgoingEmail.objects.get().attempts == 0


def test_an_address_cannot_smuggle_a_header(alice, post_office):
    row = queue(alice, to="a@example.org\r\nBcc: b@example.org")
    deliver_due()
    assert state_of(row) == State.QUEUED
    assert post_office.arrived == []


def test_the_demo_writes_one_file_a_message(alice, settings, tmp_path):
    settings.EMAIL_BACKEND = "marketplace.mail.backends.OneFilePerMessage"
    settings.MAIL_FILES = tmp_path / "mail"
    queue(alice, "mail:1")
    queue(alice, "mail:2")
    assert deliver_due() == 2
    files = sorted((tmp_path / "mail").iterdir())
    assert len(files) == 2
    assert all(file.suffix == ".eml" for file in files)
    assert b"\r\n" in files[0].read_bytes()


def test_a_full_disk_means_later(alice, settings, tmp_path):
    settings.EMAIL_BACKEND = "marketplace.mail.backends.OneFilePerMessage"
    (tmp_path / "mail").write_text("in the way")
    settings.MAIL_FILES = tmp_path / "mail"
    row = queue(alice)
    deliver_due()
    assert state_of(row) == State.QUEUED
