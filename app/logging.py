"""Structured logs: one line an event, for people (console) or for programs (json)."""

import logging
import os
import sys
from traceback import format_tb
from typing import Any

import orjson
import structlog

from app.config import Settings


def _kinds_and_places(exc_info: structlog.typing.ExcInfo) -> str:
    """Of which kind an error is, where it was raised, and what it came of.

    Its own text is left out: those of the database and of most parsers quote what a client has sent.
    """
    parts: list[str] = []
    error: BaseException | None = exc_info[1]
    told: set[int] = set()
    while error is not None and id(error) not in told:
        told.add(id(error))
        kind = f"{type(error).__module__}.{type(error).__qualname__}"
        parts.append("".join(["Traceback (most recent call last):\n", *format_tb(error.__traceback__), kind]))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n\nwhich came of\n\n".join(parts)


_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    structlog.processors.ExceptionRenderer(_kinds_and_places),
]


def configure_logging(settings: Settings) -> None:
    """Sends the service's own events and those of the libraries to standard error, in one form."""
    level = logging.getLevelNamesMapping()["DEBUG" if settings.debug else settings.log_level]
    last = _last_steps(settings)
    structlog.configure(
        processors=[*_SHARED, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(level, logging.INFO))  # the libraries' own debugging would show what is sent


def _last_steps(settings: Settings) -> list[structlog.typing.Processor]:
    if settings.log_format == "json":
        return [_with_the_process, structlog.processors.JSONRenderer(serializer=_json)]
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), timestamp_key="time")]


def _with_the_process(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    event["worker_pid"] = os.getpid()
    return event


def _json(event: Any, **_options: Any) -> str:
    return orjson.dumps(event, default=str).decode()
