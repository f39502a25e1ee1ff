"""One service function = one transaction, tried again when the database asks for it."""

import random
import time
from collections.abc import Callable
from functools import wraps
from sqlite3 import SQLITE_ERROR
from typing import ParamSpec, TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError, transaction

from .refusals import Busy

P = ParamSpec("P")
R = TypeVar("R")
ATTEMPTS = 4
PATIENCE = 1.5  # seconds; who waited longer for a lock is told so instead of waiting as long again
# deadlock, serialization failure, lock not available
_RETRY = {"40P01", "40001", "55P03"}


def _asks_for_retry(error: DatabaseError) -> bool:
    code = getattr(error.__cause__, "sqlstate", None)
    return code in _RETRY or (isinstance(error, OperationalError) and "database is locked" in str(error))


def is_away(error: BaseException | None) -> bool:
    """Whether ``error`` says that the database did not answer, broke off, is full or stayed busy: nothing is wrong with
    what was asked, and asking again later makes sense."""
    if isinstance(error, OperationalError):  # SQLite says so of faulty statements, too
        return getattr(error.__cause__, "sqlite_errorcode", None) != SQLITE_ERROR
    return isinstance(error, InterfaceError)


def in_transaction(function: Callable[P, R]) -> Callable[P, R]:
    """Run ``function`` in its own transaction, up to 4 times when the database asks for it, 10 to 200 ms apart, the
    last one begun within 1.5 seconds.

    Inside an outer transaction it joins, under a savepoint: only the outermost may start again.

    Raises:
        Busy: the last attempt failed that way too; nothing was written.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if transaction.get_connection().in_atomic_block:
            with transaction.atomic():  # a savepoint: a refusal undoes what the function wrote, even if it is caught
                return function(*args, **kwargs)
        started = time.monotonic()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with transaction.atomic():
                    return function(*args, **kwargs)
            except DatabaseError as error:
                if not _asks_for_retry(error):
                    raise
                if attempt == ATTEMPTS or time.monotonic() - started > PATIENCE:
                    raise Busy from error
                time.sleep(random.uniform(0.01, 0.2))  # noqa: S311 - jitter, no secret
        raise AssertionError("unreachable")

    return run
