"""The shared cache: rate limits, nothing personal. Its keys are keyed digests, and it survives a Redis that is down."""

import hashlib
import hmac
from typing import Any

from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError


def digest_key(key: str, prefix: str, version: int) -> str:
    """Django's KEY_FUNCTION: the cache never sees an address or email that someone put into a key (DX-14)."""
    text = f"{prefix}:{version}:{key}".encode()
    return hmac.new(settings.SECRET_KEY.encode(), text, hashlib.sha256).hexdigest()


class RedisThenDatabase(RedisCache):
    """Redis, and the cache table while Redis does not answer: signing in must work and its limits must hold."""

    def _either(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return getattr(super(), verb)(*args, **kwargs)
        except RedisError:
            return getattr(caches["database"], verb)(*args, **kwargs)

    def add(self, *args: Any, **kwargs: Any) -> Any:
        return self._either("add", *args, **kwargs)

    def get(self, *args: Any, **kwargs: Any) -> Any:
        return self._either("get", *args, **kwargs)

    def set(self, *args: Any, **kwargs: Any) -> Any:
        return self._either("set", *args, **kwargs)

    def touch(self, *args: Any, **kwargs: Any) -> Any:
        return self._either("touch", *args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        return self._either("delete", *args, **kwargs)

    def incr(self, *args: Any, **kwargs: Any) -> Any:
        return self._either("incr", *args, **kwargs)

    def has_key(self, *args: Any, **kwargs: Any) -> Any:
        return self._either("has_key", *args, **kwargs)
