from django.apps import AppConfig


class MarketplaceConfig(AppConfig):
    """The composition root: the home page, health, the demo pages and the commands that see every room."""

    name = "marketplace"
