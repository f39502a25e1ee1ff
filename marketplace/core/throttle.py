"""Rate limits of our own views; allauth has its own for signing in. Counters live in the cache under keyed digests."""

import time

from django.core.cache import cache

from .refusals import TooMany


def throttle(what: str, who: str, *, limit: int, seconds: int) -> None:
    """Count one use of ``what`` by ``who`` in the present window of ``seconds``.

    Raises:
        TooMany: this is use number ``limit`` + 1 of the window; carries the seconds left in it.
    """
    window, into = divmod(int(time.time()), seconds)
    key = f"throttle:{what}:{who}:{window}"
    cache.add(key, 0, timeout=seconds + 1)
    try:
        used = cache.incr(key)
    except ValueError:  # the entry left the cache between the two calls
        used = 1
    if used > limit:
        raise TooMany(retry_after=seconds - into)
