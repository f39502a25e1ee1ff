"""`/help/buying/`: help that needs no account and no cookie."""

import pytest
from django.urls import reverse

from marketplace.views import HELP


@pytest.mark.django_db
def test_it_works(client):
    page = client.get("/help/buying/")
    assert (page.status_code, page.cookies) == (200, {})
    assert f"<h1>{HELP['how_buying_works']}</h1>" in page.text
    for words in ("$25.00", "$5,000.00", "90 days"):
        assert words in page.text
    for other in HELP.keys() - {"how_buying_works"}:
        assert f'href="{reverse(other)}"' in page.text
