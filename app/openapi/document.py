"""The OpenAPI document: FastAPI's own, with the endpoint arguments that FastAPI does not know and common errors."""

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import orjson
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.params import Depends
from fastapi.routing import iter_route_contexts
from starlette.requests import Request
from starlette.responses import Response

from app.errors import (
    AuthenticationError,
    BodyTooLargeError,
    DatabaseUnavailableError,
    RateLimitError,
    ServiceError,
    UnsupportedMediaTypeError,
    ValidationError,
)
from app.http.endpoint import Argument, Operation
from app.http.json_schema import response_schemas
from app.http.problems import PROBLEM, problem_responses
from app.openapi.response_headers import HEADERS, add_headers
from app.security.scopes import InsufficientScopeError
from app.security.tokens import InvalidTokenError, TokenExpiredError
from app.static.content import StaticContent

DESCRIPTION = """\
Tasks and time tracking. Click **Authorize** to sign in: with *Password* (the user name is the e-mail address), or with
*Bearer* and an API token.

Instants are RFC 3339 (`Z` in responses, any offset in requests), durations are whole seconds, ids are strings.
Responses about a task, a time entry or the timer have the version of the task as their `ETag`. Send it as `If-Match`
to detect concurrent changes, or as `If-None-Match` to avoid reading what you have.
A PATCH is a JSON merge patch (RFC 7396); its content type may also be `application/merge-patch+json`.
Every error is a problem document (RFC 9457), and its `code` identifies the kind of error.
"""
# The second media type of a PATCH is not in its requestBody: generators produce wrong code for a body with two of them.

LICENSE = {"name": "MIT", "identifier": "MIT"}
TAGS = {
    "tasks": "Create, search, update and delete tasks. Deleted tasks go to the trash and can be restored.",
    "timer": "Start, stop, switch, update and resume the timer. A user has at most one running timer.",
    "time entries": "Create, update, split, move, delete and restore tracked time.",
    "projects": "Group tasks by project, with a client and an hourly rate.",
    "tags": "List and rename the tags of tasks and time entries.",
    "reports": "Totals of tracked time and money.",
    "changes": "Follow the changes to your data.",
    "exports": "Download tracked time, or the whole account, as a file.",
    "sharing": "Calendars and reports for people and programs without an account.",
    "imports": "Import files of other programs, and undo an import.",
    "webhooks": "Send changes to other programs, and see whether they arrived.",
    "users": "Register, and manage your account.",
    "auth": "Sign in and out, and manage sessions and API tokens.",
    "config": "What a client needs to know before signing in. No token is required.",
    "health": "Health checks for probes. No token is required.",
}
BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API token from POST /auth/api-tokens, or the access token of a session.",
}

_DEFAULT_DESCRIPTION = "Successful Response"

Endpoint = Callable[..., Any]


def install_openapi(app: FastAPI, *, root_path: str, prefix: str, problem: Any) -> None:
    """Serve the document at /openapi.json. It is created and compressed at the first request.

    `root_path` is the URL of the server in the document, and `problem` is the type of an error response.
    """

    @cache
    def serialized() -> bytes:
        return orjson.dumps(_document(app, root_path, prefix, problem))

    @cache
    def content() -> StaticContent:
        return StaticContent.create(serialized(), "application/json")

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi_json(request: Request) -> Response:
        return content().response(request)

    # FastAPI's documented way to customize the document.
    app.openapi = lambda: orjson.loads(serialized())  # type: ignore[method-assign]


def _document(app: FastAPI, root_path: str, prefix: str, problem: Any) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=DESCRIPTION,
        license_info=LICENSE,
        servers=[{"url": root_path or "/"}],
        tags=[{"name": name, "description": description} for name, description in TAGS.items()],
        routes=app.routes,
    )
    components = document["components"]
    for endpoint, operation in _operations(app, document):
        _describe_path(operation)
        for argument in _arguments(endpoint):
            argument.describe(operation, components["schemas"])
        _add_errors(operation)
        add_headers(operation)
        _set_security(operation)
    components["headers"] = HEADERS
    components["securitySchemes"]["Password"]["flows"]["password"]["tokenUrl"] = f"{root_path}{prefix}/auth/token"
    components["securitySchemes"]["Bearer"] = BEARER
    components["schemas"].update(response_schemas(problem))
    _add_response_schemas(app, components["schemas"])
    _drop_unused_schemas(document)
    _describe_successes(document)
    return document


def _operations(app: FastAPI, document: dict[str, Any]) -> Iterator[tuple[Endpoint, Operation]]:
    for route in iter_route_contexts(app.routes):
        for method in route.methods or ():
            operation = document["paths"].get(route.path or "", {}).get(method.lower())
            if operation is not None and route.endpoint:
                yield route.endpoint, operation


def _arguments(endpoint: Endpoint) -> Iterator[Argument[Any]]:
    """Yield the arguments of the endpoint that FastAPI cannot describe."""
    for hint in get_type_hints(endpoint, include_extras=True).values():
        if get_origin(hint) is Annotated:
            for mark in get_args(hint)[1:]:
                if isinstance(mark, Depends) and isinstance(mark.dependency, Argument):
                    yield mark.dependency


def _add_response_schemas(app: FastAPI, schemas: dict[str, Any]) -> None:
    """Replace the schemas of responses. FastAPI drops every null in the document, also those in examples."""
    for route in iter_route_contexts(app.routes):
        if getattr(route, "response_model", None) is not None:
            schemas.update(response_schemas(route.response_model))


def _describe_successes(document: dict[str, Any]) -> None:
    """Describe each successful response by its content. FastAPI's description is always the same."""
    for operations in document["paths"].values():
        for operation in operations.values():
            for response in operation["responses"].values():
                if response["description"] == _DEFAULT_DESCRIPTION:
                    response["description"] = _content_description(response, document["components"]["schemas"])


def _content_description(response: dict[str, Any], schemas: dict[str, Any]) -> str:
    if "content" not in response:
        return "Success, without content"
    (content,) = response["content"].values()
    description: str = schemas[content["schema"]["$ref"].rpartition("/")[2]]["description"]
    return description.partition("\n")[0].partition(". ")[0].removesuffix(".")


def _describe_path(operation: Operation) -> None:
    """Describe the path parameters: each is a secret, or the id of the resource after which it is named."""
    for parameter in operation.get("parameters", ()):
        resource = parameter["name"].removesuffix("_id").replace("_", " ")
        parameter["description"] = "The secret of the URL." if resource == "secret" else f"The id of the {resource}."
        del parameter["schema"]["title"]


def _set_security(operation: Operation) -> None:
    """Set how a request authenticates. An API token needs one of the scopes; without scopes it is not accepted."""
    schemes = operation.get("security", [])
    scopes = [scope for scheme in schemes for scope in scheme["Password"]]
    if scopes:
        schemes = [*({"Password": [scope]} for scope in scopes), {"Bearer": []}]
    operation["security"] = schemes


def _drop_unused_schemas(document: dict[str, Any]) -> None:
    """Remove the schemas that nothing refers to, which are those of FastAPI's own 422."""
    schemas = document["components"]["schemas"]
    while unused := schemas.keys() - set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document))):
        for name in unused:
            del schemas[name]


def _add_errors(operation: Operation) -> None:
    """Add the errors that follow from the kind of the operation to those that its route declares."""
    common: list[type[ServiceError]] = []
    if "security" in operation:
        common += [AuthenticationError, InvalidTokenError, TokenExpiredError, InsufficientScopeError, RateLimitError]
    if "requestBody" in operation:
        common += [BodyTooLargeError, UnsupportedMediaTypeError]
    if common:
        common.append(DatabaseUnavailableError)
    for status, response in problem_responses(*common, ValidationError).items():
        existing = operation["responses"].setdefault(str(status), response)
        content = existing.setdefault("content", {})
        content.pop("application/json", None)  # FastAPI's own 422
        documented = content.setdefault(PROBLEM, response["content"][PROBLEM])
        documented["examples"].update(response["content"][PROBLEM]["examples"])
