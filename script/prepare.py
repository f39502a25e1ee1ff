"""Brings the database up to date before the site starts, and loads the demo where nobody lives yet.

Standard output is for the person at the terminal, standard error for the log.
"""

from __future__ import annotations

import os

import django
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor


def migrate() -> None:
    """Apply the migrations that the database lacks."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        print("Making the database ...")
        call_command("migrate", verbosity=0, interactive=False)


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
    load_demo()
