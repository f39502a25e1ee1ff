"""The site's table of contents."""

from django.conf import settings
from django.contrib import admin
from django.contrib.sitemaps.views import sitemap
from django.urls import include, path
from django.views.generic import RedirectView

from accounts.urls import entrance

from . import views
from .sitemaps import SITEMAPS

urlpatterns = [
    path("", views.home, name="home"),
    path("", include("accounts.urls")),
    path("", include("privacy.urls")),
    path("", include("marketplace.purchases.urls")),  # before the leads: no lead is called "buy"
    path("", include("marketplace.leads.urls")),
    path("", include("marketplace.wallet.urls")),
    path("accounts/", include(entrance)),
    path("help/buying/", views.how_buying_works, name="how_buying_works"),
    path("help/leads/", views.what_a_lead_shows, name="what_a_lead_shows"),
    path("help/prices/", views.why_trust_a_price, name="why_trust_a_price"),
    path("kit/", views.kit, name="kit"),
    path("theme/", views.choose_theme, name="choose_theme"),
    path("livez", views.livez, name="livez"),
    path("readyz", views.readyz, name="readyz"),
    path("robots.txt", views.robots, name="robots"),
    path("sitemap.xml", sitemap, {"sitemaps": SITEMAPS}, name="sitemap"),
    # The admin's own page knows neither the limit on tries nor the mail about a new password.
    path("admin/password_change/", RedirectView.as_view(pattern_name="account_change_password")),
    path("admin/logout/", RedirectView.as_view(pattern_name="account_logout")),  # one way out, as there is one way in
    path("admin/", admin.site.urls),
]
if settings.DEBUG:
    urlpatterns += [
        path("demo/mailbox/", views.demo_mailbox, name="demo_mailbox"),
        path("demo/mailbox/<str:name>/", views.demo_message, name="demo_message"),
    ]
handler429 = "marketplace.views.too_many_requests"  # allauth asks for it
handler400 = "marketplace.views.bad_request"
handler403 = "marketplace.views.forbidden"
handler404 = "marketplace.views.not_found"
handler500 = "marketplace.views.server_error"
