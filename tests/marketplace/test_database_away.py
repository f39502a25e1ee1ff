"""The database down, or its connection lost in the middle: a page that says so, and nothing half done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import DatabaseError, InterfaceError, OperationalError, connection, connections
from django.urls import reverse

from marketplace import views
from marketplace.core.transactions import is_away
from marketplace.leads.models import Lead
from marketplace.ledger import services as ledger
from marketplace.mail.models import OutgoingEmail
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import new_key
from tests.people import PASSWORD
from tests.races.rig import assert_sound
from tests.stock import make_lead

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def away(transactional_db, monkeypatch, client) -> Iterator[Callable[[], None]]:
    """Call it, and the database is not there any more; at the end it is back."""
    client.raise_request_exception = False

    def go():
        connection.close()
        name, value = ("PORT", 1) if connection.vendor == "postgresql" else ("NAME", "/proc/nowhere/leadfair.sqlite3")
        monkeypatch.setitem(connection.settings_dict, name, value)

    yield go
    monkeypatch.undo()
    connection.close()


def is_the_page(answer) -> bool:
    assert answer.status_code == 503, answer
    assert answer["Retry-After"] == "10"
    assert "The site is away for a moment" in answer.text
    assert "Traceback" not in answer.text
    return True


def test_it_works(client, away):
    away()
    answer = client.get("/leads/")
    assert is_the_page(answer)
    assert answer["Content-Security-Policy"]
    assert not client.cookies


@pytest.mark.parametrize("path", ["/", "/wallet/", "/livez", "/nowhere/", "/accounts/login/", "/admin/"])
def test_a_member_meets_it_everywhere(as_alice, away, path):
    """Who is signed in is looked up on every page, in middleware too."""
    away()
    assert is_the_page(as_alice.get(path))


def test_what_needs_no_database_works(client, away):
    away()
    assert client.get("/livez").text == "ok"
    assert client.get("/readyz").text == "unready"
    assert client.post(reverse("choose_theme"), {"theme": "dark"}).status_code == 302


def test_the_demo_says_no_more(client, away, demo):
    away()
    assert is_the_page(client.get("/leads/"))


# --- in the middle ----------------------------------------------------------------------------------------------------


def break_off() -> None:
    """End the connection as a server that goes down does."""
    if connection.vendor != "postgresql":
        raise OperationalError("disk I/O error")
    other = connections.create_connection("default")
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.connection.info.backend_pid])
    other.close()


@contextmanager
def lost_at(verb: str, table: str) -> Iterator[None]:
    """The connection is lost right before the first statement of this kind on this table."""
    is_lost = []

    def wrapper(execute, sql, params, many, context):
        if not is_lost and sql.lstrip().startswith(verb) and table in sql:
            is_lost.append(True)
            break_off()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        yield
    assert is_lost, "it never came there"
    connection.close()  # as the end of a request does


STEPS = [
    ("SELECT", "ledger_account"),
    ("INSERT", "purchases_order"),
    ("INSERT", "purchases_purchase"),
    ("INSERT", "ledger_transfer"),
    ("INSERT", "mail_outgoingemail"),
]


@pytest.mark.parametrize(("verb", "table"), STEPS, ids=[table for _, table in STEPS])
def test_a_purchase_is_whole_or_not_at_all(as_alice, alice, verb, table):
    lead = make_lead(price_cents=2450)
    form = {"key": new_key(), "price_seen": "2450"}
    address = reverse("purchases:buy_lead", args=[lead.public_id])
    as_alice.raise_request_exception = False
    with lost_at(verb, table):
        answer = as_alice.post(address, form)
    assert is_the_page(answer)
    assert not Purchase.objects.exists()
    assert Lead.objects.get().slots_sold == 0
    assert ledger.wallet_of(alice.pk).available == 100_000
    assert not OutgoingEmail.objects.exists()
    assert_sound()

    assert as_alice.post(address, form).status_code == 302
    assert Purchase.objects.count() == 1
    assert ledger.wallet_of(alice.pk).available == 100_000 - 2450


def test_a_sign_in_that_cannot_be_kept(client, alice):
    """The session is written after the view, in middleware."""
    client.raise_request_exception = False
    with lost_at("INSERT", "django_session"):
        answer = client.post(reverse("account_login"), {"login": alice.email, "password": PASSWORD})
    assert is_the_page(answer)


# --- which errors say so ----------------------------------------------------------------------------------------------


def test_a_lost_connection_says_so():
    with pytest.raises(OperationalError) as caught, connection.cursor() as cursor:
        break_off()
        cursor.execute("SELECT 1")
    connection.close()
    assert is_away(caught.value)


def test_a_closed_one_says_so():
    assert is_away(InterfaceError("connection already closed"))


def test_a_faulty_statement_does_not(client, monkeypatch):
    with pytest.raises(DatabaseError) as caught, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM nowhere")
    assert not is_away(caught.value)

    def fail(*args):
        raise caught.value

    monkeypatch.setattr(views, "_counted", fail)
    client.raise_request_exception = False
    assert client.get("/").status_code == 500


@pytest.mark.parametrize("error", [None, ValueError("database is locked"), DatabaseError("away")])
def test_nor_does_anything_else(error):
    assert not is_away(error)
