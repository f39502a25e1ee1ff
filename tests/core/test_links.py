"""Addresses in mails come from SITE_URL, whatever a request claims."""

import pytest

from accounts.emails import account_exists
from marketplace.core.links import absolute
from marketplace.mail.models import OutgoingEmail
from marketplace.mail.services import render


def test_it_works():
    assert absolute("leads:lead", "abc") == "http://testserver/leads/abc/"
    assert absolute("account_login", query="next=/x/") == "http://testserver/accounts/login/?next=/x/"


@pytest.mark.django_db
def test_a_host_header_changes_no_mail(client, alice, settings):
    settings.ALLOWED_HOSTS = ["testserver", "evil.example"]
    client.post("/accounts/password/reset/", {"email": alice.email}, headers={"Host": "evil.example"})
    account_exists(alice)
    assert OutgoingEmail.objects.count() == 2
    for row in OutgoingEmail.objects.all():
        message = render(row)
        assert "evil" not in message.body + str(message.alternatives) + message.extra_headers["Message-ID"]
