"""Brings the database up to date before the site starts, and loads the demo where nobody lives yet.

Standard output is for the person at the terminal, standard error for the log.
"""

from __future__ import annotations

import os
import sys

import django
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from privacy.vault.fields import unseal_from
from privacy.vault.sealing import CannotOpen


def migrate() -> None:
    """Apply the migrations that the database lacks."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        print("Making the database ...")
        call_command("migrate", verbosity=0, interactive=False)


def check_keys() -> None:
    """End with a sentence if the leads that are there were sealed with other keys: nobody could ever be called."""
    contact = apps.get_model("leads.LeadContact").objects.order_by("-pk").first()
    try:
        if contact is not None:
            unseal_from(contact, "sealed")
    except CannotOpen:
        sys.exit(
            "The leads in this database were sealed with other keys. Bring back demo.env of the folder they came "
            "from, or set SEALING_KEYS and DIGEST_KEYS."
        )


def load_demo() -> None:
    """Load the demo into a database without people (never into one that somebody uses), or finish loading it."""
    unfinished = settings.VAR / "demo.unfinished"
    if unfinished.exists() or not get_user_model().objects.exists():
        print("Loading the demo ...")
        unfinished.touch()
        leads = os.environ.get("LEADFAIR_DEMO_LEADS")
        call_command("demo", **({"leads": int(leads)} if leads else {}))
        unfinished.unlink()


if __name__ == "__main__":
    django.setup()
    migrate()
    check_keys()
    load_demo()
