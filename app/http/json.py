"""JSON responses from plain values, serialized by orjson."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from app.json_bytes import to_json


def json_response(
    body: Any,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    media_type: str = "application/json",
) -> Response:
    """Return a response with this body as JSON."""
    return Response(to_json(body), status, headers, media_type)
