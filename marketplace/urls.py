"""The site's table of contents."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from accounts.urls import entrance

from . import views

urlpatterns = [
    path("", views.home, name="home"),
    path("", include("accounts.urls")),
    path("", include("privacy.urls")),
    path("", include("marketplace.leads.urls")),
    path("", include("marketplace.purchases.urls")),
    path("", include("marketplace.wallet.urls")),
    path("accounts/", include(entrance)),
    path("theme/", views.choose_theme, name="choose_theme"),
    path("livez", views.livez, name="livez"),
    path("readyz", views.readyz, name="readyz"),
    path("robots.txt", views.robots, name="robots"),
    path("admin/", admin.site.urls),
]
if settings.DEBUG:
    urlpatterns += [
        path("demo/mailbox/", views.demo_mailbox, name="demo_mailbox"),
        path("demo/mailbox/<str:name>/", views.demo_message, name="demo_message"),
    ]
handler429 = "marketplace.views.too_many_requests"  # allauth asks for it
handler404 = "marketplace.views.not_found"
handler500 = "marketplace.views.server_error"
