"""What holds on every page: one log line, no cache of what is personal."""

import logging

import pytest

pytestmark = pytest.mark.django_db


def test_it_works(client, caplog):
    with caplog.at_level(logging.INFO, "leadfair.requests"):
        client.get("/terms/?email=canary@example.com", headers={"User-Agent": "Canary/1.0"}, REMOTE_ADDR="203.0.113.77")
    (record,) = caplog.records
    assert set(record.msg) == {"event", "method", "route", "status", "ms", "level", "logger", "timestamp"}
    assert (record.msg["method"], record.msg["route"], record.msg["status"]) == ("GET", "privacy:terms", 200)


@pytest.mark.parametrize(("method", "logged"), [("TRACE", "other"), ("BREW /x", "other"), ("POST", "POST")])
def test_strange_methods_are_not_copied(client, caplog, method, logged):
    with caplog.at_level(logging.INFO, "leadfair.requests"):
        client.generic(method, "/terms/")
    assert caplog.records[0].msg["method"] == logged


def test_a_path_that_is_none_of_ours_is_not_copied(client, caplog):
    with caplog.at_level(logging.INFO, "leadfair.requests"):
        client.get("/canary@example.com/")
    assert "canary" not in repr(caplog.records[0].msg)


def test_pages_of_members_are_not_stored(as_alice):
    for path in ("/", "/terms/", "/account/", "/nowhere/"):
        assert "no-store" in as_alice.get(path)["Cache-Control"], path


def test_pages_of_visitors_may_be(client):
    assert "Cache-Control" not in client.get("/terms/")


def test_a_bare_answer_to_a_wrong_method_becomes_a_page(client, as_alice):
    """It names what is allowed, and leads back to the page whose form the address takes."""
    response = client.get("/theme/")
    assert (response.status_code, response["Allow"]) == (405, "POST")
    assert "Nothing to open here" in response.text
    assert response["Content-Security-Policy"]
    response = as_alice.get("/my-leads/abc/notes/")
    assert response.status_code == 405
    assert 'href="/my-leads/abc/">Back to the page' in response.text
    assert as_alice.put("/account/")["Allow"] == "GET, HEAD, POST"
