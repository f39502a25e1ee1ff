"""What is logged of a failure: its kind and its place, whoever writes the line; never what it said."""

import json
import logging
import sys

import pytest
from celery import current_app
from celery.app.trace import build_tracer
from celery.signals import before_task_publish
from django.db import IntegrityError, connection
from structlog.contextvars import bound_contextvars

from accounts.models import User
from marketplace import celery_app
from marketplace.core import logs

CANARY = "zelda.quill@example.net"


class Failure(Exception):
    """Says what nobody may read."""


def fail() -> None:
    raise Failure(f"DETAIL: Key (email)=({CANARY}) already exists.")


def lines(log) -> list[dict]:
    assert CANARY not in log.getvalue()
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_it_works(log):
    logs.get("leadfair.tests").error("something", payment="pi_1", cents=5)
    (line,) = lines(log)
    assert line.pop("timestamp")
    assert line == {"event": "something", "payment": "pi_1", "cents": 5, "level": "error", "logger": "leadfair.tests"}


def given_as_true() -> object:
    return True


def given_as_tuple() -> object:
    return sys.exc_info()


def given_as_itself() -> object:
    return sys.exception()


@pytest.mark.parametrize("given", [given_as_true, given_as_tuple, given_as_itself])
def test_a_failure_of_ours(log, given):
    try:
        fail()
    except Failure:
        logs.get("leadfair.tests").error("failed", exc_info=given())
    (line,) = lines(log)
    assert (line["event"], line["exception"]) == ("failed", "Failure")
    assert line["where"] == f"core/test_logs.py:{fail.__code__.co_firstlineno + 1}"


def test_a_failure_that_another_program_tells_of(log):
    try:
        fail()
    except Failure as failure:
        logging.getLogger("somebody.else").exception("Message Error: %r for %s", failure, CANARY)
        logging.getLogger("somebody.else").exception(failure)
    first, second = lines(log)
    assert (first["event"], first["exception"]) == ("Message Error: %r for %s", "Failure")
    assert (second["event"], second["exception"]) == ("Failure", "Failure")


def test_other_lines_of_theirs_stay_as_they_are(log):
    logging.getLogger("somebody.else").error("Cannot connect to %s", "redis://127.0.0.1/0")
    assert lines(log)[0]["event"] == "Cannot connect to redis://127.0.0.1/0"


TASK_ID = "00000000-0000-0000-0000-000000000000"


def run_in_a_worker(name: str, job, **headers: str) -> None:
    task = current_app.task(name=name)(job)
    tracer = build_tracer(task.name, task, app=current_app._get_current_object())
    tracer(TASK_ID, (), {}, {"hostname": "tests", **headers})


def test_a_task_that_fails(log):
    run_in_a_worker("tests.fails", fail)
    (line,) = [line for line in lines(log) if line["logger"] == "celery.app.trace"]
    assert (line["task"], line["exception"]) == ("tests.fails", "Failure")
    assert line["where"].startswith("core/test_logs.py:")


def test_a_task_ends_with_one_line_and_marks_its_own(log, caplog):
    def work() -> str:
        logs.get("leadfair.tests").error("at work")
        return CANARY

    caplog.set_level(logging.INFO)
    run_in_a_worker("tests.works", work, request_id="b" * 14)
    logs.get("leadfair.tests").error("afterwards")
    at_work, end, afterwards = [line for line in lines(log) if line["logger"].startswith("leadfair.")]
    assert (end["event"], end["task"], end["state"]) == ("task", "tests.works", "SUCCESS")
    assert end["ms"] >= 0
    assert set(end) == {"event", "task", "state", "ms", "task_id", "request_id", "level", "logger", "timestamp"}
    assert (at_work["task_id"], at_work["request_id"]) == (end["task_id"], end["request_id"]) == (TASK_ID, "b" * 14)
    assert not {"task_id", "request_id"} & set(afterwards)


def test_one_that_fails_says_so(log, caplog):
    caplog.set_level(logging.INFO)
    run_in_a_worker("tests.fails_too", fail)
    (end,) = [line for line in lines(log) if line["logger"] == "leadfair.tasks"]
    assert (end["task"], end["state"]) == ("tests.fails_too", "FAILURE")
    assert "request_id" not in end


def test_a_request_names_itself_to_the_task_it_wakes():
    """As far as the broker's message; and nothing else of the request is in it."""
    sent = []
    with celery_app.connection_for_write() as broker, bound_contextvars(request_id="c" * 14, canary=CANARY):
        task = celery_app.task(name="tests.woken")(given_as_true)
        before_task_publish.connect(collect := lambda headers, **_: sent.append(dict(headers)), weak=False)
        try:
            task.apply_async(connection=broker)
        finally:
            before_task_publish.disconnect(collect)
    (headers,) = sent
    assert headers["request_id"] == "c" * 14
    assert CANARY not in repr(headers)


@pytest.mark.django_db(transaction=True)
def test_a_task_whose_database_quotes_a_row(log):
    """PostgreSQL adds a DETAIL with the values that were refused."""
    User.objects.create_user(CANARY, "Zelda", "correct horse battery")

    def again() -> None:
        User.objects.create_user(CANARY, "Yolanda", "correct horse battery")

    with pytest.raises(IntegrityError) as caught:
        again()
    if connection.vendor == "postgresql":
        assert CANARY in str(caught.value)
    run_in_a_worker("tests.twice", again)
    (line,) = [line for line in lines(log) if line["logger"] == "celery.app.trace"]
    assert (line["task"], line["exception"]) == ("tests.twice", "IntegrityError")


def test_control_a_plain_handler_would_say_it(caplog):
    run_in_a_worker("tests.said", fail)
    assert CANARY in caplog.text


def test_a_request_that_is_none_has_no_sender(log, caplog):
    """In gunicorn's own words (workers/base.py)."""
    caplog.set_level(logging.INFO)
    message = "Invalid request from ip={ip}: {error}"
    logging.getLogger("gunicorn.error").warning(message.format(ip="203.0.113.7", error=f"Invalid HTTP {CANARY}"))
    (line,) = lines(log)
    assert line["event"] == "Invalid request"
    assert "203.0.113.7" not in log.getvalue()
