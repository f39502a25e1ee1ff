"""`python -m tests.processor`: the stand-in as a process of its own, for the demo and for tests across processes."""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
import threading

from . import Processor

RETRY_DELAYS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds before each further try of a notice: patient, since the site may start later or start again."""

PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int) -> None:
    """Asks Linux to end this process with the one that started it; does nothing elsewhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # It was gone before the request was made.
            raise SystemExit(0)


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    parent = os.getppid()
    parser = argparse.ArgumentParser(prog="python -m tests.processor", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="only 127.0.0.1 is accepted")
    parser.add_argument("--port", type=int, default=8001, help="0 takes a free one (default %(default)s)")
    parser.add_argument("--state", help="SQLite file that keeps everything; without it, memory only")
    parser.add_argument("--webhook-url", help="where notices go; without it none are sent")
    parser.add_argument("--webhook-secret", default="whsec_demo", help="signs the notices")
    parser.add_argument("--api-key", default="sk_test_demo", help="the key that the site has to present")
    parser.add_argument("--moment", type=float, default=3.0, help="seconds until a demo card's dispute follows")
    parser.add_argument(
        "--earlier", nargs="*", default=[], metavar="ID=CENTS", help="payments that the site knows already"
    )
    parser.add_argument("--with-parent", action="store_true", help="end when the starting process ends (Linux)")
    options = parser.parse_args()
    if options.host != "127.0.0.1":
        parser.error("the stand-in has no real security and serves 127.0.0.1 only")
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    if options.with_parent:
        end_with_parent(parent)
    try:
        processor = Processor(
            webhook_url=options.webhook_url,
            webhook_secret=options.webhook_secret,
            api_key=options.api_key,
            state=options.state,
            port=options.port,
            moment=options.moment,
            retry_delays=RETRY_DELAYS,
        )
    except OSError as error:
        parser.exit(1, f"The processor stand-in cannot start on port {options.port}: {error.strerror}\n")
    for payment in options.earlier:
        id, _, cents = payment.partition("=")
        processor.earlier_payment(id, int(cents))
    with processor:
        print(f"Processor stand-in is ready at {processor.url}", flush=True)
        stopped.wait()


if __name__ == "__main__":
    main()
