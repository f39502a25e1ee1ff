"""The site's table of contents."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from . import views

urlpatterns = [
    path("", views.home, name="home"),
    path("", include("accounts.urls")),
    path("", include("privacy.urls")),
    path("accounts/", include("allauth.account.urls")),
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
handler404 = "marketplace.views.not_found"
handler500 = "marketplace.views.server_error"
