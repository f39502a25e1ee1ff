"""The process answers, whatever happened to the rest."""

from django.urls import reverse


def test_it_works(client):  # without the database
    response = client.get(reverse("livez"))
    assert (response.status_code, response.text, response["Content-Type"]) == (200, "ok", "text/plain")
    assert reverse("livez") == "/livez"


def test_looking_only(client):
    assert client.post("/livez").status_code == 405
