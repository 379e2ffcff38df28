"""Error responses: application/problem+json (RFC 9457), in one form for all errors."""

from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.routing import iter_route_contexts
from pymongo.errors import PyMongoError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.database.client import is_unavailable
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
from app.security.bearer_secrets import mask_path_secrets
from app.validation_errors import PATH_SAFE_CHARACTERS

PROBLEM = "application/problem+json"
RETRY_AFTER_SECONDS = "1"

log = structlog.get_logger()


def problem(request: Request, error: ServiceError) -> Response:
    """Return the response to a request that failed with this error. The request log shows the code of the error."""
    request.scope["error_code"] = error.code
    body = {**problem_members(error), **request_members(request)}
    return json_response(body, status=error.status, headers={**_headers(error), **error.headers}, media_type=PROBLEM)


def request_members(request: Request) -> dict[str, str]:
    """Return the members of a problem that identify its request, without the secrets in its path."""
    path = mask_path_secrets(request.scope["path"])
    return {
        "instance": "/" + quote(path.lstrip("/"), safe=PATH_SAFE_CHARACTERS),
        "request_id": request.scope.get("request_id", ""),
    }


def _headers(error: ServiceError) -> dict[str, str]:
    if isinstance(error, AuthenticationError):
        # RFC 6750 section 3.1: no error code if the request has no token.
        has_token = type(error) is not AuthenticationError
        parameters = f', error="invalid_token", error_description="{error}"' if has_token else ""
        return {"WWW-Authenticate": f'Bearer realm="Task Timer"{parameters}'}
    return {"Retry-After": RETRY_AFTER_SECONDS} if error.status == HTTPStatus.SERVICE_UNAVAILABLE else {}


HANDLED_ERRORS = (ServiceError, HTTPException, PyMongoError)
"""The errors that `error_response` handles."""


def error_response(request: Request, error: Exception) -> Response:
    """Return the response to one of HANDLED_ERRORS. Raises the error if the client must not see it."""
    if isinstance(error, ServiceError):
        return problem(request, error)
    if isinstance(error, HTTPException):
        return problem(request, _routing_error(request, error))
    if not is_unavailable(error):
        raise error
    log.warning("database_unavailable", error=type(error).__name__)
    return problem(request, DatabaseUnavailableError())


def _routing_error(request: Request, error: HTTPException) -> ServiceError:
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return MethodNotAllowedError(headers={"Allow": ", ".join(_allowed_methods(request))})
    return NotFoundError()


def _allowed_methods(request: Request) -> list[str]:
    """Return all methods of the requested path, with HEAD for every GET.

    Starlette's router names only those of the first route.
    """
    routes = [
        route
        for route in iter_route_contexts(request.app.routes)
        if route.path_regex and route.path_regex.match(own_path(request.scope))
    ]
    methods = {method for route in routes for method in route.methods or ()}
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)


def install_error_handlers(app: FastAPI) -> None:
    """Respond to every error with a problem. The middleware Dispatcher handles unexpected exceptions."""

    async def handle(request: Request, error: Exception) -> Response:
        return error_response(request, error)

    for error_class in HANDLED_ERRORS:
        app.add_exception_handler(error_class, handle)


def problem_responses(*errors: type[ServiceError]) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that can fail with these errors, for the OpenAPI document."""
    responses: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        response = responses.setdefault(
            error.status,
            {
                "description": error.title,
                "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}},
            },
        )
        response["content"][PROBLEM]["examples"][error.code] = {"value": _example(error)}
    return responses


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
