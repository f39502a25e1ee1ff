"""What holds on every page: one log line, no cache of what is personal."""

import json
import logging

import pytest

from marketplace.core import logs, middleware
from marketplace.core.ids import could_be_id

pytestmark = pytest.mark.django_db


def test_it_works(client, caplog):
    with caplog.at_level(logging.INFO, "leadfair.requests"):
        client.get("/terms/?email=canary@example.com", headers={"User-Agent": "Canary/1.0"}, REMOTE_ADDR="203.0.113.77")
    (record,) = caplog.records
    assert set(record.msg) == {"event", "method", "route", "status", "ms", "request_id", "level", "logger", "timestamp"}
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


# --- the id of a request ----------------------------------------------------------------------------------------------

GIVEN = ["0123456789abcdef0123456789abcdef", "01234567-89ab-cdef-0123-456789abcdef"]


def ids_in(log) -> list[str | None]:
    return [json.loads(line).get("request_id") for line in log.getvalue().splitlines()]


def test_every_line_of_a_request_carries_its_id(client, log, monkeypatch):
    def answer(status):
        logs.get("leadfair.tests").error("meanwhile")
        logging.getLogger("somebody.else").error("meanwhile")
        return page(status)

    page = middleware.static_page
    monkeypatch.setattr(middleware, "static_page", answer)
    response = client.get(f"/terms/?{'x' * 5_000}")
    again = client.get(f"/terms/?{'x' * 5_000}")
    logs.get("leadfair.tests").error("afterwards")
    first, second = response["X-Request-ID"], again["X-Request-ID"]
    assert could_be_id(first)
    assert first != second
    assert ids_in(log) == [first] * 2 + [second] * 2 + [None]


@pytest.mark.parametrize("given", GIVEN)
def test_a_proxy_of_ours_may_name_it(client, settings, given):
    settings.TRUSTED_PROXY_COUNT = 1
    assert client.get("/livez", headers={"X-Request-ID": given})["X-Request-ID"] == given


def test_nobody_else_may(client):
    assert could_be_id(client.get("/livez", headers={"X-Request-ID": GIVEN[0]})["X-Request-ID"])


@pytest.mark.parametrize(
    "given",
    ["", "6145550123", "zelda@example.net", "Zelda-Quill", GIVEN[0] + "\n", GIVEN[0] * 9, GIVEN[0].upper(), "é" * 32],
)
def test_what_may_be_somebodys_is_not_taken(client, settings, given):
    settings.TRUSTED_PROXY_COUNT = 1
    assert could_be_id(client.get("/livez", headers={"X-Request-ID": given})["X-Request-ID"])


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
