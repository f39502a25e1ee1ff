"""Error pages say what happened and what to do; they tell nothing else."""

import json
import logging
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404
from django.test import Client

from accounts.models import STATES
from marketplace import views
from marketplace.core.refusals import Busy, Refusal, TooMany
from marketplace.leads.verticals import KINDS

pytestmark = pytest.mark.django_db
SECRET = "secret-of-alice@example.com"


@pytest.fixture
def failing(monkeypatch, client):
    """The home page raises what it is given."""

    def fail_with(error: Exception):
        def fail(*args, **kwargs):
            raise error

        monkeypatch.setattr(views, "_counted", fail)
        client.raise_request_exception = False
        return client.get("/")

    return fail_with


def test_not_found(client):
    page = client.get("/no/such/page/")
    assert page.status_code == 404
    assert "Page not found" in page.text
    assert 'href="/leads/"' in page.text
    assert "no/such/page" not in page.text.replace('name="next" value="/no/such/page/"', "")


def test_not_found_is_the_same_page_in_the_demo(client, demo):
    """With DEBUG Django would list every address."""
    page = client.get("/no/such/page/")
    assert page.status_code == 404
    assert "Page not found" in page.text
    assert "URLconf" not in page.text
    assert page["Content-Security-Policy"]


def test_what_is_not_yours_looks_like_what_does_not_exist(as_alice):
    pages = [as_alice.get(f"/my-leads/{name}/") for name in ("nobodys", "missing")]
    bodies = [page.text.replace("nobodys", "NAME").replace("missing", "NAME") for page in pages]
    assert [page.status_code for page in pages] == [404, 404]
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (Http404(SECRET), 404, "Page not found"),
        (PermissionDenied(SECRET), 403, "Not allowed"),
        (SuspiciousOperation(SECRET), 400, "We did not understand that"),
        (BadRequest(SECRET), 400, "We did not understand that"),
        (RequestDataTooBig(SECRET), 413, "That was too large"),
        (ValueError(SECRET), 500, "Something broke on our side"),
        (Busy(), 503, "very busy"),
        (TooMany(7), 429, "7 seconds"),
        (TooMany(300), 429, "5 minutes"),
        (Refusal("A sentence for people."), 409, "A sentence for people."),
    ],
)
def test_each_error_has_its_page(failing, error, status, said):
    page = failing(error)
    assert page.status_code == status
    assert said in page.text
    assert SECRET not in page.text
    assert 'href="/leads/"' in page.text
    assert "Traceback" not in page.text
    assert page["Content-Security-Policy"].count("default-src 'self'") == 1
    assert 'style="' not in page.text
    assert "<style" not in page.text


@pytest.mark.parametrize(("error", "seconds"), [(Busy(), "2"), (TooMany(7), "7")])
def test_waits_are_told_to_machines_too(failing, error, seconds):
    assert failing(error)["Retry-After"] == seconds


def test_what_broke_is_logged_without_its_text(failing, log):
    failing(ValueError(SECRET))
    (line,) = log.getvalue().splitlines()
    entry = json.loads(line)
    assert (entry["level"], entry["exception"]) == ("error", "ValueError")
    assert "test_error_pages.py" in entry["where"]
    assert SECRET not in line


@pytest.mark.parametrize("error", [Http404(SECRET), PermissionDenied(SECRET), TooMany(7)])
def test_refusals_are_no_errors_in_the_log(failing, caplog, error):
    with caplog.at_level(logging.INFO):
        failing(error)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("name", ["400.html", "413.html", "414.html", "500.html", "503.html"])
def test_the_static_pages_need_nothing(name):
    """No template engine, no database: they are shown when those fail."""
    text = (Path(settings.BASE_DIR) / "templates" / name).read_text()
    assert "{%" not in text
    assert "{{" not in text
    assert 'href="/static/css/leadfair.css"' in text
    assert "style=" not in text


def test_a_form_without_its_token_says_what_to_do(alice):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    page = client.post("/account/", {})
    assert page.status_code == 403
    assert "Please send it again" in page.text
    assert 'href="/account/"' in page.text


@pytest.mark.parametrize("path", ["/theme/", "/accounts/login/", "/wallet/add/"])
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_a_form_of_a_megabyte_is_too_large(as_alice, path, kind):
    word = "x" * 1_000_000
    body = f'--x\r\nContent-Disposition: form-data; name="password"\r\n\r\n{word}\r\n--x--\r\n'
    page = as_alice.post(path, body if "boundary" in kind else f"password={word}", content_type=kind)
    assert page.status_code == 413
    assert "nothing was changed" in page.text


@pytest.mark.parametrize("path", ["/leads/?place=", "/my-leads/?q=", "/accounts/login/?next=/", "/nowhere/?x="])
def test_an_address_that_is_too_long_is_refused(as_alice, path):
    page = as_alice.get(f"{path}{'x' * 4_000}")
    assert page.status_code == 414
    assert "That address is too long" in page.text
    assert page["Content-Security-Policy"].count("default-src 'self'") == 1
    assert page["X-Frame-Options"] == "DENY"


def test_every_filter_at_once_is_no_long_address(as_alice):
    """Nor are fifty leads, on the way through signing in."""
    states = "&".join(f"state={code}" for code, _ in STATES)
    kinds = "&".join(f"vertical={kind.slug}" for kind in KINDS)
    leads = quote("/leads/buy/?" + "&".join(f"lead={'x' * 14}" for _ in range(50)), safe="")
    assert as_alice.get(f"/leads/?{kinds}&{states}&place={'x' * 80}&miles=100&sort=-price").status_code != 414
    assert as_alice.get(f"/accounts/login/?next={leads}").status_code != 414


def test_a_form_of_a_thousand_fields_is_refused(client):
    assert client.post("/theme/", {f"field{number}": "x" for number in range(1_000)}).status_code == 400


def test_a_host_that_is_not_ours_is_refused(client):
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400


@pytest.mark.parametrize(
    "path", ["/theme/", "/my-leads/abc/notes/", "/my-leads/abc/stage/", "/my-leads/abc/notes/def/remove/"]
)
def test_what_takes_forms_only_says_so_to_visitors_and_members(client, alice, path):
    for _ in range(2):
        page = client.get(path)
        assert page.status_code == 405
        assert "Nothing was changed" in page.text
        assert 'href="/leads/"' in page.text
        client.force_login(alice)


def test_a_limit_leads_back_to_the_page(failing):
    page = failing(TooMany(7))
    assert '<a href="/">Open the page again</a>' in page.text
    assert "mail from us" not in page.text
