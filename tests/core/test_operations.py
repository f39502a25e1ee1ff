"""An index on a table that is in use, built beside its writers."""

import threading
import time

import pytest
from django.db import InternalError, OperationalError, connection, connections, models
from django.db.migrations.state import ModelState, ProjectState

from marketplace.core.operations import AddIndexConcurrently

pytestmark = pytest.mark.django_db(transaction=True)
INDEX = models.Index(fields=["number"], name="core_numbers")


@pytest.fixture
def state():
    """A table with one column."""
    state = ProjectState()
    fields = [("id", models.BigAutoField(primary_key=True)), ("number", models.IntegerField())]
    state.add_model(ModelState("core", "Numbered", fields))
    model = state.apps.get_model("core", "Numbered")
    with connection.schema_editor() as editor:
        editor.create_model(model)
    yield state
    with connection.schema_editor() as editor:
        editor.delete_model(model)


def add(state, *, atomic=False) -> None:
    to_state = state.clone()
    operation = AddIndexConcurrently("Numbered", INDEX)
    operation.state_forwards("core", to_state)
    with connection.schema_editor(atomic=atomic) as editor:
        operation.database_forwards("core", editor, state, to_state)


def indexes() -> list[str]:
    with connection.cursor() as cursor:
        return [name for name in connection.introspection.get_constraints(cursor, "core_numbered") if "numbers" in name]


def test_it_works(state):
    add(state)
    assert indexes() == ["core_numbers"]


@pytest.mark.postgresql
def test_what_broke_off_is_begun_anew(state):
    with connection.cursor() as cursor:
        cursor.execute("CREATE INDEX core_numbers ON core_numbered (id)")
    add(state)
    with connection.cursor() as cursor:
        assert connection.introspection.get_constraints(cursor, "core_numbered")["core_numbers"]["columns"] == [
            "number"
        ]


@pytest.mark.postgresql
def test_the_limits_are_back(state):
    def limits():
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
            return cursor.fetchone()

    before = limits()
    add(state)
    assert limits() == before


@pytest.mark.postgresql
def test_writers_do_not_wait(state):
    """Somebody has written and not committed yet: the index waits for them, and others go on writing meanwhile."""
    first, second = (connections.create_connection("default") for _ in range(2))
    insert = "INSERT INTO core_numbered (number) VALUES (1)"
    building = threading.Thread(target=run_and_close, args=[lambda: add(state)])
    with first.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(insert)
    building.start()
    building.join(1)
    assert building.is_alive()
    with second.cursor() as cursor:
        cursor.execute("SET statement_timeout = '1s'")
        cursor.execute(insert)
    with first.cursor() as cursor:
        cursor.execute("COMMIT")
    building.join(10)
    first.close()
    second.close()
    assert indexes() == ["core_numbers"]


@pytest.mark.postgresql
def test_a_migration_that_finds_the_table_busy_gives_up(state):
    """Before visitors wait behind it: every connection has the limit, not just those of pages."""
    reader = connections.create_connection("default")
    with reader.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM core_numbered")
    model = state.apps.get_model("core", "Numbered")
    added = models.TextField(null=True)
    added.set_attributes_from_name("added")
    began = time.monotonic()
    with pytest.raises(OperationalError, match="lock timeout"), connection.schema_editor() as editor:
        editor.add_field(model, added)
    assert time.monotonic() - began < 4
    reader.close()
    with connection.schema_editor() as editor:
        editor.add_field(model, added)


def run_and_close(work) -> None:
    work()
    connection.close()


@pytest.mark.postgresql
def test_in_a_transaction_it_is_refused(state):
    with pytest.raises(InternalError, match="cannot run inside a transaction"):
        add(state, atomic=True)
