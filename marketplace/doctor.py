"""What is wrong with a set-up, and what to do about it, in words: behind ``manage.py doctor``.

Each group looks at one part and yields sentences without anything secret in them. An error is something that loses
money, mail or data, shows them to others, or keeps the site from working; a warning is something to know.
"""

import os
import re
import shutil
import smtplib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import get_connection
from django.db import Error as DatabaseFailure
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from accounts.models import User
from marketplace.core import clock, triggers
from marketplace.demo_data import people as demo
from marketplace.ledger.guards import NAMES as LEDGER_GUARDS
from marketplace.wallet import gateway
from privacy.vault.keys import digest_ring, sealing_ring

from .emails import owners
from .models import CheckRun
from .queues import queues
from .watch import CHECK_IS_LATE, LEAST_FREE

SHORTEST_SECRET = 50
FEWEST_BYTES = 8  # different ones in a key; 32 random bytes with fewer do not occur
LARGEST_DRIFT = timedelta(seconds=2)
WORKER_IS_LATE = timedelta(minutes=12)  # two looks at the site's work were missed
WORK_IS_LATE = timedelta(minutes=15)
BACKUP_IS_OLD = timedelta(hours=26)
APPEND_ONLY = ("ledger_transfer", "policy_acceptance", "policy_policyversion", "staff_act", "vault_reveal")
GUARDS = {
    vendor: {f"{table}_{verb}" for table in APPEND_ONLY for verb in verbs}
    | LEDGER_GUARDS[vendor]
    | {"leads_slots_fixed"}
    for vendor, verbs in {"sqlite": ("no_update", "no_delete"), "postgresql": ("no_change", "no_truncate")}.items()
}
_EXAMPLES = ("example.com", "example.org", "example.net", ".example", ".test", ".invalid", "localhost")


@dataclass(frozen=True)
class Finding:
    """What is wrong, and what to do."""

    said: str
    is_error: bool = True


def warning(said: str) -> Finding:
    """Something to know."""
    return Finding(said, is_error=False)


def examine() -> Iterator[tuple[str, list[Finding]]]:
    """Every part of the set-up with what is wrong with it. While the database is away, what asks it is left out."""
    for name, look in GROUPS.items():
        try:
            found = list(look())
        except DatabaseFailure:
            found = [Finding("Not looked at: the database does not answer.")]
        yield name, found


# --- what the environment says ----------------------------------------------------------------------------------------


def keys() -> Iterator[Finding]:
    """The secrets are long, random, our own and different."""
    if len(settings.SECRET_KEY) < SHORTEST_SECRET:
        yield Finding(f"SECRET_KEY is shorter than {SHORTEST_SECRET} characters; .env.example shows how to make one.")
    rings = {"SEALING_KEYS": sealing_ring(), "DIGEST_KEYS": digest_ring()}
    for name, ring in rings.items():
        for key_id, key in ring.items():
            if len(set(key)) < FEWEST_BYTES:
                yield Finding(f"{name}: the key {key_id} is not random; .env.example shows how to make one.")
    if set(rings["SEALING_KEYS"].values()) & set(rings["DIGEST_KEYS"].values()):
        yield Finding("SEALING_KEYS and DIGEST_KEYS share a key: who knows one would know both. Make one for each.")
    if not settings.DEBUG:
        yield from _demo_keys({name: getattr(settings, name) for name in ("SECRET_KEY", *rings)})


def _demo_keys(used: dict[str, str]) -> Iterator[Finding]:
    file = settings.VAR / "demo.env"
    of_demo = file.read_text() if file.is_file() else ""
    for name, value in used.items():
        if value.startswith("demo:") or f"{name}={value}" in of_demo.splitlines():
            yield Finding(f"{name} is the demo's. Make one of your own: .env.example shows how.")


def site() -> Iterator[Finding]:
    """People reach it by HTTPS under its own name, and its styles are there."""
    if settings.DEBUG:
        yield warning("DEBUG is set: the demo's mailbox and people exist. A site for others runs without it.")
        return
    address = urlsplit(settings.SITE_URL)
    if address.scheme != "https":
        yield Finding("SITE_URL does not begin with https://, and without TLS nobody can sign in.")
    if _is_example(address.hostname or ""):
        yield warning(f"SITE_URL names {address.hostname}, which no mail's reader can reach.")
    if "*" in settings.ALLOWED_HOSTS:
        yield Finding("ALLOWED_HOSTS holds *: anybody's domain could show the site. Name your own.")
    elif address.hostname not in settings.ALLOWED_HOSTS:
        yield Finding("ALLOWED_HOSTS lacks the host of SITE_URL: every page would answer 400. Add it.")
    if not settings.TRUSTED_PROXY_COUNT:
        yield warning("TRUSTED_PROXY_COUNT is 0. Behind a proxy set 1: else every page sends people round in circles.")
    if not (settings.STATIC_ROOT / "staticfiles.json").is_file():
        yield Finding("The styles were not collected, and no page works. Run manage.py collectstatic --no-input.")


# --- what it stands on ------------------------------------------------------------------------------------------------


def database() -> Iterator[Finding]:
    """It answers, keeps what it was told, has every migration and every guard."""
    try:
        connection.ensure_connection()
    except ImproperlyConfigured as error:  # a sentence of ours
        yield Finding(str(error))
        return
    except DatabaseFailure as error:
        yield Finding(f"The database does not answer ({type(error).__name__}). See that it runs and DATABASE_URL fits.")
        return
    yield from _postgresql() if connection.vendor == "postgresql" else _sqlite()
    executor = MigrationExecutor(connection)
    if missing := executor.migration_plan(executor.loader.graph.leaf_nodes()):
        yield Finding(f"Migrations that were not applied: {len(missing)}. Run manage.py migrate.")
    for name in sorted(GUARDS[connection.vendor] - triggers.names()):
        yield Finding(f"The guard {name} is missing. Run manage.py migrate, which puts it back, then ledger_check.")


def _postgresql() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp(), current_setting('fsync'), current_setting('synchronous_commit')")
        now, fsync, commit = cursor.fetchone()
    version = connection.pg_version  # type: ignore[attr-defined]
    if version < 15_00_00:
        yield warning(f"PostgreSQL {version // 10_000} is older than what the site is tested on, which is 15.")
    if abs(now - clock.now()) > LARGEST_DRIFT:
        yield Finding("The clocks of this machine and the database's differ by more than 2 seconds. Let NTP set both.")
    if "off" in (fsync, commit):
        yield Finding("PostgreSQL answers before it has written (fsync or synchronous_commit is off): set both to on.")


def _sqlite() -> Iterator[Finding]:
    if not settings.DEBUG:
        yield warning("The database is a SQLite file, which serves one machine only. Several need PostgreSQL.")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        (mode,) = cursor.fetchone()
    if mode.lower() != "wal":
        yield Finding(f"SQLite's journal is {mode} instead of WAL: its folder or file system does not allow it.")


def queue() -> Iterator[Finding]:
    """Redis takes work and keeps it; beat and a worker are at it."""
    if settings.REDIS_URL:
        yield from _redis()
    elif not settings.DEBUG:
        yield warning("REDIS_URL is not set: a folder is the queue, which serves one machine only.")
    last = CheckRun.objects.of(CheckRun.What.WATCH).newest()
    if last is None or clock.now() - last.ended_at > WORKER_IS_LATE:
        since = f"since {last.ended_at:%H:%M UTC on %Y-%m-%d}" if last else "ever"
        yield Finding(
            f"No worker has done a job of beat's {since}. Start both; in five minutes at the latest this is gone."
        )
    for found in queues():
        if found.oldest > WORK_IS_LATE:
            yield warning(f"Waiting for a worker for more than 15 minutes: {found.waiting} of {found.name}.")


def _redis() -> Iterator[Finding]:
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=2) as client:
            memory = client.info("memory")
    except (OSError, redis.RedisError) as error:
        yield Finding(f"Redis does not answer ({type(error).__name__}). See that it runs and REDIS_URL fits.")
        return
    policy = str(memory.get("maxmemory_policy", "noeviction"))
    if policy.startswith("allkeys"):
        yield Finding(f"Redis may drop work that waits (maxmemory-policy {policy}). Set maxmemory-policy noeviction.")
    elif policy != "noeviction":
        yield warning(f"Redis may drop limits on tries (maxmemory-policy {policy}). Better is noeviction.")


def mail() -> Iterator[Finding]:
    """The mail server greets us, and mails come from somebody."""
    _, at, domain = parseaddr(settings.MAIL_FROM)[1].lower().rpartition("@")
    if not settings.DEBUG and (not at or _is_example(domain)):
        yield Finding("MAIL_FROM is no address of yours: no server would take its mails. Set it.")
    if not settings.EMAIL_URL:
        if not settings.DEBUG:
            yield Finding("EMAIL_URL is not set: mails are written to files, and nobody can sign up. Name a server.")
        return
    if settings.EMAIL_HOST_USER and not (settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL):
        yield Finding("The password goes to the mail server in the clear. Use smtp+tls:// or smtp+ssl:// in EMAIL_URL.")
    server = get_connection()
    try:
        server.open()
    except smtplib.SMTPAuthenticationError:
        yield Finding("The mail server does not take the user and password in EMAIL_URL.")
    except (OSError, smtplib.SMTPException) as error:
        yield Finding(f"The mail server does not answer as one ({type(error).__name__}). See that EMAIL_URL fits.")
    finally:
        with suppress(OSError, smtplib.SMTPException):
            server.close()


def processor() -> Iterator[Finding]:
    """The card processor takes the key, its notices can be believed, and the money is real where it should be."""
    is_live = settings.STRIPE_SECRET_KEY.startswith(("sk_live_", "rk_live_"))
    if is_live and settings.DEBUG:
        yield Finding("STRIPE_SECRET_KEY moves real money, but DEBUG is set. Use a test key here.")
    if not is_live and not settings.DEBUG:
        yield warning("STRIPE_SECRET_KEY is a test key: nobody's money is real.")
    secrets = settings.STRIPE_WEBHOOK_SECRETS
    if not secrets or not all(re.fullmatch(r"whsec_[\w+/=-]{16,}", secret, re.ASCII) for secret in secrets):
        yield Finding("STRIPE_WEBHOOK_SECRETS holds none, or one that is not whsec_...: copy it from the dashboard.")
    if len(secrets) > 2:
        yield warning("Of STRIPE_WEBHOOK_SECRETS only the first two are used.")
    now = clock.now()
    try:
        gateway.events_between(now - timedelta(seconds=1), now)
    except gateway.ProcessorDown as error:
        status = getattr(error.__cause__, "http_status", None)
        if status == 401:
            yield Finding("Stripe does not accept STRIPE_SECRET_KEY. Copy it from the dashboard.")
        elif status == 403:
            yield Finding("Stripe does not let STRIPE_SECRET_KEY read events. Give that restricted key the right.")
        elif settings.STRIPE_API_BASE:
            yield Finding(f"The stand-in processor at {settings.STRIPE_API_BASE} does not answer. Run script/server.")
        else:
            yield Finding("Stripe does not answer. See that this machine reaches api.stripe.com by HTTPS.")


def disk() -> Iterator[Finding]:
    """There is room in VAR, the site can write there, and others cannot."""
    folder: Path = settings.VAR
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        yield Finding("The folder LEADFAIR_VAR is not there or cannot be written to. Make it, owned by who runs this.")
        return
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE:
        yield Finding(f"The disk of LEADFAIR_VAR has {free // 10**6} MB left. Make room or give it more.")
    for path in (folder, *(child for child in sorted(folder.iterdir()) if child.is_dir())):
        mode = path.stat().st_mode
        name = "LEADFAIR_VAR" if path == folder else f"{path.name} in LEADFAIR_VAR"
        if mode & 0o002:
            yield Finding(f"Everybody on this machine may write to {name}. Run chmod o-w on it.")
        elif path == folder and mode & 0o005 and not settings.DEBUG:
            yield warning(f"Everybody on this machine may look into {name}. Run chmod 750 on it.")
    yield from _backups(folder / "backups")


def _backups(folder: Path) -> Iterator[Finding]:
    if folder.is_dir():
        newest = max((path.stat().st_mtime for path in folder.iterdir()), default=0)
        if clock.now().timestamp() - newest > BACKUP_IS_OLD.total_seconds():
            yield warning("The newest file in LEADFAIR_VAR/backups is older than a day. See why none was made.")


# --- who and what is in it --------------------------------------------------------------------------------------------


def people() -> Iterator[Finding]:
    """Somebody gets the alerts, and nobody has a password that everybody knows."""
    if not settings.DEBUG and User.objects.filter(email__in=[person.email for person in demo.EVERYBODY]).exists():
        yield Finding("The demo's people are in the database, and everybody knows their password. Begin anew.")
    if not owners().exists():
        yield warning("There is no owner, so that alerts reach nobody. Run manage.py createsuperuser.")


def books() -> Iterator[Finding]:
    """They were checked lately, and they add up."""
    last = CheckRun.objects.of(CheckRun.What.LEDGER).newest()
    if last is None or clock.now() - last.ended_at > CHECK_IS_LATE:
        yield warning("The books were not checked within a day. Run manage.py ledger_check; beat does so daily.")
    if last and last.findings_count:
        yield Finding("The books do not add up. Run manage.py ledger_check, which says where.")


def _is_example(domain: str) -> bool:
    return domain.endswith(_EXAMPLES)


GROUPS: dict[str, Callable[[], Iterator[Finding]]] = {
    look.__name__: look for look in (keys, site, database, queue, mail, processor, disk, people, books)
}
