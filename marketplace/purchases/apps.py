from importlib import import_module

from django.apps import AppConfig


class PurchasesConfig(AppConfig):
    name = "marketplace.purchases"
    label = "purchases"
    verbose_name = "Purchases"

    def ready(self) -> None:
        import_module("marketplace.purchases.statement")  # so that the wallet knows how purchases are called
