"""Scores of Lighthouse for the pages people see first, mobile and desktop: the best of three runs, printed as a table.

The site runs as ``script/server`` runs it, on a port and in a folder of its own. Performance moves with whatever else
the machine does, so start it alone.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import children
import machine
from children import Refusal
from machine import ROOT

LIGHTHOUSE = "lighthouse@12.8.2"
RUNS = 3
TRIES = 3  # for each of them; on a busy machine Chromium sometimes misses where the page began
PATIENCE = 300  # seconds for the site to answer; the first start loads the demo
KINDS = ("performance", "accessibility", "best-practices", "seo")
CHROMIUM = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


def main() -> int:
    """Start the site, look at it, print the table, stop it."""
    program = machine.install_npm_package(LIGHTHOUSE, "lighthouse/cli/index.js", "Lighthouse")
    chromium = shutil.which("chromium")
    if chromium is None:
        raise Refusal("Lighthouse needs Chromium; script/test installs it.")
    with tempfile.TemporaryDirectory(prefix="leadfair-lighthouse-") as folder:
        port = _free_port()
        env = {**os.environ, "PORT": str(port), "LEADFAIR_VAR": folder}
        server = subprocess.Popen(
            [ROOT / "script" / "server"], env=env, stdout=subprocess.DEVNULL, start_new_session=True
        )
        try:
            _report(program, chromium, _pages(f"http://127.0.0.1:{port}"), Path(folder))
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()
    return 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _pages(site: str) -> list[str]:
    """Home, catalogue, map and one lead, once the site answers."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(f"{site}/leads/") as answer:  # noqa: S310 - our own site
                lead = re.search(r'href="(/leads/[a-z0-9]{10,}/)"', answer.read().decode())
        except OSError:
            lead = None
        if lead:
            return [f"{site}/", f"{site}/leads/", f"{site}/leads/?view=map", f"{site}{lead[1]}"]
        if time.monotonic() > end:
            raise Refusal("The site did not come up; script/server says why.")
        time.sleep(1)


def _report(program: Path, chromium: str, pages: list[str], folder: Path) -> None:
    children.say("| page | form | " + " | ".join(KINDS) + " |")
    children.say("|---|---|" + "---|" * len(KINDS))
    for page in pages:
        for form in ("mobile", "desktop"):
            seen = [_scores(program, chromium, page, form, folder / "report.json") for _ in range(RUNS)]
            best = (f"{max(scores[kind] for scores in seen):.0f}" for kind in KINDS)
            children.say(f"| {page[page.index('/', 8) :]} | {form} | {' | '.join(best)} |")


def _scores(program: Path, chromium: str, page: str, form: str, report: Path) -> dict[str, float]:
    """The scores of one run. One in which Chromium never saw the page begin has measured nothing: it is made again.

    Raises:
        Refusal: Lighthouse failed otherwise, or every time.
    """
    command = ["node", program, page, "--quiet", "--output=json", f"--output-path={report}"]
    command += [f"--only-categories={','.join(KINDS)}", f"--chrome-flags={CHROMIUM}"]
    command += ["--preset=desktop"] if form == "desktop" else []
    env = {**os.environ, "CHROME_PATH": chromium}
    for _ in range(TRIES):
        report.unlink(missing_ok=True)
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        result = json.loads(report.read_text(encoding="utf-8")) if report.exists() else {}
        if not _missed_the_start(result, done.stderr):
            break
    else:
        raise Refusal(f"Chromium did not say when {page} began, {TRIES} times in a row; try on a quieter machine.")
    if done.returncode or not result:
        raise Refusal(f"Lighthouse could not look at {page}. Its last words: {done.stderr[-500:]}")
    return {kind: 100 * (result["categories"][kind]["score"] or 0) for kind in KINDS}


def _missed_the_start(result: dict[str, Any], words: str) -> bool:
    """Whether the run as a whole, or one of its figures, says so."""
    audits = result.get("audits", {}).values()
    said = [words, result.get("runtimeError", {}).get("code", ""), *(a.get("errorMessage", "") for a in audits)]
    return any("NO_NAVSTART" in text for text in said)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Refusal as refusal:
        sys.exit(str(refusal))
