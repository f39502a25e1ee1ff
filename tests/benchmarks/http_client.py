"""Presses the buy button over HTTP for a while: arguments port, seconds, leads, file of session keys."""

import http.client
import random
import sys
import time
from urllib.parse import urlencode

from marketplace.core.ids import new_id
from tests.benchmarks.market import PRICE

TOKEN = "t" * 32


def main(port: int, seconds: float, leads: int, file: str) -> None:
    with open(file, encoding="utf-8") as lines:
        sessions = lines.read().split()
    dice = random.Random()  # another walk in every run: a pair of buyer and lead succeeds once
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    bought = other = 0
    print("ready", flush=True)
    sys.stdin.readline()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        body = urlencode({"csrfmiddlewaretoken": TOKEN, "key": new_id(), "price_seen": PRICE})
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": f"__Host-sessionid={dice.choice(sessions)}; __Host-csrftoken={TOKEN}",
            "X-Forwarded-Proto": "https",  # as the proxy in front says it
            "Host": "127.0.0.1",
            "Origin": "https://127.0.0.1",
        }
        connection.request("POST", f"/leads/bench{dice.randint(1, leads)}/buy/", body, headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status in (302, 303) and "/my-leads/" in answer.headers["Location"]:
            bought += 1
        else:
            other += 1
    print(bought, other, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
