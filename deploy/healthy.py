"""Whether this container does its work, for its health check: ``web``, ``metrics`` or ``beat``. Exit code 0 if so."""

import http.client
import os
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

BEAT_WRITES = 3 * 60  # seconds between two times that beat writes down what it did


def answers(port: int, path: str) -> bool:
    """Whether it says yes there, asked by the name of the site: it answers to no other."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=4)
    connection.request("GET", path, headers={"Host": urlsplit(os.environ["SITE_URL"]).netloc})
    return connection.getresponse().status == http.HTTPStatus.OK


def beats() -> bool:
    """Whether beat wrote its schedule lately."""
    files = Path(os.environ["LEADFAIR_VAR"]).glob("celerybeat-schedule*")
    return time.time() - max((file.stat().st_mtime for file in files), default=0) < 3 * BEAT_WRITES


LOOKS = {"web": lambda: answers(8000, "/livez"), "metrics": lambda: answers(9100, "/metrics"), "beat": beats}

if __name__ == "__main__":
    try:
        sys.exit(not LOOKS[sys.argv[1]]())
    except OSError as problem:
        sys.exit(f"{type(problem).__name__}")
