"""What the first view of a page may weigh, and who is asked for it."""

import gzip
from dataclasses import dataclass
from urllib.parse import urlsplit

LIMITS = {"document": 25_000, "stylesheet": 12_000, "script": 18_000, "font": 50_000}  # bytes, compressed
ALL = 100_000
REQUESTS = 12


@dataclass(frozen=True)
class Loaded:
    """One answer that the browser got: its address, what Chromium takes it for, and the body."""

    url: str
    kind: str
    body: bytes

    @property
    def weight(self) -> int:
        """As a proxy in front of the site sends it: fonts are compressed already, all else is on the way."""
        return len(self.body) if self.kind == "font" else len(gzip.compress(self.body))


def over_budget(loaded: list[Loaded], site: str) -> list[str]:
    """Where the first view of a page goes beyond what it may; nothing if it keeps to it. ``site`` is our address."""
    weight: dict[str, int] = {}
    for one in loaded:
        weight[one.kind] = weight.get(one.kind, 0) + one.weight
    wrong = [f"{kind}: {weight[kind]} bytes" for kind, most in LIMITS.items() if weight.get(kind, 0) > most]
    if sum(weight.values()) > ALL:
        wrong.append(f"together: {sum(weight.values())} bytes")
    if len(loaded) > REQUESTS:
        wrong.append(f"{len(loaded)} requests")
    return wrong + [f"another site: {one.url}" for one in loaded if urlsplit(one.url)[:2] != urlsplit(site)[:2]]
