"""Structured logs, one line per event, for people (console) or for programs (json)."""

import logging
import os
import sys
from traceback import format_tb
from typing import Any

import orjson
import structlog

from app.config import Settings


def _traceback_without_messages(exc_info: structlog.typing.ExcInfo) -> str:
    """Format an error and its causes with their types and tracebacks, but without their messages.

    The messages of the database and of most parsers quote what a client has sent.
    """
    parts: list[str] = []
    error: BaseException | None = exc_info[1]
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        name = f"{type(error).__module__}.{type(error).__qualname__}"
        parts.append("".join(["Traceback (most recent call last):\n", *format_tb(error.__traceback__), name]))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n\ncaused by\n\n".join(parts)


_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    structlog.processors.ExceptionRenderer(_traceback_without_messages),
]


def configure_logging(settings: Settings) -> None:
    """Send the events of the service and of the libraries to standard error, in one format."""
    level = logging.getLevelNamesMapping()["DEBUG" if settings.debug else settings.log_level]
    renderers = _renderers(settings)
    structlog.configure(
        processors=[*_SHARED, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(level, logging.INFO))  # debug messages of the libraries would show what clients send


def _renderers(settings: Settings) -> list[structlog.typing.Processor]:
    if settings.log_format == "json":
        return [_add_worker_pid, structlog.processors.JSONRenderer(serializer=_json)]
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), timestamp_key="time")]


def _add_worker_pid(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    event["worker_pid"] = os.getpid()
    return event


def _json(event: Any, **_options: Any) -> str:
    return orjson.dumps(event, default=str).decode()
