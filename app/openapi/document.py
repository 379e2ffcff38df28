"""The OpenAPI document: what FastAPI finds, the arguments that it does not, and the errors of any route."""

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
from app.openapi.static_content import StaticContent
from app.security.scopes import InsufficientScopeError
from app.security.tokens import InvalidTokenError, TokenExpiredError

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
    "exports": "Download tracked time, or the whole account, as a file.",
    "imports": "Import files of other programs, and undo an import.",
    "users": "Register, and manage your account.",
    "auth": "Sign in and out, refresh sessions, and manage API tokens.",
    "config": "What a client needs to know before signing in. No token is required.",
    "health": "Health checks for probes. No token is required.",
}
BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API token from POST /auth/api-tokens, or the access token of a session.",
}

_OF_FASTAPI = "Successful Response"

Endpoint = Callable[..., Any]


def install_openapi(app: FastAPI, *, root_path: str, prefix: str, problem: Any) -> None:
    """Serves the document at /openapi.json. It is made when it is first asked for, and kept as bytes, compressed too.

    Below `root_path` the paths of the document are found, and `problem` is the shape of an error.
    """

    @cache
    def written() -> bytes:
        return orjson.dumps(_document(app, root_path, prefix, problem))

    @cache
    def content() -> StaticContent:
        return StaticContent.of(written(), "application/json")

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi_json(request: Request) -> Response:
        return content().answer(request)

    # FastAPI's documented way to extend it.
    app.openapi = lambda: orjson.loads(written())  # type: ignore[method-assign]


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
        _describe_the_path(operation)
        for argument in _arguments(endpoint):
            argument.describe(operation, components["schemas"])
        _add_errors(operation)
        add_headers(operation)
        _set_security(operation)
    components["headers"] = HEADERS
    components["securitySchemes"]["Password"]["flows"]["password"]["tokenUrl"] = f"{root_path}{prefix}/auth/token"
    components["securitySchemes"]["Bearer"] = BEARER
    components["schemas"].update(response_schemas(problem))
    _add_answers(app, components["schemas"])
    _drop_the_unused(document)
    _describe_successes(document)
    return document


def _operations(app: FastAPI, document: dict[str, Any]) -> Iterator[tuple[Endpoint, Operation]]:
    for route in iter_route_contexts(app.routes):
        for method in route.methods or ():
            operation = document["paths"].get(route.path or "", {}).get(method.lower())
            if operation is not None and route.endpoint:
                yield route.endpoint, operation


def _arguments(endpoint: Endpoint) -> Iterator[Argument[Any]]:
    """What the endpoint takes that FastAPI cannot tell of."""
    for hint in get_type_hints(endpoint, include_extras=True).values():
        if get_origin(hint) is Annotated:
            for mark in get_args(hint)[1:]:
                if isinstance(mark, Depends) and isinstance(mark.dependency, Argument):
                    yield mark.dependency


def _add_answers(app: FastAPI, schemas: dict[str, Any]) -> None:
    """The answers once more: FastAPI drops every null of the document, and so those of the examples."""
    for route in iter_route_contexts(app.routes):
        if getattr(route, "response_model", None) is not None:
            schemas.update(response_schemas(route.response_model))


def _describe_successes(document: dict[str, Any]) -> None:
    """What an answer is called is what it holds; FastAPI calls each a Successful Response."""
    for operations in document["paths"].values():
        for operation in operations.values():
            for answer in operation["responses"].values():
                if answer["description"] == _OF_FASTAPI:
                    answer["description"] = _what_it_holds(answer, document["components"]["schemas"])


def _what_it_holds(answer: dict[str, Any], schemas: dict[str, Any]) -> str:
    if "content" not in answer:
        return "Success, without content"
    (content,) = answer["content"].values()
    described: str = schemas[content["schema"]["$ref"].rpartition("/")[2]]["description"]
    return described.partition("\n")[0].partition(". ")[0].removesuffix(".")


def _describe_the_path(operation: Operation) -> None:
    """Each part of a path is the id of what it is named after."""
    for parameter in operation.get("parameters", ()):
        thing = parameter["name"].removesuffix("_id").replace("_", " ")
        parameter["description"] = f"The id of the {thing}."
        del parameter["schema"]["title"]


def _set_security(operation: Operation) -> None:
    """Nothing for what is open to all. An API token needs one of the scopes, and is no use where there are none."""
    asked = operation.get("security", [])
    scopes = [scope for scheme in asked for scope in scheme["Password"]]
    if scopes:
        asked = [*({"Password": [scope]} for scope in scopes), {"Bearer": []}]
    operation["security"] = asked


def _drop_the_unused(document: dict[str, Any]) -> None:
    """Drops the schemas that nothing refers to: FastAPI's own idea of a 422."""
    schemas = document["components"]["schemas"]
    while unused := schemas.keys() - set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document))):
        for name in unused:
            del schemas[name]


def _add_errors(operation: Operation) -> None:
    """What any route of its kind may answer, beside what it declares itself."""
    common: list[type[ServiceError]] = []
    if "security" in operation:
        common += [AuthenticationError, InvalidTokenError, TokenExpiredError, InsufficientScopeError, RateLimitError]
    if "requestBody" in operation:
        common += [BodyTooLargeError, UnsupportedMediaTypeError]
    if common:
        common.append(DatabaseUnavailableError)
    for status, answer in problem_responses(*common, ValidationError).items():
        standing = operation["responses"].setdefault(str(status), answer)
        content = standing.setdefault("content", {})
        content.pop("application/json", None)  # FastAPI's own idea of a 422
        shown = content.setdefault(PROBLEM, answer["content"][PROBLEM])
        shown["examples"].update(answer["content"][PROBLEM]["examples"])
