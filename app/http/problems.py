"""Errors as answers: application/problem+json (RFC 9457), one shape for all of them."""

from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.routing import iter_route_contexts
from pymongo.errors import ConnectionFailure, PyMongoError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.errors import (
    AuthenticationError,
    DatabaseUnavailableError,
    MethodNotAllowedError,
    NotFoundError,
    ServiceError,
    problem_members,
)
from app.http.json import json_response
from app.http.root_path import own_path
from app.validation_errors import PATH_SAFE_CHARACTERS

PROBLEM = "application/problem+json"
RETRY_AFTER_SECONDS = "1"

log = structlog.get_logger()


def problem(request: Request, error: ServiceError) -> Response:
    """The answer to a request that ended with this error, whose code the log of the request tells."""
    request.scope["error_code"] = error.code
    body = {**problem_members(error), **request_members(request)}
    return json_response(body, status=error.status, headers={**_headers(error), **error.headers}, media_type=PROBLEM)


def request_members(request: Request) -> dict[str, str]:
    """The members of a problem that tell of its request."""
    return {
        "instance": "/" + quote(request.scope["path"].lstrip("/"), safe=PATH_SAFE_CHARACTERS),
        "request_id": request.scope.get("request_id", ""),
    }


def _headers(error: ServiceError) -> dict[str, str]:
    if isinstance(error, AuthenticationError):
        # RFC 6750 section 3.1: no error code when no token was sent at all.
        said = "" if type(error) is AuthenticationError else f', error="invalid_token", error_description="{error}"'
        return {"WWW-Authenticate": f'Bearer realm="Task Timer"{said}'}
    return {"Retry-After": RETRY_AFTER_SECONDS} if error.status == HTTPStatus.SERVICE_UNAVAILABLE else {}


async def _service_error(request: Request, error: ServiceError) -> Response:
    return problem(request, error)


async def _http_error(request: Request, error: HTTPException) -> Response:
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return problem(request, MethodNotAllowedError(headers={"Allow": ", ".join(_methods_here(request))}))
    return problem(request, NotFoundError())


def _methods_here(request: Request) -> list[str]:
    """Every method of this address; the router itself names those of the first route alone."""
    here = [
        route
        for route in iter_route_contexts(request.app.routes)
        if route.path_regex and route.path_regex.match(own_path(request.scope))
    ]
    return sorted({method for route in here for method in route.methods or ()})


async def _database_error(request: Request, error: PyMongoError) -> Response:
    if not isinstance(error, ConnectionFailure) and not error.timeout:
        raise error
    log.warning("database_unavailable", error=type(error).__name__)
    return problem(request, DatabaseUnavailableError())


def install_error_handlers(app: FastAPI) -> None:
    """Makes every error of this application a problem. A crash is answered by the CrashGuard middleware."""
    app.exception_handler(ServiceError)(_service_error)
    app.exception_handler(HTTPException)(_http_error)
    app.exception_handler(PyMongoError)(_database_error)


def problem_responses(*errors: type[ServiceError]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may end with these errors."""
    answers: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        answer = answers.setdefault(
            error.status,
            {
                "description": error.title,
                "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}},
            },
        )
        answer["content"][PROBLEM]["examples"][error.code] = {"value": _example(error)}
    return answers


def _example(error: type[ServiceError]) -> dict[str, Any]:
    return {
        "type": "about:blank",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": "/api/v1/...",
        "code": error.code,
        "request_id": "5f0c7c1e9f0b4a1c8a53d7f4a86f0c11",
    }
