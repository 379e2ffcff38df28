"""JSON answers, written by orjson from plain values."""

import json
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response


def json_response(
    body: Any,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    media_type: str = "application/json",
) -> Response:
    """An answer with this body as JSON."""
    return Response(_written(body), status, headers, media_type)


def _written(body: Any) -> bytes:
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:  # what a report adds up may be a number of more than 64 bits
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
