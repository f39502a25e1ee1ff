"""Django alters a table of SQLite by making it anew. Triggers go with the old one, and those of other tables that
mention it stop the whole change, so here they are set aside meanwhile and are all back afterwards."""

from typing import Any

from django.db.backends.sqlite3 import schema


class DatabaseSchemaEditor(schema.DatabaseSchemaEditor):
    def _remake_table(self, *args: Any, **kwargs: Any) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            triggers = cursor.fetchall()
        for name, _ in triggers:
            self.execute(f"DROP TRIGGER {self.quote_name(name)}")
        super()._remake_table(*args, **kwargs)  # type: ignore[misc]
        for _, statement in triggers:
            self.execute(statement, params=None)
