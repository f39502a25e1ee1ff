"""Queueing a message with the change it tells of, and sending what is queued."""

import smtplib
import time
from datetime import timedelta
from email.utils import make_msgid
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection
from django.db.models import F
from django.template.loader import render_to_string

from marketplace.core import clock, logs, wake
from marketplace.core.ids import new_id
from privacy.vault.fields import seal_into, unseal_from

from .models import SERVER_AWAY, Category, OutgoingEmail

log = logs.get("leadfair.mail")
State = OutgoingEmail.State
MAX_ATTEMPTS = 12
RUN_SECONDS = 20
FIRST_REFUSAL, FIRST_FINAL_REFUSAL = 400, 500  # SMTP: 4xx is "not now", 5xx is "never"
DEAD = {State.FAILED, State.UNKNOWN}
KEPT_AFTER_LAST_TRY = timedelta(days=30)
IN_FLIGHT_LIMIT = timedelta(minutes=5)  # far above the mail server's time-out; an older row has lost its worker


def send(user: Any, *, category: Category, template: str, context: dict[str, Any], key: str, to: str = "") -> None:
    """Queue one message in the caller's transaction; it leaves after commit. The same ``key`` again changes nothing.

    ``template`` names ``<template>.subject.txt``, ``.txt`` and ``.html``; ``context`` must be JSON and is sealed.
    ``to`` overrides the member's address (an address being left or not proved yet).
    """
    now = clock.now()
    row = OutgoingEmail(user=user, category=Category(category), template=template, key=key)
    seal_into(row, "context", context | ({"to": to} if to else {}))
    moment = connection.ops.adapt_datetimefield_value(now)
    values = [row.public_id, row.user_id, row.category, template, key, row.context, State.QUEUED, moment, moment]
    with connection.cursor() as cursor:
        cursor.execute(_QUEUE, values)
    wake.after_commit("mail.deliver_due")


# Plain SQL because a buyer waits for it: a receipt is queued with every purchase.
_QUEUE = """
INSERT INTO mail_outgoingemail (public_id, user_id, category, template, key, context, state, attempts, available_at,
    claim, problem, created_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, 0, %s, '', '', %s) ON CONFLICT (key) DO NOTHING"""


def deliver_due(limit: int = 200) -> int:
    """Send what is due, one message after the other over one connection; returns how many left.

    A row is claimed by a guarded update, so any number of workers may run. Nothing is sent twice: a message whose
    fate is unknown (its worker died, or the server went away after the text) is marked ``unknown``.
    """
    _mark_lost()
    _forget()
    server: BaseEmailBackend = get_connection()
    sent = 0
    started = time.monotonic()
    for _ in range(limit):
        # A task is stopped after 45 seconds, and a message stopped half way could not be sent again.
        row = _claim() if time.monotonic() - started < RUN_SECONDS else None
        if row is None or not _open(server, row):
            break
        sent += _deliver(row, server)
    _close(server)
    return sent


def _claim() -> OutgoingEmail | None:
    now = clock.now()
    due = OutgoingEmail.objects.filter(state=State.QUEUED, available_at__lte=now).order_by("available_at", "id")
    for row in due[:20]:
        claim = new_id()
        won = OutgoingEmail.objects.filter(pk=row.pk, state=State.QUEUED).update(
            state=State.SENDING, claim=claim, claimed_at=now, attempts=F("attempts") + 1
        )
        if won:
            row.claim, row.attempts = claim, row.attempts + 1
            return row
    return None


def _mark_lost() -> None:
    for row in OutgoingEmail.objects.filter(state=State.SENDING, claimed_at__lt=clock.now() - IN_FLIGHT_LIMIT):
        _finish(row, state=State.UNKNOWN, context="", problem="worker lost")


def _forget() -> None:
    """Empty the dead letters that nobody sent again within 30 days."""
    old = OutgoingEmail.objects.given_up().filter(claimed_at__lt=clock.now() - KEPT_AFTER_LAST_TRY)
    if old.exists():
        old.update(context="")


def send_again(staff: Any, mail: OutgoingEmail) -> bool:
    """Queue a dead letter once more, with all its tries; returns False if there is none to queue.

    A message that has left, or perhaps has, or that the server refused for good is never queued again.
    """
    waits = OutgoingEmail.objects.given_up().filter(pk=mail.pk)
    if not waits.update(state=State.QUEUED, attempts=0, available_at=clock.now(), problem=""):
        return False
    log.info("mail queued again", id=mail.public_id, by=staff.public_id, problem=mail.problem)
    wake.after_commit("mail.deliver_due")
    return True


def _open(server: BaseEmailBackend, row: OutgoingEmail) -> bool:
    """Connect to the server unless we are. While it is away only this row waits longer; the others keep their turn."""
    try:
        is_new = server.open()
    except Exception as error:  # noqa: BLE001 - whatever a server on the blink raises, nothing has left
        _try_later(row, SERVER_AWAY + _kind(error))
        return False
    if is_new:  # it is back: who waited for it need not wait on
        OutgoingEmail.objects.waiting_for_server().update(available_at=clock.now())
    return True


def _deliver(row: OutgoingEmail, server: BaseEmailBackend) -> bool:
    try:
        message = render(row)
    except Exception as error:  # noqa: BLE001 - a broken template must not stop the others
        _try_later(row, _kind(error))
        return False
    message.connection = server
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused as error:
        _refused(row, error, [code for code, _ in error.recipients.values()])
    except smtplib.SMTPResponseException as error:
        if error.smtp_code >= FIRST_REFUSAL:
            _refused(row, error, [error.smtp_code])
        else:
            _broke(row, error, server)
    except Exception as error:  # noqa: BLE001 - every way in which a connection can break
        _broke(row, error, server)
    else:
        _finish(row, state=State.SENT, sent_at=clock.now(), context="", problem="")
        return True
    _close(server)
    return False


def _broke(row: OutgoingEmail, error: Exception, server: BaseEmailBackend) -> None:
    """No clear answer: only a message whose text stayed here is sent again."""
    if getattr(server, "text_left", True):
        _finish(row, state=State.UNKNOWN, context="", problem=_kind(error))
    else:
        _try_later(row, _kind(error))


def _refused(row: OutgoingEmail, error: Exception, codes: list[int]) -> None:
    problem = _kind(error, *codes)
    if all(code >= FIRST_FINAL_REFUSAL for code in codes):
        _finish(row, state=State.FAILED, context="", problem=problem)
    else:
        _try_later(row, problem)


def _try_later(row: OutgoingEmail, problem: str) -> None:
    if row.attempts >= MAX_ATTEMPTS:
        _finish(row, state=State.FAILED, problem=problem)
        return
    wait = min(timedelta(seconds=5 * 3 ** (row.attempts - 1)), timedelta(hours=6))
    _finish(row, state=State.QUEUED, available_at=clock.now() + wait, problem=problem)


def _finish(row: OutgoingEmail, **changes: Any) -> None:
    if not OutgoingEmail.objects.filter(pk=row.pk, claim=row.claim, state=State.SENDING).update(**changes):
        return  # this worker was given up for dead
    state, problem = changes["state"], changes["problem"]
    say = log.warning if state in DEAD else log.info
    say("mail", id=row.public_id, category=row.category, state=state, problem=problem)


def _kind(error: Exception, *codes: int) -> str:
    return " ".join([type(error).__name__, *map(str, codes)])[:60]


def _close(server: BaseEmailBackend) -> None:
    try:
        server.close()
    except (OSError, smtplib.SMTPException):
        server.connection = None  # type: ignore[attr-defined]


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
