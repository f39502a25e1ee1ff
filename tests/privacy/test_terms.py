"""The terms: readable by everybody, with version, date and fingerprint."""

import hashlib
from datetime import UTC, date, datetime

import pytest
import time_machine
from django.urls import reverse

from privacy.policy.models import Document, PolicyVersion
from privacy.policy.services import in_force, sha256_of

pytestmark = pytest.mark.django_db
TERMS = reverse("privacy:terms")


def test_it_works(client):
    assert TERMS == "/terms/"
    page = client.get(TERMS)
    version = in_force(Document.TERMS)
    assert page.status_code == 200
    assert "Version 1, in force since 1 Nov 2026" in page.text
    assert version.sha256 in page.text
    assert "<h2>9. Changes</h2>" in page.text


def test_the_fingerprint_is_that_of_the_text(client):
    version = in_force(Document.TERMS)
    assert hashlib.sha256(version.text.encode()).hexdigest() == version.sha256


def test_it_needs_nothing(client):
    """No account, no cookie, no script (DX-03)."""
    page = client.get(TERMS)
    assert not client.cookies
    assert "<script" not in page.text
    assert "noindex" not in page.text


def test_the_newest_version_is_shown_from_its_day_on(client):
    text = "# New\n\nOne *word*."
    PolicyVersion.objects.create(
        document=Document.TERMS, number=2, text=text, sha256=sha256_of(text), effective_on=date(2026, 12, 1)
    )
    with time_machine.travel(datetime(2026, 11, 30, 23, 59, tzinfo=UTC), tick=False):
        assert "Version 1, in force since 1 Nov 2026" in client.get(TERMS).text
    with time_machine.travel(datetime(2026, 12, 1, tzinfo=UTC), tick=False):
        page = client.get(TERMS).text
    assert "Version 2, in force since 1 Dec 2026" in page
    assert "<em>word</em>" in page


def test_html_in_a_text_is_shown_and_not_run(client):
    text = "<script>alert(1)</script>\n\n[x](javascript:alert(1)) <img src=x onerror=alert(1)>"
    PolicyVersion.objects.create(
        document=Document.TERMS, number=2, text=text, sha256=sha256_of(text), effective_on=date(2026, 11, 2)
    )
    page = client.get(TERMS).text
    assert "<script>" not in page
    assert "<img" not in page
    assert 'href="javascript' not in page
    assert "&lt;script&gt;" in page


def test_few_queries(client, django_assert_max_num_queries):
    with django_assert_max_num_queries(1):
        client.get(TERMS)


def test_reading_only(client):
    assert client.post(TERMS).status_code == 405
