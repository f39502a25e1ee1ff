"""Sessions in the database, for any cookie that a stranger may send and whatever the database does."""

import re

from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import UpdateError

from .transactions import is_away

_KEY = re.compile(r"[0-9a-z]{32}", re.ASCII)


class SessionStore(db.SessionStore):
    """Django's takes everything of 8 characters for a key, a NUL that PostgreSQL refuses as well, and tells of any
    failure as if the session had been deleted meanwhile."""

    def _validate_session_key(self, key: str) -> bool:
        return bool(key and _KEY.fullmatch(key))

    def save(self, must_create: bool = False) -> None:
        try:
            super().save(must_create)
        except UpdateError as error:
            if error.__context__ is not None and is_away(error.__context__):
                raise error.__context__ from None
            raise
