"""JSON answers, written by orjson from plain values."""

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
    return Response(orjson.dumps(body), status, headers, media_type)
