"""What the processor told us is worked off once, later if need be, and what it could not tell us is fetched."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import time_machine
from celery.exceptions import SoftTimeLimitExceeded
from django.apps import apps

from marketplace.core import clock
from marketplace.mail.models import OutgoingEmail
from marketplace.wallet import gateway, inbox, tasks
from marketplace.wallet.models import Deposit, EventCursor, StripeEvent
from tests.wallet.conftest import again, alerts, balance

pytestmark = pytest.mark.django_db
State = StripeEvent.State


def event(number: int = 1, *, kind: str = "payment_intent.succeeded", about: str = "pi_1") -> gateway.Event:
    return gateway.Event(f"evt_{number}", kind, about, clock.now())


def states() -> list[str]:
    return list(StripeEvent.objects.order_by("id").values_list("state", flat=True))


@pytest.fixture
def broken(monkeypatch):
    """Working an event off raises what the test puts here."""
    errors: list[Exception] = []

    def apply(kind: str, object_id: str) -> bool:
        if errors:
            raise errors[0]
        return True

    monkeypatch.setattr(inbox, "apply", apply)
    return errors


def work_off_over(days: float) -> None:
    """The worker runs again and again while time passes."""
    start = clock.now()
    for minute in range(0, int(days * 24 * 60), 30):
        with time_machine.travel(start + timedelta(minutes=minute), tick=False):
            inbox.process_events()


@pytest.mark.django_db(transaction=True)
def test_it_works(site, buyer):
    site.pay(site.start(buyer))
    for news in site.news():
        assert site.post(news["id"]) == 200
    assert set(states()) == {State.NEW}
    inbox.process_events()
    assert set(states()) == {State.DONE}
    assert balance(buyer) == 10_000
    assert inbox.process_events() == 0


def test_an_event_is_stored_once():
    inbox.receive(event(1), event(2))
    inbox.receive(event(1))
    assert StripeEvent.objects.count() == 2


def test_what_is_none_of_our_business_is_ignored():
    inbox.receive(event(kind="customer.created"), event(2, kind="balance.available", about=""))
    assert inbox.process_events() == 2
    assert states() == [State.IGNORED, State.IGNORED]


def test_one_bad_event_does_not_stop_the_others(site, buyer):
    inbox.receive(event(about="pi_of_nobody"))
    site.pay(site.start(buyer))
    site.hear()
    assert balance(buyer) == 10_000
    bad = StripeEvent.objects.get(event_id="evt_1")
    assert (bad.state, bad.attempts, bad.problem) == (State.NEW, 1, "ProcessorRefused")
    assert bad.available_at > clock.now()


def test_given_up_after_twelve_tries_and_told(owner, broken):
    broken.append(RuntimeError("somebody@example.com"))
    inbox.receive(event())
    work_off_over(days=1)
    row = StripeEvent.objects.get()
    assert (row.state, row.attempts, row.problem) == (State.DEAD, 12, "RuntimeError")
    assert alerts() == {"event-dead:evt_1"}


def test_given_up_can_be_tried_again(owner, broken):
    broken.append(RuntimeError())
    inbox.receive(event())
    work_off_over(days=1)
    broken.clear()
    assert inbox.try_again(StripeEvent.objects.all()) == 1
    assert inbox.try_again(StripeEvent.objects.all()) == 0
    assert inbox.process_events() == 1
    assert states() == [State.DONE]


def test_a_processor_that_is_away_for_days_loses_no_event(owner, broken):
    broken.append(gateway.ProcessorDown())
    inbox.receive(event(1), event(2))
    work_off_over(days=3)
    assert states() == [State.NEW, State.NEW]
    assert alerts() == set()
    broken.clear()
    with time_machine.travel(clock.now() + timedelta(days=3, hours=2)):
        assert inbox.process_events() == 2


def test_while_the_processor_is_away_the_others_wait(broken):
    broken.append(gateway.ProcessorDown())
    inbox.receive(event(1), event(2), event(3))
    assert inbox.process_events() == 0
    assert list(StripeEvent.objects.order_by("id").values_list("attempts", flat=True)) == [1, 0, 0]


def test_any_number_of_tries_has_a_wait(broken):
    broken.append(gateway.ProcessorDown())
    inbox.receive(event())
    StripeEvent.objects.update(attempts=5_000)
    inbox.process_events()
    assert StripeEvent.objects.get().available_at < clock.now() + timedelta(hours=2)


def test_a_worker_that_died_leaves_the_event_to_the_next(broken):
    inbox.receive(event())
    assert inbox._claim() is not None
    assert inbox._claim() is None
    assert inbox.process_events() == 0
    with time_machine.travel(clock.now() + timedelta(minutes=2)):
        assert inbox.process_events() == 1


def test_a_run_takes_ten_seconds_and_leaves_the_rest(broken, monkeypatch):
    """One of two hundred events with a slow processor would otherwise be cut off in the middle."""
    inbox.receive(event(1), event(2), event(3))
    seconds = iter([100.0, 100.0, 105.0, 110.0])
    monkeypatch.setattr(inbox, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    assert inbox.process_events() == 2
    assert list(StripeEvent.objects.order_by("id").values_list("attempts", flat=True)) == [1, 1, 0]


def test_a_task_that_is_cut_off_is_no_failure_of_the_event(owner, broken):
    inbox.receive(event())
    StripeEvent.objects.update(attempts=20)
    broken.append(SoftTimeLimitExceeded())
    with pytest.raises(SoftTimeLimitExceeded):
        inbox.process_events()
    row = StripeEvent.objects.get()
    assert (row.state, row.problem) == (State.NEW, "")
    assert alerts() == set()
    broken.clear()
    with time_machine.travel(clock.now() + inbox.LEASE):
        assert inbox.process_events() == 1


def test_a_late_failure_does_not_undo_what_another_worker_did(owner, broken):
    inbox.receive(event())
    StripeEvent.objects.update(attempts=20)
    slow = inbox._claim()
    StripeEvent.objects.update(state=State.DONE)
    inbox._try_later(slow, RuntimeError())
    assert states() == [State.DONE]
    assert alerts() == set()


# --- the sweep --------------------------------------------------------------------------------------------------------


def test_a_lost_notice_heals_within_one_run(site, buyer):
    deposit = site.start(buyer)
    inbox.sweep()
    site.pay(deposit)
    site.miss()
    tasks.sweep()
    assert (again(deposit).state, balance(buyer)) == (Deposit.State.PAID, 10_000)
    assert inbox.sweep() == 0


def test_two_days_of_lost_notices_heal_within_one_run(site, buyer):
    with time_machine.travel(clock.now() - timedelta(days=2)):
        inbox.sweep()
        paid, intent = site.funded(buyer)
        lost = site.start(buyer, 5_000)
        site.pay(lost)
        expired = site.start(buyer, 2_500)
        site.processor.expire(expired.session_id)
        site.processor.refund(intent, 1_000)
        site.miss()
    tasks.sweep()
    assert [again(row).state for row in (paid, lost, expired)] == ["paid", "paid", "expired"]
    assert balance(buyer) == 14_000


def test_an_outage_leaves_the_cursor_where_it_was(site, buyer, impatient):
    inbox.sweep()
    before = EventCursor.objects.get().read_until
    site.pay(site.start(buyer))
    site.miss()
    site.processor.faults.fail_before("GET", times=None)
    tasks.sweep()
    assert (EventCursor.objects.get().read_until, balance(buyer)) == (before, 0)
    site.processor.faults.clear()
    tasks.sweep()
    assert balance(buyer) == 10_000


def test_a_run_that_is_cut_short_has_moved_on(monkeypatch):
    start = datetime(2026, 11, 1, tzinfo=UTC)
    EventCursor.objects.create(id=1, read_until=start)
    asked = []

    def events_between(since: datetime, until: datetime) -> list[gateway.Event]:
        asked.append(since)
        if len(asked) == 3:
            raise gateway.ProcessorDown
        return []

    monkeypatch.setattr(gateway, "events_between", events_between)
    with time_machine.travel(start + timedelta(days=2)), pytest.raises(gateway.ProcessorDown):
        inbox.sweep()
    assert EventCursor.objects.get().read_until == start + timedelta(hours=11)


def test_every_page_of_events_is_read(site, buyer):
    inbox.sweep()
    for _ in range(45):
        site.processor.stray_payment(1_000)
    site.miss()
    assert inbox.sweep() == len(site.processor.events()) > 100
    inbox.process_events(limit=1_000)


def test_an_open_deposit_is_asked_about_after_45_minutes(site, buyer, monkeypatch):
    deposit = site.start(buyer)
    site.pay(deposit)
    monkeypatch.setattr(gateway, "events_between", lambda since, until: [])
    with time_machine.travel(clock.now() + timedelta(minutes=40)):
        inbox.sweep()
        assert again(deposit).state == Deposit.State.OPEN
    with time_machine.travel(clock.now() + timedelta(minutes=50)):
        inbox.sweep()
    assert (again(deposit).state, balance(buyer)) == (Deposit.State.PAID, 10_000)


def test_asking_about_open_deposits_takes_ten_seconds(site, buyer, monkeypatch):
    for _ in range(3):
        site.start(buyer)
    asked = []
    monkeypatch.setattr(inbox.deposits, "refresh", asked.append)
    seconds = iter([100.0, 100.0, 110.0, 110.1])
    monkeypatch.setattr(inbox, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    with time_machine.travel(clock.now() + timedelta(minutes=50)):
        inbox.sweep()
    assert len(asked) == 2


def test_a_deposit_the_processor_does_not_know_keeps_none_from_its_turn(site, buyer, monkeypatch):
    strange = site.start(buyer)
    Deposit.objects.filter(pk=strange.pk).update(session_id="cs_of_nobody")
    deposit = site.start(buyer)
    site.pay(deposit)
    monkeypatch.setattr(gateway, "events_between", lambda since, until: [])
    with time_machine.travel(clock.now() + timedelta(minutes=50)):
        inbox.sweep()
    assert again(deposit).state == Deposit.State.PAID


def test_nothing_personal_is_stored(site, buyer):
    """Of what the payer typed not one byte is in any row of the wallet or the books."""
    deposit = site.start(buyer)
    site.processor.pay(deposit.session_id, name="Zelda Quill", email="zelda.quill@example.net")
    payload = str(site.processor.events())
    assert "Zelda Quill" in payload
    assert "4242" in payload
    site.hear()
    kept = [
        str(value)
        for label in ("wallet", "ledger")
        for model in apps.get_app_config(label).get_models()
        for row in model.objects.values()
        for value in row.values()
    ]
    assert len(kept) > 100
    assert not any(word in value.lower() for value in kept for word in ("zelda", "quill"))
    assert not {"4242", "visa"} & {value.lower() for value in kept}
    assert OutgoingEmail.objects.filter(key__startswith="deposit:").exists()
