"""Structured logs, one line per event, for people (console) or for programs (json)."""

import logging
import os
import sys
from datetime import UTC, datetime
from traceback import format_tb
from typing import Any

import orjson
import structlog

from app.config import Settings
from app.request_context import current_request_fields


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


_render_exception = structlog.processors.ExceptionRenderer(_traceback_without_messages)


def configure_logging(settings: Settings) -> None:
    """Send the events of the service and of the libraries to standard error, in one format."""
    level = logging.getLevelNamesMapping()["DEBUG" if settings.debug else settings.log_level]
    is_json = settings.log_format == "json"
    structlog.configure(
        processors=[_to_json] if is_json else _console_processors(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=(
            structlog.BytesLoggerFactory(sys.stderr.buffer) if is_json else structlog.WriteLoggerFactory(sys.stderr)
        ),
        cache_logger_on_first_use=True,
    )
    remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[remove_meta, *([_to_json_text] if is_json else _console_processors())]
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(level, logging.INFO))  # debug messages of the libraries would show what clients send


def _to_json(logger: Any, method: str, event: structlog.typing.EventDict) -> bytes:
    """Return an event as one line of JSON, in one step: each request writes a line."""
    if "exc_info" in event:
        event = _render_exception(logger, method, event)
    line = {
        **current_request_fields(),
        **structlog.processors.add_log_level(logger, method, event),
        "time": datetime.now(UTC),
        "worker_pid": os.getpid(),
    }
    return orjson.dumps(line, default=str, option=orjson.OPT_UTC_Z)


def _to_json_text(logger: Any, method: str, event: structlog.typing.EventDict) -> str:
    return _to_json(logger, method, event).decode()


def _console_processors() -> list[structlog.typing.Processor]:
    return [
        _add_request,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _render_exception,
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), timestamp_key="time"),
    ]


def _add_request(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {**current_request_fields(), **event}
