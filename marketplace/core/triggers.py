"""Triggers that keep a table append-only, the same meaning on PostgreSQL and SQLite.

They are installed after every ``migrate`` (post_migrate), not by a migration, so that one that was lost is back.
"""

from django.db import connections

_POSTGRES_REFUSE = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = '23001'; END $$"""


def append_only(table: str) -> dict[str, list[str]]:
    """The statements, by database vendor, that refuse UPDATE, DELETE and TRUNCATE on ``table``."""
    sqlite = [
        f"CREATE TRIGGER IF NOT EXISTS {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        for verb in ("UPDATE", "DELETE")
    ]
    postgresql = [
        _POSTGRES_REFUSE,
        f"CREATE OR REPLACE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        f"CREATE OR REPLACE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
    ]
    return {"sqlite": sqlite, "postgresql": postgresql}


def install(using: str, statements: dict[str, list[str]]) -> None:
    """Run the statements of the vendor of database ``using``; running them twice is harmless."""
    connection = connections[using]
    with connection.cursor() as cursor:
        for statement in statements[connection.vendor]:
            cursor.execute(statement)


def names(using: str = "default") -> set[str]:
    """The names of all triggers the database has now."""
    connection = connections[using]
    query = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
        "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'",
    }[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(query)
        return {row[0] for row in cursor.fetchall()}
