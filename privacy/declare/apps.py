from django.apps import AppConfig


class DeclareConfig(AppConfig):
    name = "privacy.declare"
    label = "declare"
