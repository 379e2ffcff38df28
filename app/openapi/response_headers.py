"""Response headers of the OpenAPI document: their descriptions, and which responses have them."""

from typing import Any

from app.http.endpoint import Operation

HEADERS: dict[str, dict[str, Any]] = {
    "Content-Disposition": {
        "description": "Suggested file name.",
        "schema": {"type": "string", "examples": ['attachment; filename="time-entries.csv"']},
    },
    "ETag": {
        "description": "Validator (If-Match, If-None-Match): the version of the task, or a hash of the report or "
        "of the calendar. Only that of a calendar is weak.",
        "schema": {"type": "string", "examples": ['"3"']},
    },
    "Idempotency-Replayed": {
        "description": "true when this is the stored response to an earlier request with the same Idempotency-Key.",
        "schema": {"type": "string", "const": "true"},
    },
    "Location": {
        "description": "Path of the created resource.",
        "schema": {"type": "string", "format": "uri-reference", "examples": ["/api/v1/tasks/6920a3f1c2d4e5f607182930"]},
    },
    "RateLimit-Limit": {"description": "Number of requests that the limit allows.", "schema": {"type": "integer"}},
    "RateLimit-Remaining": {"description": "Number of requests left.", "schema": {"type": "integer"}},
    "RateLimit-Reset": {"description": "Seconds until the limit resets.", "schema": {"type": "integer"}},
    "Retry-After": {"description": "Seconds to wait before retrying.", "schema": {"type": "integer"}},
    "Set-Cookie": {
        "description": "The session cookie, for requests that use it.",
        "schema": {"type": "string", "examples": ["task_timer_session=...; Path=/api/v1/auth; HttpOnly"]},
    },
    "WWW-Authenticate": {
        "description": "Bearer challenge (RFC 6750 section 3).",
        "schema": {"type": "string", "examples": ['Bearer realm="Task Timer"']},
    },
    "X-Request-ID": {
        "description": "Id of the request in the log: the value sent in the same header, or a new one.",
        "schema": {"type": "string", "examples": ["5f0c7c1e9f0b4a1c8a53d7f4a86f0c11"]},
    },
}

EXPOSED_HEADERS = (*(name for name in HEADERS if name != "Set-Cookie"), "Allow", "Accept-Encoding")
"""The headers that pages of other origins may read. No script may read Set-Cookie (Fetch standard, section 2.2.2)."""

_HEADERS_BY_STATUS = {
    "401": ("WWW-Authenticate",),
    "403": ("WWW-Authenticate",),
    "429": ("Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
    "503": ("Retry-After",),
}
_STATUSES_WITH_ETAG = {"200", "201", "304"}
_REPLAYABLE_STATUSES = {"200", "201", "409"}


def header_references(*names: str) -> dict[str, dict[str, str]]:
    """Return the `headers` of a response that has the headers with these names."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def add_headers(operation: Operation) -> None:
    """Add the headers that follow from the status of each response and from the request headers of the operation.

    Other headers are declared by the route.
    """
    request_headers = {
        parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "header"
    }
    for status, response in operation["responses"].items():
        names = [*_HEADERS_BY_STATUS.get(status, ()), "X-Request-ID"]
        if status in _STATUSES_WITH_ETAG and request_headers & {"If-Match", "If-None-Match"}:
            names.append("ETag")
        if "Idempotency-Key" in request_headers and status in _REPLAYABLE_STATUSES:
            names.append("Idempotency-Replayed")
        response["headers"] = header_references(*sorted({*response.get("headers", ()), *names}))
