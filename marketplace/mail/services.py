"""Queueing a message with the change it tells of, and sending what is queued."""

import smtplib
from datetime import timedelta
from email.utils import make_msgid
from typing import Any
from urllib.parse import urlsplit

from celery import current_app
from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.db.models import F
from django.template.loader import render_to_string

from marketplace.core import clock, logs
from marketplace.core.ids import new_id
from privacy.vault.fields import seal_into, unseal_from

from .models import Category, OutgoingEmail

log = logs.get("leadfair.mail")
State = OutgoingEmail.State
MAX_ATTEMPTS = 12
IN_FLIGHT_LIMIT = timedelta(minutes=5)  # far above the mail server's time-out; a row older than that has lost its worker


def send(
    user: Any, *, category: Category, template: str, context: dict[str, Any], key: str, to: str = ""
) -> None:
    """Queue one message in the caller's transaction; it leaves after commit. The same ``key`` again changes nothing.

    ``template`` names ``<template>.subject.txt``, ``.txt`` and ``.html``; ``context`` must be JSON and is sealed.
    ``to`` overrides the member's address (an address being left or not proved yet).
    """
    now = clock.now()
    row = OutgoingEmail(
        user=user, category=Category(category), template=template, key=key, available_at=now, created_at=now
    )
    seal_into(row, "context", context | ({"to": to} if to else {}))
    OutgoingEmail.objects.bulk_create([row], ignore_conflicts=True)
    transaction.on_commit(wake, robust=True)


def wake() -> None:
    """Tell a worker that mail is waiting. Only shortens the wait: without a broker the beat's poll finds the row."""
    try:
        current_app.send_task("mail.deliver_due")
    except Exception as error:  # noqa: BLE001 - whatever a broken broker raises, the row is safe
        log.warning("broker down", error=type(error).__name__)


def deliver_due(limit: int = 200) -> int:
    """Send what is due, one message after the other over one connection; returns how many left.

    A row is claimed by a guarded update, so any number of workers may run. Nothing is sent twice: a message whose
    fate is unknown (its worker died, or the server went away after the text) is marked ``unknown``.
    """
    _mark_lost()
    connection: BaseEmailBackend | None = None
    sent = 0
    for _ in range(limit):
        row = _claim()
        if row is None:
            break
        connection = connection or get_connection()
        sent += _deliver(row, connection)
    if connection is not None:
        _close(connection)
    return sent


def _claim() -> OutgoingEmail | None:
    now = clock.now()
    for row in OutgoingEmail.objects.filter(state=State.QUEUED, available_at__lte=now).order_by("available_at", "id")[:20]:
        claim = new_id()
        won = OutgoingEmail.objects.filter(pk=row.pk, state=State.QUEUED).update(
            state=State.SENDING, claim=claim, claimed_at=now, attempts=F("attempts") + 1
        )
        if won:
            row.claim, row.attempts = claim, row.attempts + 1
            return row
    return None


def _mark_lost() -> None:
    OutgoingEmail.objects.filter(state=State.SENDING, claimed_at__lt=clock.now() - IN_FLIGHT_LIMIT).update(
        state=State.UNKNOWN, problem="worker lost"
    )


def _deliver(row: OutgoingEmail, connection: BaseEmailBackend) -> bool:
    try:
        message = render(row)
        message.connection = connection
        connection.open()
    except Exception as error:  # noqa: BLE001 - a broken template must not stop the others; nothing has left yet
        _try_later(row, error)
        _close(connection)
        return False
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused as error:
        _refused(row, error, [code for code, _ in error.recipients.values()])
    except smtplib.SMTPResponseException as error:
        _refused(row, error, [error.smtp_code])
    except Exception as error:  # noqa: BLE001 - whatever broke: only a message whose text stayed here is sent again
        if getattr(connection, "text_left", True):
            _finish(row, state=State.UNKNOWN, problem=_kind(error))
        else:
            _try_later(row, error)
    else:
        _finish(row, state=State.SENT, sent_at=clock.now(), context="", problem="")
        return True
    _close(connection)
    return False


def _refused(row: OutgoingEmail, error: Exception, codes: list[int]) -> None:
    if all(code >= 500 for code in codes):
        _finish(row, state=State.FAILED, problem=_kind(error, *codes))
    else:
        _try_later(row, error, *codes)


def _try_later(row: OutgoingEmail, error: Exception, *codes: int) -> None:
    if row.attempts >= MAX_ATTEMPTS:
        _finish(row, state=State.FAILED, problem=_kind(error, *codes))
        return
    wait = min(timedelta(seconds=5 * 3 ** (row.attempts - 1)), timedelta(hours=6))
    _finish(row, state=State.QUEUED, available_at=clock.now() + wait, problem=_kind(error, *codes))


def _finish(row: OutgoingEmail, **changes: Any) -> None:
    OutgoingEmail.objects.filter(pk=row.pk, claim=row.claim, state=State.SENDING).update(**changes)
    log.info("mail", id=row.public_id, category=row.category, state=changes["state"], problem=changes.get("problem", ""))


def _kind(error: Exception, *codes: int) -> str:
    return " ".join([type(error).__name__, *map(str, codes)])[:80]


def _close(connection: BaseEmailBackend) -> None:
    try:
        connection.close()
    except (OSError, smtplib.SMTPException):
        connection.connection = None  # type: ignore[attr-defined]


def render(row: OutgoingEmail) -> EmailMultiAlternatives:
    """The message of ``row`` as text and HTML, with a Message-ID that names the row and nothing else."""
    context = unseal_from(row, "context")
    to = context.pop("to", "") or row.user.email  # type: ignore[union-attr]
    context |= {"SITE_URL": settings.SITE_URL, "member": row.user}
    subject = " ".join(render_to_string(f"{row.template}.subject.txt", context).split())
    message = EmailMultiAlternatives(subject, render_to_string(f"{row.template}.txt", context).strip() + "\n", to=[to])
    message.attach_alternative(render_to_string(f"{row.template}.html", context), "text/html")
    domain = urlsplit(settings.SITE_URL).hostname or "localhost"
    message.extra_headers["Message-ID"] = make_msgid(row.public_id, domain)
    message.extra_headers["Auto-Submitted"] = "auto-generated"
    return message
