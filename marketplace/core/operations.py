"""What a migration does without keeping the site waiting."""

from typing import Any

from django.db.migrations import AddIndex
from django.db.models import Model


class AddIndexConcurrently(AddIndex):
    """An index on a table that is in use: on PostgreSQL it is built beside the writers, which a plain one would stop.

    Django has the same for PostgreSQL only, and there it would end after the time that a page may take, and leave half
    an index behind. The migration says ``atomic = False`` and does nothing else.
    """

    atomic = False

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model: type[Model] = to_state.apps.get_model(app_label, self.model_name)
        # It waits for who has written before it, and nobody waits for it.
        schema_editor.execute("SET lock_timeout = 0")
        schema_editor.execute("SET statement_timeout = 0")
        name = schema_editor.quote_name(self.index.name)
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")  # half a one, of a try that broke off
        schema_editor.execute(self.index.create_sql(model, schema_editor, concurrently=True))
        schema_editor.execute("RESET lock_timeout")
        schema_editor.execute("RESET statement_timeout")
