"""`/help/leads/`: help that needs no account and no cookie."""

import pytest
from django.urls import reverse

from marketplace.views import HELP


@pytest.mark.django_db
def test_it_works(client):
    page = client.get("/help/leads/")
    assert (page.status_code, page.cookies) == (200, {})
    assert f"<h1>{HELP['what_a_lead_shows']}</h1>" in page.text
    for words in ("first three digits", "8 am to 9 pm", "consent back"):
        assert words in page.text
    for other in HELP.keys() - {"what_a_lead_shows"}:
        assert f'href="{reverse(other)}"' in page.text
