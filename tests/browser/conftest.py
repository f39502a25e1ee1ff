"""Debian's Chromium, driven by Playwright, on the running site."""

import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, Playwright, sync_playwright

from tests.stack import Stack

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The whole site as processes, with a small demo stock."""
    with Stack() as running:
        running.manage("demo", "--leads", "150")
        yield running


@pytest.fixture(scope="session")
def chromium() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture
def open_browser(chromium, stack):
    """A function that opens a fresh browser: ``open_browser(javascript=True, dark=False, width=1280)`` → context."""
    opened: list[BrowserContext] = []
    folders = []

    def open_one(*, javascript: bool = True, dark: bool = False, width: int = 1280) -> BrowserContext:
        folder = tempfile.TemporaryDirectory(prefix="leadfair-chromium-")
        folders.append(folder)
        context = chromium.chromium.launch_persistent_context(
            folder.name,
            executable_path=os.environ.get("CHROMIUM") or shutil.which("chromium"),
            headless=True,
            args=FLAGS,
            java_script_enabled=javascript,
            color_scheme="dark" if dark else "light",
            viewport={"width": width, "height": 900},
            base_url=stack.url,
        )
        context.set_default_timeout(15_000)
        opened.append(context)
        return context

    yield open_one
    for context in opened:
        context.close()
    for folder in folders:
        folder.cleanup()


def watch(page: Page) -> dict[str, list[str]]:
    """Collects what a page asks of other hosts and what the Content-Security-Policy or the console complain about."""
    seen: dict[str, list[str]] = {"requests": [], "complaints": []}

    page.on("request", lambda request: seen["requests"].append(request.url))
    page.on("console", lambda message: seen["complaints"].append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: seen["complaints"].append(error.message))
    return seen
