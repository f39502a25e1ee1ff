"""`/sitemap.xml`: what search engines are told of, and nothing behind sign-in."""

import re

import pytest
from django.urls import reverse

from marketplace import sitemaps
from marketplace.leads.models import Lead
from tests.stock import make_lead

pytestmark = pytest.mark.django_db
URL = "/sitemap.xml"


def addresses(client, **headers) -> list[str]:
    response = client.get(URL, headers=headers)
    assert (response.status_code, response["Content-Type"]) == (200, "application/xml")
    return re.findall("<loc>(.*?)</loc>", response.text)


def test_it_works(client, settings):
    settings.SITE_URL = "https://leadfair.example"
    lead = make_lead()
    found = addresses(client)
    for path in ("/", "/leads/", "/terms/", "/help/buying/", "/leads/?vertical=solar", f"/leads/{lead.public_id}/"):
        assert f"https://leadfair.example{path}" in found
    assert len(found) == len(set(found))


def test_every_address_answers_and_may_be_indexed(client):
    make_lead()
    for address in addresses(client):
        page = client.get(address.removeprefix("http://testserver").replace("&amp;", "&"))
        assert page.status_code == 200, address
        assert "noindex" not in page.text, address
        assert f'<link rel="canonical" href="{address}">' in page.text


def test_the_host_header_is_not_believed(client, settings):
    settings.ALLOWED_HOSTS = ["*"]
    assert not [address for address in addresses(client, host="evil.example") if "evil" in address]


def test_leads_that_are_gone_are_left_out(client):
    gone, there = make_lead(), make_lead()
    Lead.objects.filter(pk=gone.pk).update(status="withdrawn")
    found = " ".join(addresses(client))
    assert there.public_id in found
    assert gone.public_id not in found


def test_it_stays_small(client, monkeypatch):
    monkeypatch.setattr(sitemaps, "NEWEST", 2)
    leads = [make_lead() for _ in range(3)]
    found = " ".join(addresses(client))
    assert [lead.public_id in found for lead in leads] == [False, True, True]


def test_robots_txt_names_it(client):
    assert f"Sitemap: http://testserver{reverse('sitemap')}" in client.get("/robots.txt").text
