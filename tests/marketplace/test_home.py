"""The home page: what Leadfair is, with figures that are true."""

import re

import pytest
from django.urls import reverse

from marketplace import views
from marketplace.leads.models import Lead, Vertical
from marketplace.leads.services import make_verticals
from tests.stock import make_lead

pytestmark = pytest.mark.django_db
HOME = reverse("home")


def test_it_works(client):
    leads = [make_lead(hours_old=hours) for hours in (30, 3, 2, 1)]
    page = client.get(HOME)
    assert page.status_code == 200
    newest = leads[1:]
    for lead in newest:
        assert reverse("leads:lead", args=[lead.public_id]) in page.text
    assert leads[0].public_id not in page.text, "three are enough"
    assert page.text.count("<h1") == 1
    assert len(re.findall(r"<li><h3>", page.text)) == 4, "four steps"
    assert page.text.count("<details>") >= 4


def test_the_contacts_are_hidden(client):
    make_lead(first_name="Canarina", last_name="Leadson", phone="+16145550188", email="canary.lead@example.net")
    page = client.get(HOME).text
    for value in ("Canarina", "Leadson", "614", "0188", "canary"):
        assert value not in page
    assert "Name hidden until purchase" in page


def test_the_figures_are_true(client):
    make_lead()
    make_lead()
    old = make_lead()
    Lead.objects.filter(pk=old.pk).update(listed_at=old.listed_at.replace(year=2020))
    gone = make_lead()
    Lead.objects.filter(pk=gone.pk).update(status=Lead.Status.WITHDRAWN)
    context = client.get(HOME).context
    assert (context["on_sale"], context["listed_today"]) == ("3", "2")


def test_big_figures_are_capped(client, monkeypatch):
    monkeypatch.setattr(views, "COUNTED", 1)
    make_lead()
    assert client.get(HOME).context["on_sale"] == "1"
    make_lead()
    assert client.get(HOME).context["on_sale"] == "1+"


def test_every_vertical_has_its_range(client):
    make_verticals()
    page = client.get(HOME).text
    assert Vertical.objects.count() == 10
    for vertical in Vertical.objects.all():
        assert vertical.name in page
        assert f"${vertical.low_cents // 100}.00 to ${vertical.high_cents // 100}.00" in page
        assert client.get(reverse("leads:catalogue"), {"vertical": vertical.slug}).status_code == 200


def test_without_leads_it_says_so(client):
    page = client.get(HOME)
    assert page.status_code == 200
    assert "No lead is on sale at this moment" in page.text


def test_it_promises_nothing_that_does_not_exist(client):
    text = re.sub(r"<[^>]+>", " ", client.get(HOME).text).lower()
    for word in ("standing order", "return it", "refund", "guarantee", "forum", "webinar", "score", "api"):
        assert not re.search(rf"\b{word}\b", text), word
    assert "!" not in text


def test_few_queries(client, django_assert_max_num_queries):
    for _ in range(5):
        make_lead()
    with django_assert_max_num_queries(5):
        client.get(HOME)
