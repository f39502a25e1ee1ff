"""The demo shows the mails it would have sent."""

import pytest
from django.urls import reverse

from marketplace.mail.models import Category
from marketplace.mail.services import deliver_due, send

pytestmark = pytest.mark.django_db


def queue(member, key: str, code: str) -> None:
    context = {"code": code, "minutes": 15}
    send(member, category=Category.VERIFICATION, template="accounts/email/verification", context=context, key=key)


def test_it_works(demo, client, alice):
    queue(alice, "1", "11111111")
    deliver_due()
    queue(alice, "2", "22222222")
    deliver_due()
    page = client.get(reverse("demo_mailbox"))
    assert page.status_code == 200
    assert page.text.count("Your code for Leadfair") == 2
    names = [
        line.split("/")[3] for line in page.text.split('href="') if line.startswith("/demo/mailbox/") and ".eml" in line
    ]
    newest = client.get(reverse("demo_message", args=[names[0]])).text
    assert "22222222" in newest
    assert "alice@example.com" in newest
    assert 'href="http://testserver"' in newest, "links can be followed"


def test_an_empty_box_says_so(demo, client):
    assert "No mail yet" in client.get(reverse("demo_mailbox")).text


@pytest.mark.parametrize("name", ["missing.eml", "..%2Fx.eml", "x.txt", "%2e%2e", "a.eml.part"])
def test_nothing_but_mails_is_read(demo, client, name):
    (demo.parent / "x.eml").write_text("Subject: secret\n\nsecret")
    (demo / "a.eml.part").write_text("Subject: half\n\nhalf")
    assert client.get(f"/demo/mailbox/{name}/").status_code == 404


def test_a_mail_cannot_run_anything(demo, client, alice):
    alice.handle = "<script>alert(1)</script>"
    send(alice, category=Category.SECURITY, template="accounts/email/email_changed", context={}, key="1")
    deliver_due()
    name = next(demo.glob("*.eml")).name
    assert "<script>" not in client.get(reverse("demo_message", args=[name])).text


def test_looking_only(demo, client, alice):
    send(alice, category=Category.SECURITY, template="accounts/email/email_changed", context={}, key="1")
    deliver_due()
    for url in ("/demo/mailbox/", reverse("demo_message", args=[next(demo.glob("*.eml")).name])):
        assert client.head(url).status_code == 200
        assert client.post(url).status_code == 405


def test_it_does_not_exist_without_the_demo(client):
    assert client.get("/demo/mailbox/").status_code == 404
    assert "Demo mailbox" not in client.get("/").text
