"""Addresses in mails come from SITE_URL, whatever a request claims; forms lead back to pages of ours only."""

import pytest

from accounts.emails import account_exists
from marketplace.core.links import absolute, page_above, safe_next
from marketplace.mail.models import OutgoingEmail
from marketplace.mail.services import render


def test_it_works():
    assert absolute("leads:lead", "abc") == "http://testserver/leads/abc/"


@pytest.mark.parametrize("there", ["/", "/leads/?state=OH&sort=price#top", "/my-leads/abc/", "/é"])
def test_a_path_of_ours_is_where_a_form_leads_back_to(rf, there):
    assert safe_next(rf.post("/", {"next": there}), "/fallback/") == there


NO_PATHS = ["", "foo", "home", "a b", "?x=1", "#n", "javascript:alert(1)", "http://testserver/leads/", "\x00/", "\n/"]
ELSEWHERE = ["//evil.example", "///evil.example", "/\\evil.example", "//[", "//℀", "/" + 3000 * "x", "http://["]


@pytest.mark.parametrize("there", NO_PATHS + ELSEWHERE)
def test_nothing_else_is(rf, there):
    assert safe_next(rf.post("/", {"next": there}), "/fallback/") == "/fallback/"


def test_the_address_of_the_page_names_nothing(rf):
    assert safe_next(rf.post("/?next=/leads/"), "/fallback/") == "/fallback/"


@pytest.mark.django_db
def test_a_host_header_changes_no_mail(client, alice, settings):
    settings.ALLOWED_HOSTS = ["testserver", "evil.example"]
    client.post("/accounts/password/reset/", {"email": alice.email}, headers={"Host": "evil.example"})
    account_exists(alice)
    assert OutgoingEmail.objects.count() == 2
    for row in OutgoingEmail.objects.all():
        message = render(row)
        assert "evil" not in message.body + str(message.alternatives) + message.extra_headers["Message-ID"]


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/my-leads/abc/notes/", "/my-leads/abc/"),
        ("/my-leads/abc/notes/def/remove/", "/my-leads/abc/"),  # .../notes/def/ is nothing, .../notes/ takes forms
        ("/my-leads/abc/stage/", "/my-leads/abc/"),
        ("/theme/", "/"),
        ("/", "/"),
        ("//", "/"),
        ("/no/such/page", "/"),
    ],
)
def test_the_page_of_a_form_is_the_nearest_above_it(path, page):
    assert page_above(path) == page
