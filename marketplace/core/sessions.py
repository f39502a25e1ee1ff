"""Sessions in the database, for any cookie that a stranger may send and whatever the database does."""

import re
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import UpdateError

from . import clock
from .transactions import is_away

# Seconds that the session of somebody who is not signed in lives on: a sign-up or a reset that was given up holds an
# email. The box "Keep me signed in" counts from the moment one is.
A_VISIT = 3600
SIGNED_IN_AT = "signed_in_at"  # seconds since 1970
_KEY = re.compile(r"[0-9a-z]{32}", re.ASCII)


class SessionStore(db.SessionStore):
    """Django's takes everything of 8 characters for a key, a NUL that PostgreSQL refuses as well, and tells of any
    failure as if the session had been deleted meanwhile."""

    def _validate_session_key(self, key: str) -> bool:
        return bool(key and _KEY.fullmatch(key))

    def __setitem__(self, key: str, value: Any) -> None:
        if key == SESSION_KEY:
            super().__setitem__(SIGNED_IN_AT, int(clock.now().timestamp()))
        super().__setitem__(key, value)

    def _time_left(self) -> int:
        """Seconds for which the session may live on. Django would count from its last change, without end."""
        if SESSION_KEY not in self:
            return A_VISIT
        return max(0, int(self.get(SIGNED_IN_AT, 0)) + settings.SESSION_COOKIE_AGE - int(clock.now().timestamp()))

    def get_expiry_age(self, **kwargs: Any) -> int:
        return min(super().get_expiry_age(**kwargs), self._time_left())

    def get_expiry_date(self, **kwargs: Any) -> datetime:
        end: datetime = super().get_expiry_date(**kwargs)
        return min(end, clock.now() + timedelta(seconds=self._time_left()))

    def save(self, must_create: bool = False) -> None:
        try:
            super().save(must_create)
        except UpdateError as error:
            if error.__context__ is not None and is_away(error.__context__):
                raise error.__context__ from None
            raise
