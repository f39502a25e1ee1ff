"""Rate limits: 429 with Retry-After, counted under digests, so that no counter, log or session names a person."""

import logging

import pytest
import redis
import time_machine
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.adapter import AccountAdapter
from accounts.limits import ASKED
from marketplace.core import clock
from tests.people import PASSWORD

from .conftest import (
    ENTER_CODE,
    ENTER_RESET_CODE,
    IP,
    NEW_PASSWORD,
    RESET,
    SIGN_IN,
    SIGN_UP,
    code_of,
    make_unverified,
    newcomer,
)

pytestmark = pytest.mark.django_db
CHANGE_PASSWORD, CHANGE_EMAIL = reverse("account_change_password"), reverse("account_email")
CONFIRM_PASSWORD = reverse("account_reauthenticate")
WRONG = {"login": "alice@example.com", "password": "wrong wrong wrong"}


def test_it_works(visitor, alice):
    answers = [visitor.post(SIGN_IN, WRONG) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [422] * 5 + [429]
    last = answers[-1]
    assert 290 <= int(last["Retry-After"]) <= 300
    assert "A moment, please" in last.text
    assert "You can try again in 5 minutes." in last.text
    assert "Retry-After" not in answers[0]


def test_signing_in_too_often_keeps_the_form(visitor, alice):
    for _ in range(5):
        visitor.post(SIGN_IN, WRONG)
    page = visitor.post(SIGN_IN, WRONG | {"remember": "on", "next": "/terms/"})
    assert page.status_code == 429
    assert 'value="alice@example.com"' in page.text
    assert " checked" in page.text
    assert 'name="next" value="/terms/"' in page.text
    assert f'href="{RESET}?next=%2Fterms%2F"' in page.text
    assert "wrong wrong" not in page.text
    assert "mail from us" not in page.text
    assert page.text.count('role="alert"') == 1


def test_another_code_for_a_password_too_soon_leads_back(visitor, alice):
    for _ in range(5):
        visitor.post(RESET, {"email": alice.email})
    page = visitor.post(RESET, {"email": alice.email, "again": "1", "next": "/terms/"})
    assert page.status_code == 429
    assert "If you wait for a mail from us" in page.text
    assert f'<a href="{RESET}?next=%2Fterms%2F">Open the page again</a>' in page.text


# How each page is pressed until it refuses: who presses, how often at most, with what, and the seconds of its limit.
PRESSED = {
    "signing in": ("visitor", 5, SIGN_IN, WRONG, 300),
    "signing up": ("visitor", 20, SIGN_UP, {}, 60),
    "asking for a reset": ("visitor", 5, RESET, {"email": "Alice@example.com"}, 60),
    "changing the password": ("as_alice", 5, CHANGE_PASSWORD, {"oldpassword": "wrong", "password1": "x"}, 60),
    "confirming the password": ("as_alice", 5, CONFIRM_PASSWORD, {"password": "wrong"}, 300),
    "changing the email": ("sure", 10, CHANGE_EMAIL, {"email": "no-at", "action_add": "1"}, 60),
}


@pytest.fixture
def sure(as_alice):
    """Alice's browser; she gave her password a moment ago."""
    as_alice.post(CONFIRM_PASSWORD, {"password": PASSWORD})
    return as_alice


@pytest.fixture
def moving(db):
    """A clock that stands still until it is moved."""
    with time_machine.travel(clock.now().replace(microsecond=0), tick=False) as stopped:
        yield stopped


@pytest.mark.parametrize("how", PRESSED)
def test_the_answer_tells_how_long_to_wait(request, alice, moving, how):
    """To the second: one second earlier it refuses still, then it does not."""
    who, often, page, form, seconds = PRESSED[how]
    browser = request.getfixturevalue(who)
    for _ in range(often):
        assert browser.post(page, form).status_code != 429
        moving.shift(2)
    refused = browser.post(page, form)
    assert (refused.status_code, int(refused["Retry-After"])) == (429, seconds - 2 * often)
    moving.shift(seconds - 2 * often - 1)
    refused = browser.post(page, form)
    assert (refused.status_code, int(refused["Retry-After"])) == (429, 1)
    moving.shift(1)
    assert browser.post(page, form).status_code != 429


def test_of_two_limits_the_one_that_refused_tells_how_long(visitor, moving, mails):
    """A code each ten seconds, and ten in an hour."""
    eve = {"login": make_unverified().email, "password": PASSWORD}
    assert Client().post(SIGN_IN, eve)["Location"] == ENTER_CODE
    moving.shift(4)
    refused = Client().post(SIGN_IN, eve)
    assert (refused.status_code, int(refused["Retry-After"])) == (429, 6)
    for _ in range(9):
        moving.shift(10)
        assert visitor.post(SIGN_IN, eve)["Location"] == ENTER_CODE
        visitor.cookies.clear()
    moving.shift(10)
    refused = visitor.post(SIGN_IN, eve)
    assert (refused.status_code, int(refused["Retry-After"])) == (429, 3600 - 4 - 90 - 10)


def test_a_second_code_too_soon_tells_how_long_to_wait(visitor, moving):
    visitor.post(SIGN_UP, newcomer())
    moving.shift(3)
    refused = visitor.post(ENTER_CODE, {"action": "resend"})
    assert (refused.status_code, int(refused["Retry-After"])) == (429, 7)


def test_a_new_password_too_often_tells_how_long_to_wait(visitor, alice, mails, moving):
    visitor.post(RESET, {"email": alice.email})
    visitor.post(ENTER_RESET_CODE, {"code": code_of(mails()[0])})
    for _ in range(20):
        assert visitor.post(NEW_PASSWORD, {"password1": "short"}).status_code == 422
    moving.shift(5)
    refused = visitor.post(NEW_PASSWORD, {"password1": "short"})
    assert (refused.status_code, int(refused["Retry-After"])) == (429, 55)


def test_every_limit_is_known_by_its_page():
    assert {limit for asked in ASKED.values() for limit in asked} == set(settings.ACCOUNT_RATE_LIMITS)


@pytest.mark.parametrize("spelling", ["ALICE@EXAMPLE.COM", " alice@example.com ", "Alice@Example.com"])
def test_other_spellings_are_the_same_account(visitor, alice, spelling):
    for _ in range(5):
        visitor.post(SIGN_IN, WRONG)
    assert visitor.post(SIGN_IN, WRONG | {"login": spelling}).status_code == 429


def test_other_addresses_of_the_guesser_do_not_help(alice):
    for number in range(5):
        Client(REMOTE_ADDR=f"198.51.100.{number}").post(SIGN_IN, WRONG)
    assert Client(REMOTE_ADDR="198.51.100.99").post(SIGN_IN, WRONG).status_code == 429


@pytest.mark.parametrize("host", ["testserver:81", "TESTSERVER", "TestServer:443", "127.0.0.1", "localhost:8000"])
def test_other_names_of_the_site_do_not_help(alice, host):
    for number in range(5):
        Client(REMOTE_ADDR=f"198.51.100.{number}").post(SIGN_IN, WRONG)
    assert Client(REMOTE_ADDR="198.51.100.99", HTTP_HOST=host).post(SIGN_IN, WRONG).status_code == 429


def test_a_good_sign_in_between_does_not_start_the_count_anew(visitor, alice, bob):
    for _ in range(5):
        visitor.post(SIGN_IN, WRONG)
    assert Client(REMOTE_ADDR=IP).post(SIGN_IN, {"login": bob.email, "password": PASSWORD}).status_code == 302
    assert visitor.post(SIGN_IN, WRONG).status_code == 429


def test_the_victim_has_a_way_in(visitor, alice, mails):
    """A limit on the account locks nobody out for good: a new password ends it."""
    for _ in range(6):
        Client(REMOTE_ADDR="198.51.100.1").post(SIGN_IN, WRONG)
    assert visitor.post(SIGN_IN, {"login": alice.email, "password": PASSWORD}).status_code == 429
    visitor.post(RESET, {"email": alice.email})
    visitor.post(ENTER_RESET_CODE, {"code": code_of(mails()[0])})
    visitor.post(NEW_PASSWORD, {"password1": "quite another phrase"})
    assert visitor.post(SIGN_IN, {"login": alice.email, "password": "quite another phrase"}).status_code == 302


def test_many_sign_ups_from_one_place_are_too_many(visitor):
    answers = [visitor.post(SIGN_UP, {}).status_code for _ in range(21)]
    assert answers == [422] * 20 + [429]


def test_reading_is_not_limited(visitor):
    assert {visitor.get(SIGN_UP).status_code for _ in range(30)} == {200}


def test_a_network_of_addresses_counts_as_one(rf):
    """An IPv6 customer has 2^64 addresses."""

    def counted_as(address: str) -> str:
        return AccountAdapter().get_client_ip(rf.get("/", REMOTE_ADDR=address))

    assert counted_as("2001:db8:1:2::1") == counted_as("2001:db8:1:2:ffff::9")
    assert counted_as("2001:db8:1:2::1") != counted_as("2001:db8:1:3::1")
    assert counted_as("203.0.113.77") != counted_as("203.0.113.78")
    assert "203" not in counted_as("203.0.113.77")


def test_a_header_cannot_choose_the_address(visitor, alice, settings):
    """Without a trusted proxy X-Forwarded-For is only a claim."""
    answers = [visitor.post(SIGN_UP, {}, headers={"X-Forwarded-For": f"198.51.100.{n}"}).status_code for n in range(21)]
    assert answers[-1] == 429


def walk(visitor, mails) -> list[str]:
    """Everything that counts, queues or remembers; returns what none of it may hold."""
    visitor.post(SIGN_UP, newcomer())
    code = code_of(mails()[0])
    visitor.post(ENTER_CODE, {"code": "00000000"})
    visitor.post(ENTER_CODE, {"action": "resend"})
    for _ in range(7):
        visitor.post(SIGN_IN, {"login": "newcomer@example.com", "password": "wrong wrong wrong"})
        visitor.post(RESET, {"email": "newcomer@example.com"})
    visitor.get("/nowhere/newcomer@example.com/?email=newcomer@example.com")
    return ["newcomer@example.com", "newcomer%40example.com", IP, "Canary/1.0", PASSWORD, code, "wrong wrong"]


def everything_in_redis() -> bytes:
    if not settings.REDIS_URL:
        return b""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        keys = list(client.scan_iter())
        values = [client.dump(key) or b"" for key in keys]
        return b"\n".join([*keys, *values, *(client.get(key) or b"" for key in keys if client.type(key) == b"string")])


def everything_in_the_cache_table() -> bytes:
    with connection.cursor() as cursor:
        cursor.execute("SELECT cache_key, value FROM core_cache")
        rows = cursor.fetchall()
    return b"\n".join(part for key, value in rows for part in (key.encode(), value.encode()))


def test_no_counter_holds_an_address(visitor, mails):
    canaries = walk(visitor, mails)
    held = everything_in_redis() + everything_in_the_cache_table()
    assert len(held) > 500, "there is something to look at"
    for canary in canaries:
        assert canary.encode() not in held


def test_the_search_would_find_one(visitor):
    """The control of the test above."""
    cache.set("by hand", "newcomer@example.com")
    assert b"newcomer@example.com" in everything_in_redis() + everything_in_the_cache_table()


def test_no_log_holds_an_address(visitor, mails, caplog):
    with caplog.at_level(logging.INFO):
        canaries = walk(visitor, mails)
    assert len(caplog.records) > 10
    held = caplog.text + "".join(
        repr(record.__dict__) for record in caplog.records if record.name.startswith("leadfair")
    )
    for canary in canaries:
        assert canary not in held


def test_no_session_holds_an_ip_or_a_browser(visitor, mails):
    walk(visitor, mails)
    held = "".join(repr(session.get_decoded()) for session in Session.objects.all())
    for canary in (IP, "Canary/1.0", PASSWORD):
        assert canary not in held
