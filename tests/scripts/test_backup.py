"""A backup restored as the README says: nothing is missing, and the guards stand."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from marketplace.doctor import GUARDS
from marketplace.purchases.models import Purchase
from tests.purchases.conftest import bought

ROOT = Path(settings.BASE_DIR)
NAME = "leadfair_restored"
pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def server() -> Iterator[dict[str, str]]:
    """The environment that leads to the test run's server, which has room for another database."""
    values = connection.settings_dict
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {NAME}")
    yield {**os.environ, "PGHOST": values["HOST"], "PGPORT": str(values["PORT"]), "PGUSER": values["USER"]}
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {NAME} WITH (FORCE)")


def options(program: str) -> list[str]:
    """What the README gives the program, without who and where."""
    (line,) = re.findall(rf"{program} (.*)", (ROOT / "README.md").read_text())
    return [word for word in re.findall(r"--[\w-]+(?:=\w+)?", line) if not word.startswith(("--username", "--dbname"))]


def manage(env: dict[str, str], *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *command], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_works(server, alice, tmp_path):
    purchase = bought(alice)
    dump = tmp_path / "leadfair.dump"
    with dump.open("wb") as out:
        name = connection.settings_dict["NAME"]
        subprocess.run(["pg_dump", *options("pg_dump"), name], env=server, stdout=out, check=True)
    with dump.open("rb") as file:
        subprocess.run(["pg_restore", *options("pg_restore"), f"--dbname={NAME}"], env=server, stdin=file, check=True)

    url = os.environ["TEST_DATABASE_URL"].rpartition("/")[0] + f"/{NAME}"
    env = server | {"TEST_DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    manage(env, "migrate", "--verbosity", "0")
    assert manage(env, "ledger_check") == "0 findings\n"
    with psycopg.connect(url) as restored:
        (found,) = restored.execute("SELECT public_id FROM purchases_purchase").fetchone()
        guards = {row[0] for row in restored.execute("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal")}
    assert found == purchase.public_id == Purchase.objects.get().public_id
    assert guards >= GUARDS["postgresql"]
