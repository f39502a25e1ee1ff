from django.apps import AppConfig


class MailConfig(AppConfig):
    name = "marketplace.mail"
    label = "mail"
    verbose_name = "Mail"
