"""Structured logs: one line an event, for people (console) or for programs (json)."""

import logging
import sys
from typing import Any

import orjson
import structlog

from app.config import Settings

_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


def configure_logging(settings: Settings) -> None:
    """Sends the service's own events and those of the libraries to standard error, in one form."""
    level = logging.getLevelNamesMapping()["DEBUG" if settings.debug else settings.log_level]
    renderer = _renderer(settings)
    structlog.configure(
        processors=[*_SHARED, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(level, logging.INFO))  # the libraries' own debugging would show what is sent


def _renderer(settings: Settings) -> structlog.typing.Processor:
    if settings.log_format == "json":
        return structlog.processors.JSONRenderer(serializer=_json)
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())


def _json(event: Any, **_options: Any) -> str:
    return orjson.dumps(event, default=str).decode()
