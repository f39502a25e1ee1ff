"""What search engines may read."""

from django.urls import reverse


def test_it_works(client):
    response = client.get("/robots.txt")
    assert (response.status_code, response["Content-Type"]) == (200, "text/plain")
    lines = response.text.splitlines()
    assert lines[0] == "User-agent: *"
    closed = [line.removeprefix("Disallow: ") for line in lines[1:]]
    for name in ("accounts:profile", "account_login", "wallet:wallet", "purchases:my_leads", "admin:index"):
        assert any(reverse(name).startswith(path) for path in closed), name
    for name in ("home", "leads:catalogue", "privacy:terms"):
        assert not any(reverse(name).startswith(path) for path in closed), name
