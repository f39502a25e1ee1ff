"""Sessions: a made-up cookie is a visitor's, and a database that fails is not taken for a sign-out."""

import pytest
from django.conf import settings
from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import UpdateError
from django.db import DatabaseError, OperationalError, connection

from marketplace.core.sessions import SessionStore

pytestmark = pytest.mark.django_db


def test_it_works():
    session = SessionStore()
    session["theme"] = "dark"
    session.create()
    assert SessionStore(session.session_key)["theme"] == "dark"
    assert len(session.session_key) == 32


MADE_UP = [
    "aaaaaaaa\0",
    "\0" * 32,
    "a" * 31 + "\0",
    "a" * 31,
    "a" * 33,
    "A" * 32,
    "é" * 32,
    "a" * 31 + "\n",
    "' OR 1=1 --",
    "",
]


@pytest.mark.parametrize("key", MADE_UP)
def test_a_made_up_key_is_no_session(key):
    assert SessionStore(key).session_key is None
    assert list(SessionStore(key).keys()) == []


@pytest.mark.parametrize("cookie", ['"aaaaaaaa\\000"', '"' + "a" * 31 + '\\000"', "aaaaaaaa", "a" * 5000])
def test_a_made_up_cookie_is_a_visitors(client, cookie):
    page = client.get("/wallet/", headers={"Cookie": f"{settings.SESSION_COOKIE_NAME}={cookie}"})
    assert page.status_code == 302
    assert page["Location"].startswith("/accounts/login/")


@pytest.mark.postgresql
def test_control_with_the_check_of_django_it_breaks(client, monkeypatch):
    monkeypatch.setattr(SessionStore, "_validate_session_key", db.SessionStore._validate_session_key)
    cookie = f'{settings.SESSION_COOKIE_NAME}="aaaaaaaa\\000"'
    with pytest.raises((DatabaseError, ValueError)):
        client.get("/wallet/", headers={"Cookie": cookie})


def failing(error):
    def wrapper(execute, sql, params, many, context):
        if "UPDATE" in sql and "django_session" in sql:
            raise error
        return execute(sql, params, many, context)

    return connection.execute_wrapper(wrapper)


def test_a_database_that_fails_says_so():
    session = SessionStore()
    session.create()
    with failing(OperationalError("database is locked")), pytest.raises(OperationalError):
        session.save()


def test_a_session_that_was_deleted_meanwhile_is_not_brought_back():
    session = SessionStore()
    session.create()
    SessionStore().delete(session.session_key)
    with pytest.raises(UpdateError):
        session.save()
