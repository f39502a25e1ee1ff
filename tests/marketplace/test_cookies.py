"""Reading needs no cookie, and sets none."""

import pytest
from django.urls import reverse

from tests.stock import make_lead

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", ["home", "privacy:terms", "leads:catalogue", "livez", "readyz", "robots"])
def test_reading_sets_no_cookie(client, name):
    make_lead()
    assert client.get(reverse(name)).status_code == 200
    assert not client.cookies


def test_a_lead_sets_no_cookie(client):
    assert client.get(reverse("leads:lead", args=[make_lead().public_id])).status_code == 200
    assert not client.cookies


def test_an_error_sets_no_cookie(client):
    assert client.get("/nowhere/").status_code == 404
    assert not client.cookies


@pytest.mark.parametrize("name", ["account_login", "account_signup", "account_reset_password"])
def test_a_form_sets_its_token_for_the_session_only(client, name):
    client.get(reverse(name))
    assert set(client.cookies) == {"csrftoken"}
    cookie = client.cookies["csrftoken"]
    assert (cookie["max-age"], cookie["expires"], cookie["httponly"], cookie["samesite"]) == ("", "", True, "Lax")


def test_headers_hold_on_every_page(client, as_alice):
    for path in ("/", "/terms/", "/accounts/login/", "/account/", "/nowhere/", "/livez", "/admin/"):
        response = as_alice.get(path)
        assert "default-src 'self'" in response["Content-Security-Policy"], path
        assert "unsafe" not in response["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in response["Content-Security-Policy"]
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Referrer-Policy"] == "same-origin"
        assert response["X-Frame-Options"] == "DENY"
        assert "camera=()" in response["Permissions-Policy"]
        assert "Server" not in response
        assert "X-Powered-By" not in response
