"""What did not answer a moment ago is not asked again at once: waiting for a dead server costs a second and more."""

import time

PAUSE = 10.0  # seconds
_away_until: dict[str, float] = {}


def went_away(server: str) -> None:
    """``server`` did not answer just now."""
    _away_until[server] = time.monotonic() + PAUSE


def is_away(server: str) -> bool:
    """Whether ``server`` did not answer within the last 10 seconds, as far as this process knows."""
    return time.monotonic() < _away_until.get(server, 0.0)
