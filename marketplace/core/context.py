"""What every template may ask for."""

from django.conf import settings
from django.http import HttpRequest

THEMES = ("system", "light", "dark")


def site(request: HttpRequest) -> dict[str, object]:
    """The site's own address, whether this is a demo, and the colour scheme (profile first, then the theme cookie)."""
    user = getattr(request, "user", None)
    theme = user.theme if user is not None and user.is_authenticated else request.COOKIES.get("theme", "")
    return {
        "SITE_URL": settings.SITE_URL,
        "DEMO": settings.DEBUG,
        "theme": theme if theme in THEMES else "system",
    }
