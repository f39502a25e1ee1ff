"""After a canary member's whole journey, Redis, the broker, the logs and the admin's history hold no email, phone or
IP of theirs, and the database no IP at all (AL-30, DX-14)."""

import re
import sqlite3
from pathlib import Path

import psycopg
import redis
import requests

from tests.stack import ON_POSTGRESQL, Stack

EMAIL, IP = "canary-zq77@example.net", "203.0.113.77"
PHONE_DIGITS = "6145550177"
PASSWORD = "yellow bird in the mine"
CANARIES = [EMAIL, "canary-zq77", IP, PHONE_DIGITS, "614-555-0177", "(614) 555-0177"]


class Browser:
    """The canary's browser: cookies, forms, and their IP as the proxy reports it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.http = requests.Session()
        self.http.headers.update({"X-Forwarded-For": IP, "User-Agent": "CanaryBrowser/1.0"})

    def get(self, path: str) -> requests.Response:
        answer = self.http.get(path if path.startswith("http") else f"{self.stack.url}{path}", timeout=15)
        assert answer.status_code == 200, (path, answer.status_code)
        return answer

    def submit(self, page: requests.Response, action: str, **fields: str) -> requests.Response:
        """Send the form of the page's main part whose action contains ``action``, with its hidden fields and ours."""
        main = page.text.partition("<main")[2].partition("</main>")[0]
        for form in re.findall(r"<form.*?</form>", main, re.DOTALL):
            target = re.search(r'action="([^"]*)"', form[: form.index(">")])
            url = requests.compat.urljoin(page.url, target[1].replace("&amp;", "&") if target else "")
            if action in url:
                hidden = dict(re.findall(r'<input type="hidden" name="([\w-]+)" value="([^"]*)"', form))
                return self.http.post(url, data=hidden | fields, timeout=15)
        raise AssertionError(f"no form for {action} on {page.url}")


def journey(stack: Stack) -> None:
    """Sign up, verify, profile, deposit, buy, note, export, change of password, sign out and in again."""
    browser = Browser(stack)
    page = browser.get("/accounts/signup/")
    terms = {"adult": "on", "terms": "on"}
    page = browser.submit(page, "signup", email=EMAIL, handle="Canary", password1=PASSWORD, **terms)
    page = browser.submit(page, "confirm-email", code=stack.code_for(EMAIL))
    assert page.status_code == 200
    page = browser.get("/account/")
    profile = {
        "handle": "Canary",
        "phone": "(614) 555-0177",
        "preferred_channel": "phone",
        "business_name": "Canary Mining",
    }
    page = browser.submit(page, "/account/", **profile)
    assert page.status_code == 200
    page = browser.submit(browser.get("/wallet/add/"), "/wallet/add/", choice="50000")
    assert page.url.startswith(stack.processor.url)
    stack.processor.pay(page.url.rstrip("/").split("/")[-1], "4242424242424242", name="Canary", email=EMAIL)
    stack.postbox.wait_for(EMAIL, 2)
    lead = re.search(r'href="(/leads/\w+/)"', browser.get("/leads/?mode=shared&sort=price").text)
    assert lead
    page = browser.submit(browser.get(f"{lead[1]}buy/"), "buy")
    assert "tel:" in page.text
    page = browser.submit(page, "notes", text="A note")
    browser.get("/my-leads/export.csv")
    browser.get(f"/my-leads/?q={EMAIL}")
    browser.http.post(f"{stack.url}/accounts/login/", data={"login": EMAIL, "password": "wrong"}, timeout=15)
    missing = browser.http.get(f"{stack.url}/leads/nowhere/?email={EMAIL}", timeout=15)
    assert missing.status_code == 404


def traces(stack: Stack, canaries: list[str]) -> list[str]:
    """Where canaries are found: Redis, broker files, logs, the admin's history; IPs anywhere in the database."""
    found = []
    if ON_POSTGRESQL:
        with redis.Redis.from_url(stack.env["REDIS_URL"]) as client:
            for key in client.scan_iter():
                raw = key + _value(client, key)
                found += [f"redis {key!r}: {canary}" for canary in canaries if canary.encode() in raw]
    for path in [*stack.logs.rglob("*"), *(stack.folder / "broker").rglob("*"), *stack.folder.glob("*schedule*")]:
        if path.is_file():
            raw = path.read_bytes()
            found += [f"{path.name}: {canary}" for canary in canaries if canary.encode() in raw]
    for table, text in rows(stack):
        wanted = canaries if table in {"django_admin_log", "core_cache", "wallet_stripeevent"} else [IP]
        found += [f"{table}: {canary}" for canary in wanted if canary in text]
    return found


def _value(client: redis.Redis, key: bytes) -> bytes:
    """What a key of any type holds."""
    kind = client.type(key)
    if kind == b"string":
        return client.get(key) or b""
    if kind == b"list":
        return b"".join(client.lrange(key, 0, -1))
    if kind == b"hash":
        return repr(client.hgetall(key)).encode()
    return repr(client.smembers(key) if kind == b"set" else client.zrange(key, 0, -1)).encode()


def rows(stack: Stack):
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


_STOCK = "from tests.stock import make_lead\nfor _ in range(3): make_lead(buyers=3)\nanswer = True"


def test_the_journey_leaves_no_trace():
    with Stack(proxies=1) as stack:
        stack.python(_STOCK)
        journey(stack)
        stack.stop("worker")  # what is queued from here on stays in the broker to be looked at
        browser = Browser(stack)
        browser.submit(browser.get("/accounts/password/reset/"), "reset", email=EMAIL)
        assert traces(stack, CANARIES) == []
        assert any(EMAIL in text for table, text in rows(stack) if table == "accounts_user"), (
            "the scan sees the database"
        )

        # Control: what must not be there is found when it is.
        log = stack.logs / "web.log"
        log.write_text(log.read_text() + f"signed up: {EMAIL} from {IP}\n")
        if ON_POSTGRESQL:
            redis.Redis.from_url(stack.env["REDIS_URL"]).lpush("celery", f'{{"to": "{EMAIL}"}}')
        else:
            (stack.folder / "broker" / "message").write_text(f'{{"phone": "{PHONE_DIGITS}"}}')
        places = {place.split(":")[0].split(" ")[0] for place in traces(stack, CANARIES)}
        assert places == {"web.log", "redis" if ON_POSTGRESQL else "message"}
    assert not Path(stack.folder).exists()
