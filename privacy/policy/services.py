"""Loading published texts and recording who agreed to them."""

import hashlib
import re
from datetime import date
from pathlib import Path
from typing import Any

from django.db import connection
from markdown_it import MarkdownIt

from marketplace.core import clock
from marketplace.core.refusals import Refusal

from .models import Acceptance, Document, PolicyVersion

TEXTS = Path(__file__).parent / "texts"
_FILE = re.compile(r"(?P<document>[a-z]+)-(?P<number>\d+)\.md")
_HEAD = re.compile(r"\Aeffective: (\d{4}-\d{2}-\d{2})\n\n")


class TextChanged(Exception):
    """A text file differs from the version published under its number. Published texts never change; make a new one."""


class StaleText(Refusal):
    """The form was shown with a text that is no longer in force."""

    message = "These terms changed while you were reading. Please read the new version and agree again."


def sha256_of(text: str) -> str:
    """SHA-256 of the UTF-8 bytes, hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def load_texts() -> list[PolicyVersion]:
    """Publish every text in ``texts/`` that is not published yet; returns the new versions. Runs after each migrate.

    Raises:
        TextChanged: a published file was edited.
    """
    made = []
    for path in sorted(TEXTS.glob("*.md")):
        name = _FILE.fullmatch(path.name)
        raw = path.read_text(encoding="utf-8")
        head = _HEAD.match(raw)
        if name is None or head is None:
            raise ValueError(f"{path.name} needs the name <document>-<number>.md and a first line 'effective: date'")
        text = raw[head.end() :]
        version, created = PolicyVersion.objects.get_or_create(
            document=Document(name["document"]),
            number=int(name["number"]),
            defaults={"text": text, "sha256": sha256_of(text), "effective_on": date.fromisoformat(head[1])},
        )
        if created:
            made.append(version)
        elif version.sha256 != sha256_of(text):
            raise TextChanged(path.name)
    return made


def in_force(document: Document) -> PolicyVersion:
    """The newest version of ``document`` whose day has come (UTC). Before the first of them has come it is the first:
    nobody signs up without terms."""
    versions = PolicyVersion.objects.filter(document=document).order_by("number")
    return versions.filter(effective_on__lte=clock.now().date()).last() or versions[0]


def accept(user: Any, version: PolicyVersion, *, sha256: str, surface: str) -> Acceptance:
    """Record that ``user`` agreed to ``version`` on the form ``surface``; a second time changes nothing.

    ``sha256`` is the digest of the text the form was shown with.

    Raises:
        StaleText: it is not the text of ``version`` (DX-04: an acceptance binds to exact bytes).
    """
    if sha256 != version.sha256:
        raise StaleText
    acceptance, _ = Acceptance.objects.get_or_create(
        user=user,
        version=version,
        defaults={"sha256": sha256, "surface": surface, "accepted_at": clock.now()},
    )
    return acceptance


_ACCEPTED = """
SELECT a.sha256 FROM policy_acceptance a JOIN policy_policyversion v ON v.id = a.version_id
WHERE a.user_id = %s AND v.document = %s ORDER BY v.number DESC LIMIT 1"""


def accepted_sha256(user_id: int, document: Document) -> str | None:
    """The SHA-256 of the newest version of ``document`` the member agreed to, or None."""
    with connection.cursor() as cursor:  # asked at every purchase, so without the ORM
        cursor.execute(_ACCEPTED, [user_id, document])
        row = cursor.fetchone()
    return row[0] if row else None


def html_of(version: PolicyVersion) -> str:
    """The text as HTML; raw HTML in the Markdown is shown, not executed."""
    return MarkdownIt("commonmark", {"html": False}).enable("table").render(version.text)
