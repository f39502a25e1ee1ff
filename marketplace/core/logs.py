"""Logs: one JSON line an event, with route names instead of addresses and without IP, user, agent or query string.

The site must not hold an IP address beside a person anywhere (AL-30), so the request line carries neither.
"""

import logging
import logging.config
import sys
from typing import Any

import structlog


def configure(options: dict[str, Any]) -> None:
    """Django's LOGGING_CONFIG: everything goes to standard error as JSON, ``options["level"]`` and up."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "json": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "pass_foreign_args": True,
                    "foreign_pre_chain": [*shared, _without_foreign_exceptions],
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        _without_personal_arguments,
                        structlog.processors.JSONRenderer(),
                    ],
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
            "root": {"handlers": ["stderr"], "level": options["level"]},
            "loggers": {
                # Django's own lines hold paths and exception messages, which may hold what a person typed.
                "django.request": {"level": "CRITICAL"},
                "django.server": {"level": "CRITICAL"},
                "django.security": {"level": "CRITICAL"},
                "celery.app.trace": {"level": "WARNING"},
                "celery.worker.strategy": {"level": "WARNING"},
                "celery.beat": {"level": "WARNING"},
                "fido2": {"level": "WARNING"},  # it names every passkey that is used
                "stripe": {"level": "WARNING"},
                "gunicorn.error": {"handlers": ["stderr"], "propagate": False},
            },
        }
    )


def _without_foreign_exceptions(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Other programs put into a line what an exception said, and a database quotes whole rows in it: of such a line
    only the pattern is logged. Of a request that is none gunicorn names the sender: only that there was one."""
    record, filled_in = event["_record"], event.pop("positional_args", None)
    if record.exc_info or record.name == "celery.app.trace":
        event["event"] = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
        if isinstance(filled_in, dict) and "name" in filled_in:
            event["task"] = filled_in["name"]
    elif record.name == "gunicorn.error" and record.getMessage().startswith("Invalid request"):
        event["event"] = "Invalid request"
    return event


def _without_personal_arguments(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Of an exception only its type and the place are logged: messages and local variables can hold personal data."""
    found = event.pop("exc_info", None)
    if found is True:
        found = sys.exc_info()
    elif isinstance(found, BaseException):
        found = type(found), found, found.__traceback__
    kind, _, trace = found or (None, None, None)
    if kind is not None:
        event["exception"] = kind.__name__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is not None:
        event["where"] = f"{'/'.join(trace.tb_frame.f_code.co_filename.split('/')[-2:])}:{trace.tb_lineno}"
    return event


def get(name: str) -> structlog.stdlib.BoundLogger:
    """A logger. Give it ids, counts, cents and states; never an address, a name or free text."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger
