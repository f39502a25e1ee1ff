"""What search engines are told of: the pages without sign-in, and the leads that are on sale."""

from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.sitemaps import Sitemap
from django.urls import reverse

from marketplace.leads.models import Lead, Vertical

from .views import HELP

NEWEST = 5000  # older leads change hands or prices before anybody reads of them


class _Ours(Sitemap):
    """Addresses come from SITE_URL, never from a Host header."""

    def get_protocol(self, protocol: str | None = None) -> str:
        return urlsplit(settings.SITE_URL).scheme

    def get_domain(self, site: object = None) -> str:
        return urlsplit(settings.SITE_URL).netloc


class Pages(_Ours):
    """The pages that are there always, and the catalogue of each line of business."""

    def items(self) -> list[str]:
        names = ("home", "leads:catalogue", *HELP, "privacy:terms")
        catalogue = reverse("leads:catalogue")
        lines = (f"{catalogue}?vertical={slug}" for slug in Vertical.objects.values_list("slug", flat=True))
        return [*map(reverse, names), *lines]

    def location(self, item: str) -> str:
        return item


class Leads(_Ours):
    """The leads listed last."""

    def items(self) -> list[Lead]:
        return list(Lead.objects.on_sale().order_by("-listed_at", "-id").only("public_id", "listed_at")[:NEWEST])

    def location(self, item: Lead) -> str:
        return reverse("leads:lead", args=[item.public_id])

    def lastmod(self, item: Lead) -> datetime | None:
        return item.listed_at


SITEMAPS = {"pages": Pages, "leads": Leads}
