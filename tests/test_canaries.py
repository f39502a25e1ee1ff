"""After a canary member's whole journey, Redis, the broker, the logs and the admin's history hold no email, phone or
IP of theirs, and the database no IP at all (AL-30, DX-14)."""

import base64
import binascii
import re
import sqlite3
import time
import zlib
from collections.abc import Iterator

import psycopg
import redis

from tests.stack import ON_POSTGRESQL, Browser, Stack

EMAIL, IP = "canary-zq77@example.net", "203.0.113.77"
PHONE_DIGITS = "6145550177"
PASSWORD, NEW_PASSWORD = "yellow bird in the mine", "the bird sings no longer"
CANARIES = [EMAIL, "canary-zq77", IP, PHONE_DIGITS, "614-555-0177", "(614) 555-0177"]
STAFF, STAFF_PASSWORD, STAFF_IP = "charlie@example.com", "correct horse battery", "203.0.113.78"


def journey(stack: Stack) -> None:
    """Sign up, verify, profile, deposit, buy, note, export, change of password, sign out and in again."""
    browser = Browser(stack, IP)
    page = browser.get("/accounts/signup/")
    terms = {"adult": "on", "terms": "on"}
    page = browser.submit(page, "signup", email=EMAIL, handle="Canary", password1=PASSWORD, **terms)
    browser.submit(page, "confirm-email", code=stack.code_for(EMAIL))
    profile = {
        "handle": "Canary",
        "phone": "(614) 555-0177",
        "preferred_channel": "phone",
        "business_name": "Canary Mining",
    }
    page = browser.submit(browser.get("/account/"), "/account/", **profile)
    assert "Your changes are saved" in page.text
    page = browser.submit(browser.get("/wallet/add/"), "/wallet/add/", choice="50000")
    assert page.url.startswith(stack.processor.url)
    stack.processor.pay(page.url.rstrip("/").split("/")[-1], "4242424242424242", name="Canary", email=EMAIL)
    stack.postbox.wait_for(EMAIL, 2)
    lead = re.search(r'href="(/leads/\w+/)"', browser.get("/leads/?mode=shared&sort=price").text)
    assert lead
    page = browser.submit(browser.get(f"{lead[1]}buy/"), "buy")
    assert "tel:" in page.text
    browser.submit(page, "notes", text="A note")
    browser.get("/my-leads/export.csv")
    browser.get(f"/my-leads/?q={EMAIL}")
    browser.get(f"/leads/nowhere/?email={EMAIL}", status=404)

    change = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD}
    browser.submit(browser.get("/accounts/password/change/"), "password/change", **change)
    browser.submit(browser.get("/accounts/logout/"), "logout")
    page = browser.submit(browser.get("/accounts/login/"), "login", 422, login=EMAIL, password=PASSWORD)
    assert "The email or the password is not right" in page.text
    browser.submit(page, "login", login=EMAIL, password=NEW_PASSWORD)
    assert "Canary Mining" in browser.get("/account/").text


_ABOUT = f"""
from accounts.models import User
from marketplace.mail.models import OutgoingEmail
from marketplace.purchases.models import Purchase
from marketplace.wallet.models import Deposit
canary = User.objects.get(email="{EMAIL}")
answer = [f"accounts/user/{{canary.pk}}"]
answer += [f"mail/outgoingemail/{{row.pk}}" for row in OutgoingEmail.objects.filter(user=canary)]
answer += [f"wallet/deposit/{{row.pk}}" for row in Deposit.objects.filter(buyer=canary)]
answer += [f"purchases/purchase/{{row.pk}}" for row in Purchase.objects.filter(buyer=canary)]
"""


def staff_looks(stack: Stack) -> None:
    """Support looks for the canary, opens every page about them, notes something and looks at the details."""
    browser = Browser(stack, STAFF_IP)
    page = browser.get("/admin/login/?next=/admin/")
    page = browser.submit(page, "/accounts/login/", login=STAFF, password=STAFF_PASSWORD)
    assert page.url == f"{stack.url}/admin/"
    browser.get(f"/admin/accounts/user/?q={EMAIL}")
    for path in stack.python(_ABOUT):
        browser.get(f"/admin/{path}/change/")
        browser.get(f"/admin/{path}/history/")
    member = browser.get(f"/admin/search/?q={EMAIL}").url.removeprefix(stack.url)
    assert "/admin/members/" in member
    page = browser.submit(browser.get(f"{member}note/"), "/note/", text="Asked for a receipt.")
    assert "The note is added." in page.text
    page = browser.submit(browser.get(f"{member}reveal/"), "/reveal/", reason="Asked for a receipt.")
    assert EMAIL in page.text, "shown, and written down that it was"


# --- where things are kept --------------------------------------------------------------------------------------------


def held(stack: Stack) -> dict[str, bytes]:
    """All that is kept, opened, by place: log files by name, the broker, the cache, and every table."""
    places: dict[str, list[bytes]] = {path.name: [path.read_bytes()] for path in stack.logs.iterdir()}
    for path in [*(stack.folder / "broker").rglob("*"), *stack.folder.glob("*schedule*")]:
        if path.is_file():
            places.setdefault("broker", []).append(path.read_bytes())
    if ON_POSTGRESQL:
        with redis.Redis.from_url(stack.env["REDIS_URL"]) as client:
            for key in client.scan_iter():
                place = "broker" if key.startswith(b"leadfair:") else "cache"
                places.setdefault(place, []).append(key + b" " + _value(client, key))
    for table, text in rows(stack):
        places.setdefault("cache" if table == "core_cache" else table, []).append(text.encode())
    return {place: opened(b"\n".join(raw)) for place, raw in places.items()}


def opened(raw: bytes) -> bytes:
    """``raw`` and, behind it, what it holds as base64 and compressed: messages, sessions and cached values do."""
    layers = [raw]
    for word in re.findall(rb"[A-Za-z0-9+/_-]{16,}", raw):
        with_padding = word.translate(bytes.maketrans(b"+/", b"-_")) + b"=" * (-len(word) % 4)
        try:
            layer = base64.urlsafe_b64decode(with_padding)
        except binascii.Error:
            continue
        layers.append(layer)
        try:
            layers.append(zlib.decompress(layer))
        except zlib.error:
            continue
    return b"\n".join(layers)


def _value(client: redis.Redis, key: bytes) -> bytes:
    """What a key of any type holds."""
    kind = client.type(key)
    if kind == b"string":
        return client.get(key) or b""
    if kind == b"list":
        return b" ".join(client.lrange(key, 0, -1))
    if kind == b"hash":
        return repr(client.hgetall(key)).encode()
    return repr(client.smembers(key) if kind == b"set" else client.zrange(key, 0, -1)).encode()


def rows(stack: Stack) -> Iterator[tuple[str, str]]:
    """Every row of every table as text."""
    if ON_POSTGRESQL:
        with psycopg.connect(stack.env["DATABASE_URL"]) as connection:
            tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            for (table,) in tables:
                for (text,) in connection.execute(f'SELECT t::text FROM "{table}" t').fetchall():
                    yield table, text
    else:
        connection = sqlite3.connect(stack.folder / "leadfair.sqlite3")
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for row in connection.execute(f'SELECT * FROM "{table}"').fetchall():
                yield table, repr(row)
        connection.close()


# Places that hold nothing about a member; all other tables may, but no IP.
IMPERSONAL = {"broker", "cache", "django_admin_log", "wallet_stripeevent"}


def traces(stack: Stack) -> dict[str, set[str]]:
    """The places in which canaries are found that must not be there, and which; the IPs must not be anywhere."""
    found: dict[str, set[str]] = {}
    for place, raw in held(stack).items():
        wanted = CANARIES if place in IMPERSONAL or place.endswith(".log") else [IP]
        hits = {canary for canary in [*wanted, STAFF_IP] if canary.encode() in raw}
        if hits:
            found[place] = hits
    return found


# What the admin's history would call each thing that it knows.
_NAMES = """
from django.contrib import admin
import marketplace.urls
answer = [str(row) for model in admin.site._registry for row in model._default_manager.all()]
"""

_START = """
from tests.people import make_charlie
from tests.stock import make_lead
make_charlie()
for _ in range(3):
    make_lead(buyers=3)
answer = True
"""

# A canary for each place that is looked into.
_PLANT = f"""
import base64, json
from importlib import import_module
from pathlib import Path
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.core.cache import cache
from accounts.models import User
member = User.objects.get(email="{EMAIL}")
User.objects.filter(pk=member.pk).update(business_name="{IP}")
LogEntry.objects.create(user=member, action_flag=1, object_repr="{EMAIL}", change_message="")
cache.set("a key", {{"phone": "{PHONE_DIGITS}", "filler": "x" * 100}}, 3600)
session = import_module(settings.SESSION_ENGINE).SessionStore()
session["address"] = ["{IP}"] * 20
session.create()
message = json.dumps({{"body": base64.b64encode(b'[["{EMAIL}"], {{}}]').decode()}})
if settings.REDIS_URL:
    import redis
    redis.Redis.from_url(settings.REDIS_URL).lpush("leadfair:celery", message)
else:
    (settings.VAR / "broker" / "planted.msg").write_text(message)
answer = True
"""
PLANTED = {
    "web.log": EMAIL,
    "broker": EMAIL,
    "django_admin_log": EMAIL,
    "cache": PHONE_DIGITS,
    "django_session": IP,
    "accounts_user": IP,
}


def test_the_journey_leaves_no_trace():
    with Stack(proxies=1) as stack:
        stack.python(_START)
        journey(stack)
        staff_looks(stack)
        stack.stop("worker")  # what is queued from here on stays in the broker to be looked at
        stack.stop("beat")
        time.sleep(1)  # a worker is called twice a second at most
        browser = Browser(stack, IP)
        browser.submit(browser.get("/accounts/password/reset/"), "reset", email=EMAIL)

        everything = held(stack)
        assert all(everything.get(place) for place in [*PLANTED, "worker.log"]), "each holds something to be looked at"
        assert b"mail.deliver_due" in everything["broker"]
        assert EMAIL.encode() in everything["accounts_user"]
        assert traces(stack) == {}
        assert not [name for name in stack.python(_NAMES) if any(canary in name for canary in CANARIES)]

        # Control: what must not be there is found, in whichever place it is.
        with (stack.logs / "web.log").open("a") as log:
            log.write(f"signed up: {EMAIL}\n")
        stack.python(_PLANT)
        found = traces(stack)
        assert found.keys() == PLANTED.keys()
        assert all(canary in found[place] for place, canary in PLANTED.items())
