"""The house rules that a machine can see."""

import re
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import distribution
from io import StringIO
from itertools import chain
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection, models
from django.db.migrations import AddField, AddIndex, Migration, RemoveField, RenameField, RunPython
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from django_migration_linter import MigrationLinter
from django_migration_linter.sql_analyser import analyse_sql_statements
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from marketplace.core import triggers
from marketplace.core.operations import AddIndexConcurrently
from marketplace.doctor import GUARDS
from privacy.declare.data_sets import data_sets
from privacy.declare.vocabulary import Subject

ROOT = Path(settings.BASE_DIR)
once = pytest.mark.postgresql  # a check of the files needs no second database


def run(*command: str) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


@once
def test_ruff_finds_nothing():
    run("ruff", "check", ".")


@once
def test_the_code_is_formatted():
    run("ruff", "format", "--check", ".")


@once
def test_the_types_hold():
    run("mypy", "--no-error-summary")


def lint_imports(config: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--config", str(config)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@once
def test_imports_go_down_only():
    done = lint_imports(ROOT / "pyproject.toml")
    assert done.returncode == 0, done.stdout[-4000:]


@once
def test_control_the_two_exceptions_are_all_that_the_contracts_let_pass(tmp_path):
    """Without them, the contracts name the gateway and the vault, and nothing else."""
    strict = tmp_path / "pyproject.toml"
    strict.write_text(re.sub(r"^ignore_imports = .*$", "", (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE))
    done = lint_imports(strict)
    assert done.returncode == 1
    found = set(re.findall(r"- +([\w.]+ -> \w+)", done.stdout))
    assert found == {"marketplace.wallet.gateway -> stripe", "privacy.vault.sealing -> cryptography"}, done.stdout


def listed(name: str) -> dict[str, Requirement]:
    """What a requirements file lists, by the name of the package."""
    lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
    found = [Requirement(line) for line in lines if line and not line.startswith("-r ")]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def brought_along(wanted: Iterable[Requirement]) -> set[str]:
    """Every package that ``wanted`` need on this machine, they themselves too."""
    found: set[tuple[str, str]] = set()
    left = [(requirement, extra) for requirement in wanted for extra in ("", *requirement.extras)]
    while left:
        requirement, extra = left.pop()
        name = canonicalize_name(requirement.name)
        if (name, extra) not in found:
            found.add((name, extra))
            for needed in map(Requirement, distribution(name).requires or []):
                if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                    left += [(needed, another) for another in ("", *needed.extras)]
    return {name for name, _ in found}


@once
def test_every_package_is_pinned():
    """Those that others bring along too: two machines never run different code."""
    runs = listed("requirements.txt")
    everything = runs | listed("requirements-dev.txt")
    assert brought_along(runs.values()) - runs.keys() == set()
    assert brought_along(everything.values()) - everything.keys() == set()
    loose = [name for name, requirement in everything.items() if not str(requirement.specifier).startswith("==")]
    assert loose == []


def test_no_plugin_comes_along_unasked(pytestconfig):
    """A package that lies in .venv and is in no list may bring one that changes the order of the tests."""
    used = {
        canonicalize_name(package.metadata["Name"]) for _, package in pytestconfig.pluginmanager.list_plugin_distinfo()
    }
    assert used == {"hypothesis", "pytest-django", "pytest-xdist", "time-machine"}


@once
def test_the_templates_are_clean():
    run("djlint", "templates", "--lint", "--quiet")


@once
@pytest.mark.django_db
def test_no_migration_is_missing():
    out = StringIO()
    call_command("makemigrations", "--check", "--dry-run", stdout=out)
    assert "No changes detected" in out.getvalue()


# --- migrations -------------------------------------------------------------------------------------------------------

OURS = ("accounts.", "marketplace.", "privacy.")
# They landed before the site had visitors. From now on old and new code run side by side while a migration does.
KNOWN_UNSAFE = {
    ("leads", "0004_places"),
    ("leads", "0005_time_zones"),
    ("leads", "0009_revocations_to_tell"),
    ("mail", "0002_dead_letters"),
    ("purchases", "0002_lists_by_date"),
    ("purchases", "0004_removed_notes"),
    ("purchases", "0005_calls"),
    ("purchases", "0006_exports"),
    ("purchases", "0008_notes_once"),
    ("purchases", "0009_exports_with_pauses"),
    ("supply", "0002_who_and_what_for"),
    ("supply", "0005_encoding_of_uploads"),
    ("supply", "0006_headers_of_files"),
    ("wallet", "0002_known_states_and_review"),
    ("wallet", "0003_several_leads_to_come_back_to"),
}
STYLE = {"RUNPYTHON_ARGS_NAMING_CONVENTION", "RUNPYTHON_MODEL_VARIABLE_NAME"}


def problems_of(migration: Migration, state: ProjectState) -> set[str]:
    """Why the site could not work on while the migration runs, or the code of before could not after it."""
    with connection.schema_editor(collect_sql=True, atomic=migration.atomic) as editor:
        migration.apply(state, editor, collect_sql=True)
    statements = ["BEGIN;"] * migration.atomic + editor.collected_sql
    linter = MigrationLinter(no_cache=True, no_output=True)
    about_sql = analyse_sql_statements(linter.sql_analyser_class, statements)
    issues = chain(*about_sql, *linter.analyse_data_migration(migration))
    return {issue.code for issue in issues} - STYLE


@once
@pytest.mark.django_db
def test_no_migration_keeps_the_site_waiting():
    loader, found = MigrationLoader(connection), {}
    for key, migration in loader.disk_migrations.items():
        if migration.__module__.startswith(OURS):
            found[key] = problems_of(migration, loader.project_state(key, at_end=False))
    found = {key: problems for key, problems in found.items() if problems}
    assert {key: problems for key, problems in found.items() if key not in KNOWN_UNSAFE} == {}
    assert found.keys() >= KNOWN_UNSAFE, "no longer unsafe, or gone"


SAFE_AND_NOT = {
    "a column that old code would leave empty": (AddField("Heartbeat", "name", models.TextField()), {"NOT_NULL"}),
    "with a default of Django's only": (AddField("Heartbeat", "name", models.TextField(default="")), {"NOT_NULL"}),
    "with one of the database's": (AddField("Heartbeat", "name", models.TextField(db_default="")), set()),
    "a column that may be empty": (AddField("Heartbeat", "name", models.TextField(null=True)), set()),
    "a column that old code asks for": (RemoveField("Heartbeat", "at"), {"DROP_COLUMN"}),
    "another name": (RenameField("Heartbeat", "at", "moment"), {"RENAME_COLUMN"}),
    "an index that stops the writers": (AddIndex("Heartbeat", models.Index(fields=["at"], name="x")), {"CREATE_INDEX"}),
    "one that does not": (AddIndexConcurrently("Heartbeat", models.Index(fields=["at"], name="x")), set()),
    "no way back": (RunPython(lambda apps, schema_editor: None), {"RUNPYTHON_REVERSIBLE"}),
}


@once
@pytest.mark.django_db
@pytest.mark.parametrize(("operation", "problems"), SAFE_AND_NOT.values(), ids=SAFE_AND_NOT)
def test_control_unsafe_migrations_are_refused(operation, problems):
    migration = Migration("new", "core")
    migration.operations, migration.atomic = [operation], operation.atomic is not False
    assert problems_of(migration, MigrationLoader(connection).project_state()) == problems


def _layers() -> list[str]:
    """The rooms as pyproject.toml lists them, lowest last."""
    text = (ROOT / "pyproject.toml").read_text()
    block = text.split('name = "Imports go down only"', 1)[1].split("]", 1)[0]
    return re.findall(r'"([a-z_. |]+)",', block)


def test_foreign_keys_go_down_only():
    """A foreign key counts as an import; only the user model may be pointed at from below."""
    height = {}
    for number, layer in enumerate(reversed(_layers())):
        for room in layer.split(" | "):
            height[room] = number
    user = get_user_model()
    for model in apps.get_models():
        room = model.__module__.removesuffix(".models")
        if room not in height:
            continue
        for field in model._meta.get_fields():
            target = field.related_model if isinstance(field, models.ForeignKey) else None
            if target in (None, user) or target is model:
                continue
            other = target.__module__.removesuffix(".models")
            assert other == room or height[other] < height[room], (
                f"{model._meta.label}.{field.name} → {target._meta.label}"
            )


# Columns that say nothing about a person, by model ("*" = all of them).
NOT_PERSONAL = {
    "core.Heartbeat": "*",
    "marketplace.CheckRun": "*",
    "marketplace.TaskFailure": "*",
    "policy.PolicyVersion": "*",
    "leads.ZipCode": "*",
    "leads.Vertical": "*",
    "leads.Supplier": "*",
    "leads.Tally": "*",
    "leads.Market": "*",
    "leads.ConsentWording": "*",
    "supply.ImportBatch": "*",
    "supply.KeptColumn": "*",
    "wallet.StripeEvent": "*",
    "wallet.EventCursor": "*",
    "wallet.ProcessorMovement": "*",
    "wallet.Reconciliation": "*",
    "wallet.ReconciliationFinding": "*",
    "wallet.Resolution": ("problem",),
    "auth.Permission": "*",
    "auth.Group": "*",
    "contenttypes.ContentType": "*",
    "accounts.User": ("groups", "user_permissions"),
    "admin.LogEntry": ("content_type", "action_flag"),
    "ledger.Account": ("kind",),
    "ledger.Transfer": ("line", "reverses"),
    "mail.OutgoingEmail": ("public_id", "key", "attempts", "available_at", "claimed_at", "claim", "problem"),
    "purchases.Export": ("attempts", "claim", "claimed_at", "available_at"),
    "leads.Lead": (
        "vertical",
        "supplier",
        "listed_at",
        "status",
        "slots_total",
        "slots_sold",
        "base_cents",
        "price_cents",
        "age_band",
        "origin_site",
        "origin_policy_url",
        "is_certified",
    ),
}


def declared_columns() -> dict[str, set[str]]:
    """What the data sets declare, by model."""
    declared: dict[str, set[str]] = {}
    for data_set in data_sets():
        for label, columns in data_set.fields.items():
            declared.setdefault(label, set()).update(columns)
    return declared


def test_every_column_is_declared():
    """AL-06: nothing about a person is stored that no data set declares."""
    declared = declared_columns()
    undeclared = []
    for model in apps.get_models():
        label = model._meta.label
        known = declared.get(label, set()) | set(NOT_PERSONAL.get(label, ()))
        if NOT_PERSONAL.get(label) == "*":
            continue
        fields = [*model._meta.concrete_fields, *model._meta.many_to_many]
        undeclared += [f"{label}.{f.name}" for f in fields if f.name not in known and not f.primary_key]
    assert undeclared == []


def test_nothing_is_declared_and_called_impersonal_as_well():
    declared = declared_columns()
    for label, columns in NOT_PERSONAL.items():
        fields = {field.name for field in apps.get_model(label)._meta.get_fields()}
        named = fields if columns == "*" else set(columns)
        assert named <= fields, label
        assert named & declared.get(label, set()) == set(), label


def test_what_is_declared_exists():
    for data_set in data_sets():
        for label, columns in data_set.fields.items():
            model = apps.get_model(label)
            assert set(columns) <= {field.name for field in model._meta.get_fields()}, label


@pytest.mark.django_db
def test_every_data_set_finds_its_people(alice, bob):
    for data_set in data_sets():
        people = set(data_set.people())
        if data_set.about is Subject.MEMBER:
            list(data_set.rows(alice))
            assert people <= set(get_user_model().objects.values_list("pk", flat=True))
    by_key = {data_set.key: data_set for data_set in data_sets()}
    assert {alice.pk, bob.pk} <= set(by_key["accounts.user"].people())
    assert any(row.get("email") == alice.email for row in by_key["accounts.user"].rows(alice))
    assert not any(
        bob.email in str(row)
        for data_set in by_key.values()
        if data_set.about is Subject.MEMBER
        for row in data_set.rows(alice)
    )


@pytest.mark.django_db
def test_every_guard_stands():
    assert GUARDS[connection.vendor] <= triggers.names()


def test_no_template_holds_inline_script_or_style():
    """The Content-Security-Policy would block it."""
    bad = re.compile(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|javascript:|\bdata:", re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in (ROOT / "templates").rglob("*.html")
        if not {"email", "mail"} & set(path.parts)  # mails are not pages: mail readers know no style sheet
        for match in bad.finditer(path.read_text())
    ]
    assert found == []


def test_no_room_keeps_a_drawer_for_everything():
    """Files are named by noun; what fits nowhere is thought about again."""
    drawers = {"utils", "util", "helpers", "misc", "common", "lib", "tools"}
    rooms = (ROOT / "marketplace", ROOT / "accounts", ROOT / "privacy")
    found = [path for room in rooms for path in room.rglob("*.py") if path.stem in drawers]
    assert found == []


def test_nobody_overrides_save_or_delete():
    """A model is its row; verbs are services."""
    ours = [model for model in apps.get_models() if model.__module__.startswith(("marketplace", "accounts", "privacy"))]
    assert [model._meta.label for model in ours if "save" in vars(model) or "delete" in vars(model)] == []
