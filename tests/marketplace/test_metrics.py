"""``/metrics`` over HTTP, as Prometheus asks for it."""

import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
import requests
from django.db import connection, connections

from marketplace.core import clock
from marketplace.ledger import services as ledger
from marketplace.mail.models import Category, OutgoingEmail
from marketplace.mail.services import send
from marketplace.metrics import application
from marketplace.models import CheckRun, TaskFailure
from marketplace.purchases.models import Export, Purchase
from marketplace.supply.models import Upload
from marketplace.wallet.models import Deposit, Dispute, StripeEvent
from tests.purchases.conftest import bought

pytestmark = pytest.mark.django_db(transaction=True)


class Quiet(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def url(transactional_db) -> Iterator[str]:
    """Where it is served, in a thread with a connection of its own."""
    server = make_server("127.0.0.1", 0, application, handler_class=Quiet)

    def serve() -> None:
        server.serve_forever(poll_interval=0.01)
        connections.close_all()

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/metrics"
    server.shutdown()
    thread.join()
    server.server_close()


def scrape(url: str) -> dict[str, float]:
    answer = requests.get(url, timeout=10)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    return {name: float(value) for name, value in re.findall(r"^(leadfair_\S+) (\S+)$", answer.text, re.MULTILINE)}


def ago(**time) -> object:
    return clock.now() - timedelta(**time)


def test_a_new_site_has_nothing_to_tell(url):
    found = scrape(url)
    assert set(found.values()) == {0.0}
    assert {
        'leadfair_queue_waiting{queue="mail"}',
        'leadfair_given_up{kind="events"}',
        "leadfair_suspense_cents",
    } <= set(found)
    assert "leadfair_ledger_check_age_seconds" not in found, "there was none"


def test_it_works(url, alice, bob):
    waits = {"available_at": ago(minutes=2)}
    for number in range(3):
        send(alice, category=Category.RECEIPT, template="x", context={}, key=f"test:{number}")
    first, second, third = OutgoingEmail.objects.order_by("id")
    OutgoingEmail.objects.filter(pk=first.pk).update(**waits)
    OutgoingEmail.objects.filter(pk=second.pk).update(state="failed", claimed_at=clock.now())
    OutgoingEmail.objects.filter(pk=third.pk).update(available_at=ago(minutes=-1))
    for state in ("new", "dead"):
        StripeEvent.objects.create(
            event_id=state, type="x", object_id="x", happened_at=ago(), received_at=ago(), state=state, **waits
        )
    Export.objects.create(
        buyer=alice, format="csv", filter=b"", filter_digest="x", rows_total=1, created_at=ago(), **waits
    )
    Upload.objects.create(uploaded_by=bob, sha256="x", options={}, state="waiting", created_at=ago(), **waits)
    for hours in (23, 25):
        TaskFailure.objects.create(task="wallet.sweep", error="KeyError", failed_at=ago(hours=hours))

    found = scrape(url)
    for queue in ("mail", "events", "exports", "uploads"):
        assert found[f'leadfair_queue_waiting{{queue="{queue}"}}'] == 1
        assert found[f'leadfair_queue_oldest_seconds{{queue="{queue}"}}'] == pytest.approx(120, abs=20)
    assert found['leadfair_tasks_failed_last_day{task="wallet.sweep"}'] == 1
    assert found['leadfair_tasks_failed_last_day{task="mail.deliver_due"}'] == 0
    dead = {kind: found[f'leadfair_given_up{{kind="{kind}"}}'] for kind in ("mail", "events", "exports")}
    assert dead == {"mail": 1, "events": 1, "exports": 0}


def make_deposit(buyer, number, **changes) -> Deposit:
    values = {"amount_cents": 5_000, "created_at": ago(), "expires_at": ago(), "session_id": f"cs_{number}"}
    return Deposit.objects.create(buyer=buyer, **values | changes)


def test_the_money_of_a_day(url, alice, bob):
    paid = {"state": "paid", "received_cents": 5_000, "intent_id": "pi_1", "paid_at": ago(hours=1)}
    make_deposit(alice, 1, **paid, created_at=ago(hours=30))
    make_deposit(alice, 2, **paid | {"intent_id": "pi_2", "paid_at": ago(hours=25)}, created_at=ago(hours=26))
    deposit = make_deposit(alice, 3, **paid | {"intent_id": "pi_3"})
    make_deposit(alice, 4, state="expired")
    for name, is_open in (("dp_1", True), ("dp_2", False)):
        Dispute.objects.create(
            processor_id=name, deposit=deposit, buyer=alice, amount_cents=100, state="x", is_open=is_open, seen_at=ago()
        )
    old, _ = bought(bob), bought(bob)
    Purchase.objects.filter(pk=old.pk).update(created_at=ago(hours=25))

    found = scrape(url)
    assert found['leadfair_deposits_last_day{state="paid"}'] == 1
    assert found['leadfair_deposits_last_day{state="expired"}'] == 1
    assert found['leadfair_deposits_last_day{state="open"}'] == 0
    assert found["leadfair_deposited_cents_last_day"] == 10_000
    assert found["leadfair_open_disputes"] == 1
    assert found["leadfair_purchases_last_day"] == 1


def test_money_in_suspense(url):
    for source, target, cents in (("processor", "suspense", 4_200), ("suspense", "bank", 200)):
        ledger.transfer(source, target, cents, kind=ledger.Kind.SUSPENSE, reference=f"test:{cents}")
    assert scrape(url)["leadfair_suspense_cents"] == 4_000


def test_what_the_checks_found(url):
    at = ago(hours=1)
    for findings in (["one"], ["one", "two"]):
        CheckRun.objects.create(
            what="ledger", started_at=at, ended_at=at, findings_count=len(findings), first_findings=findings
        )
    found = scrape(url)
    assert found["leadfair_ledger_check_findings"] == 2
    assert found["leadfair_ledger_check_age_seconds"] == pytest.approx(3600, abs=20)


def test_no_person_and_no_id_is_told(url, alice):
    purchase = bought(alice)
    text = requests.get(url, timeout=10).text
    for secret in (alice.email, alice.handle, alice.public_id, purchase.public_id, purchase.lead.public_id):
        assert secret not in text


def test_a_database_that_is_away_is_said(url, monkeypatch):
    connection.close()
    name, value = ("PORT", 1) if connection.vendor == "postgresql" else ("NAME", "/proc/nowhere/leadfair.sqlite3")
    with monkeypatch.context() as away:
        away.setitem(connection.settings_dict, name, value)
        answer = requests.get(url, timeout=10)
        assert (answer.status_code, answer.text) == (503, "The database is away.\n")
    assert scrape(url)


@pytest.mark.parametrize(("verb", "path", "status"), [("GET", "", 404), ("GET", "/x", 404), ("POST", "/metrics", 405)])
def test_there_is_nothing_else(url, verb, path, status):
    assert requests.request(verb, url.removesuffix("/metrics") + path, timeout=10).status_code == status


def test_the_site_itself_does_not_serve_it(client):
    assert client.get("/metrics").status_code == 404
    assert client.get("/metrics/").status_code == 404
