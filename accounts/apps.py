from django.apps import AppConfig

from privacy.vault.fields import SealedInJson, seals_in_json


class AccountsConfig(AppConfig):
    name = "accounts"
    label = "accounts"
    verbose_name = "Members"

    def ready(self) -> None:
        from . import factors

        where = {"place": factors.place_of, "of": factors.member_of}
        seals_in_json(SealedInJson(model="mfa.Authenticator", column="data", key="sealed", **where))
