"""JSON responses from plain values, serialized by orjson."""

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
    """Return a response with this body as JSON."""
    return Response(_serialize(body), status, headers, media_type)


def _serialize(body: Any) -> bytes:
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:  # a total in a report can need more than 64 bits
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
