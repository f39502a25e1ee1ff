"""The pages on which staff bring files of leads in: accessible, valid, within their frame; and the way through them."""

import json
import os
import re
import subprocess

import pytest

from tests.stack import Browser

from .test_pages import VARIANTS, check, keep_picture, sign_in, watch

pytestmark = [pytest.mark.browser]

_FACTS = """
import csv, io, time
from datetime import timedelta
from importlib import import_module
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from accounts.models import User
from marketplace.core import clock
from marketplace.core.ids import new_id
from marketplace.supply import uploads
from marketplace.supply.files import content_of
from marketplace.supply.models import ImportBatch, Upload
from marketplace.supply.withdrawals import withdraw
from tests.supply.files import row

now = clock.now()
owner = User.objects.get(email="admin@example.com")
session = import_module(settings.SESSION_ENGINE).SessionStore()
session[SESSION_KEY] = str(owner.pk)
session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
session[HASH_SESSION_KEY] = owner.get_session_auth_hash()
session.create()

def content(*rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(key for one in rows for key in one)), restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()

def upload(*rows):
    public_id = new_id()
    with content_of(public_id).create() as file:
        file.write(content(*rows).encode())
        file.finish()
    return uploads.receive(owner, public_id, supplier="Test Supply", vertical="")

def done(*rows):
    found = upload(*rows)
    uploads.start(found, keep=[])
    deadline = time.monotonic() + 60
    while found.state != "done":
        assert time.monotonic() < deadline, (found.state, found.problem)
        time.sleep(0.1)
        found.refresh_from_db()
    return found.batch

known = row()
report = done(known, row(phone_1="12"), row(phone_1="13"), row(consent_text=""), known | {"reference": "again"}, row())
withdrawn = done(row(), row())
withdraw(owner, withdrawn, reason="The consents of this file were forged, says the supplier.")
preview = upload(
    row(pets="two dogs", agent="Quentin", mobile="614-555-0111", a_column_with_a_name_of_some_length="yes"),
    row(phone_1="1"), row(consent_text=""), known | {"reference": "third"},
    row(supplier="A Supplier With A Long Name, Inc."),
)
running, refused = upload(row(), row()), upload(row())
ImportBatch.objects.create(
    sha256=running.sha256, started_at=now, read_to=7001, accepted=6500, duplicates=100, rejected=400
)
Upload.objects.filter(pk=running.pk).update(
    state="running", lines=10_001, claimed_at=now + timedelta(days=1), available_at=now + timedelta(days=1)
)
Upload.objects.filter(pk=refused.pk).update(state="refused", problem="A quote in the row on line 702 is never closed.")
answer = {
    "session": session.session_key,
    "paths": [
        "", "upload/", *(f"uploads/{one.public_id}/?still=1" for one in (preview, running, refused)),
        f"{report.pk}/change/", f"{report.pk}/withdraw/", f"{withdrawn.pk}/change/", f"{withdrawn.pk}/undo/",
        f"{withdrawn.pk}/withdraw/", f"{withdrawn.pk}/rejects/", f"{report.pk}/rejects/", "../withdrawal/",
    ],
    "file": content(row(pets="one cat"), row(phone_1="12")),
}
"""
HOME = "/admin/supply/importbatch/"


@pytest.fixture(scope="module")
def facts(stack) -> dict:
    """The owner, and files in every state in which a page shows them."""
    return stack.python(_FACTS)


@VARIANTS
def test_every_page_is_accessible_and_fits(stack, facts, open_browser, dark, width):
    context = open_browser(dark=dark, width=width)
    sign_in(context, stack, facts["session"])
    page = context.new_page()
    seen = watch(page)
    wrong = []
    for path in facts["paths"]:
        assert page.goto(HOME + path).status in (200, 410), path
        keep_picture(page, f"imports {path}")
        wrong += check(page, seen, path, ours=False)
    page.goto(f"{HOME}upload/")
    page.get_by_role("button", name="Upload and look at it").click()
    page.locator(".errors").wait_for()
    assert page.title().startswith("Error: ")
    keep_picture(page, "imports upload with errors")
    wrong += check(page, seen, "upload with errors", ours=False)
    assert wrong == [], "\n".join(wrong)


def test_every_page_is_valid_html(stack, facts, tmp_path):
    browser = Browser(stack)
    browser.http.cookies.set("sessionid", facts["session"])
    for number, path in enumerate(facts["paths"]):
        page = browser.http.get(stack.url + HOME + path, timeout=15).text
        (tmp_path / f"{number}.html").write_text(page)
    command = ["java", "-jar", os.environ["VNU_JAR"], "--errors-only", "--format", "json", "--exit-zero-always"]
    done = subprocess.run([*command, *map(str, tmp_path.glob("*.html"))], capture_output=True, text=True, check=True)
    errors = [
        f"{message['url'].rsplit('/', 1)[-1]}: {message['message']} ({message.get('extract', '')[:80]!r})"
        for message in json.loads(done.stderr)["messages"]
    ]
    assert errors == [], "\n".join(errors)


@pytest.mark.parametrize("javascript", [True, False])
def test_the_way_through(stack, facts, open_browser, javascript):
    """From the list to the report, the file of what did not come in, and back off sale; without scripts, too."""
    context = open_browser(javascript=javascript)
    sign_in(context, stack, facts["session"])
    page = context.new_page()
    page.goto(HOME)
    page.get_by_role("link", name="Upload a file").click()
    content = facts["file"].replace("one cat", f"one cat {javascript}")
    page.get_by_label("File", exact=True).set_input_files(
        {"name": "Ana Canary.csv", "mimeType": "text/csv", "buffer": content.encode()}
    )
    page.get_by_role("button", name="Upload and look at it").click()
    page.get_by_label(re.compile("Pets")).check()
    page.get_by_role("button", name="Import the file").click()
    page.wait_for_url(re.compile(r"/\d+/change/"), timeout=60_000)  # the page looks again by itself
    page.get_by_role("link", name="What did not go on sale").click()
    page.get_by_label("Reason").fill("The supplier mends it.")
    with page.expect_download() as download:
        page.get_by_role("button", name=re.compile("Download (1 row|2 rows)$")).click()  # 2 of the second file
    assert "is not a valid US phone number." in download.value.path().read_text()
    if javascript:  # the second file is about the same people, who are known by then
        page.get_by_role("link", name="Back to Import").click()
        page.get_by_role("link", name="Withdraw the unsold rest").click()
        page.get_by_label("Reason").fill("A test.")
        page.get_by_role("button", name="Withdraw 1 lead").click()
        page.get_by_role("link", name="Undo the withdrawal").click()
        page.get_by_role("button", name="Undo the withdrawal").click()
        assert "and 1 came back" in page.locator("#content").inner_text()


class Long:
    """A file of so many bytes that never is in memory, with the form around it."""

    def __init__(self, start: bytes, size: int) -> None:
        self.left = size
        self.start = start

    def __len__(self) -> int:
        return len(self.start) + self.left

    def read(self, size: int) -> bytes:
        if self.start:
            part, self.start = self.start, b""
            return part
        part = b"x" * min(size, self.left)
        self.left -= len(part)
        return part


def test_too_large_for_the_real_server(stack, facts):
    """What is sent beyond the limit is read past: the browser gets its answer, memory and disk stay as they were."""
    browser = Browser(stack)
    browser.http.cookies.set("sessionid", facts["session"])
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get(f"{HOME}upload/").text)
    assert token
    fields = {"csrfmiddlewaretoken": token[1], "supplier": "Canary Leads", "vertical": ""}
    head = "--x\r\nContent-Disposition: form-data; name="
    parts = [f'{head}"{name}"\r\n\r\n{text}\r\n' for name, text in fields.items()]
    parts += [f'{head}"file"; filename="leads.csv"\r\n\r\n']
    before = sorted((stack.folder / "uploads").iterdir())
    answer = browser.http.post(
        f"{stack.url}{HOME}upload/", data=Long("".join(parts).encode(), 300 * 1024**2),
        headers={"Content-Type": "multipart/form-data; boundary=x"}, timeout=60,
    )  # fmt: skip
    assert answer.status_code == 422
    assert "larger than 100 MB" in answer.text
    assert 'value="Canary Leads"' in answer.text
    assert sorted((stack.folder / "uploads").iterdir()) == before
