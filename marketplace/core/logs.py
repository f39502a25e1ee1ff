"""Logs: one JSON line an event, with route names instead of addresses and without IP, user, agent or query string.

The site must not hold an IP address beside a person anywhere (AL-30), so the request line carries neither.
"""

import logging
import logging.config
from typing import Any

import structlog


def configure(options: dict[str, Any]) -> None:
    """Django's LOGGING_CONFIG: everything goes to standard error as JSON, ``options["level"]`` and up."""
    shared: list[structlog.typing.Processor] = [
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
                    "foreign_pre_chain": shared,
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
                "stripe": {"level": "WARNING"},
            },
        }
    )


def _without_personal_arguments(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Of an exception only its type and the place are logged: messages and local variables can hold personal data."""
    record = event.pop("exc_info", None)
    if record:
        kind, _, trace = record if isinstance(record, tuple) else (None, None, None)
        if kind is not None:
            event["exception"] = kind.__name__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        if trace is not None:
            event["where"] = f"{trace.tb_frame.f_code.co_filename.rsplit('/', 2)[-2:]}:{trace.tb_lineno}"
    return event


def get(name: str) -> structlog.stdlib.BoundLogger:
    """A logger. Give it ids, counts, cents and states; never an address, a name or free text."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger
