"""The colour scheme: in the profile for members, in one cookie for visitors; no cookie is needed to choose."""

import pytest
from django.test import Client
from django.urls import reverse

pytestmark = pytest.mark.django_db
THEME = reverse("choose_theme")


@pytest.fixture
def strict(db):
    """A browser without any cookie, against a site that checks tokens."""
    return Client(enforce_csrf_checks=True)


def test_it_works(strict):
    response = strict.post(THEME, {"theme": "dark", "next": "/terms/"})
    assert (response.status_code, response["Location"]) == (302, "/terms/")
    assert set(strict.cookies) == {"theme"}
    cookie = strict.cookies["theme"]
    assert (cookie.value, cookie["samesite"], cookie["httponly"], cookie["path"]) == ("dark", "Lax", True, "/")
    assert 'data-theme="dark"' in strict.get("/terms/").text


def test_system_takes_the_cookie_away(strict):
    strict.post(THEME, {"theme": "dark"})
    strict.post(THEME, {"theme": "system"})
    assert strict.cookies["theme"].value == ""
    assert "data-theme" not in strict.get("/terms/").text


def test_a_member_keeps_it_in_the_profile(as_alice, alice):
    as_alice.post(THEME, {"theme": "light"})
    alice.refresh_from_db()
    assert alice.theme == "light"
    assert "theme" not in as_alice.cookies
    assert 'data-theme="light"' in as_alice.get("/terms/").text


def test_the_button_that_is_on_is_marked(strict):
    strict.post(THEME, {"theme": "dark"})
    assert 'value="dark" aria-pressed="true"' in strict.get("/terms/").text
    assert 'value="light" aria-pressed="false"' in strict.get("/terms/").text


@pytest.mark.parametrize("theme", ["", "pink", "<script>", None])
def test_an_unknown_scheme_is_refused(strict, theme):
    response = strict.post(THEME, {"theme": theme} if theme is not None else {})
    assert response.status_code == 422
    assert not strict.cookies


def test_a_forged_cookie_is_ignored(strict):
    strict.cookies["theme"] = 'x" onload="alert(1)'
    page = strict.get("/terms/").text
    assert "onload" not in page
    assert "data-theme" not in page


@pytest.mark.parametrize(
    "evil",
    [
        *("//evil.example", "https://evil.example", "javascript:alert(1)", "/\\evil.example", ""),
        *("foo", "home", "a b", "?x=1", "#n", "//[", "http://[", "//℀"),
    ],
)
def test_nobody_is_led_away(strict, evil):
    assert strict.post(THEME, {"theme": "dark", "next": evil})["Location"] == "/"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://testserver.evil.example", "http://[", ""])
def test_other_sites_cannot_choose_for_us(strict, origin):
    response = strict.post(THEME, {"theme": "dark"}, headers={"Origin": origin})
    assert response.status_code == 403
    assert "Not allowed" in response.text
    assert not strict.cookies


def test_our_own_origin_may(strict):
    assert strict.post(THEME, {"theme": "dark"}, headers={"Origin": "http://testserver"}).status_code == 302


def test_looking_changes_nothing(strict):
    assert strict.get(THEME).status_code == 405
