"""The responses of the routes, and their descriptions for the OpenAPI document."""

import hashlib
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from app.http.json import json_response
from app.http.problems import request_members
from app.http.streaming import StreamedResponse
from app.openapi.response_headers import header_references
from services.common.values.versions import VersionCondition, Versioned
from services.sharing.calendar_feeds import CalendarFile
from services.transfer.exports import ExportFile
from services.transfer.schemas.imports import ImportRead

Responses = dict[int | str, dict[str, Any]]
"""The `responses` of a route, by status."""

PUBLIC_CACHE_CONTROL = "private, max-age=300"
"""For what is read with a secret instead of a token: a client may reuse it for five minutes."""

NOT_MODIFIED: Responses = {304: {"description": "If-None-Match names this version"}}


def no_content() -> Response:
    """Return a response without a body: 204."""
    return Response(status_code=204)


def versioned_response(
    result: Versioned | None, *, if_none_match: VersionCondition | None = None, location: str | None = None
) -> Response:
    """Return the result with its ETag: 200, or 201 if it was created; 304 if If-None-Match names its version.

    None is 204. `location` is the path of the collection that the result was created in.
    """
    if result is None:
        return no_content()
    headers = {} if result.version is None else {"ETag": f'"{result.version}"'}
    if if_none_match is not None and result.version is not None and if_none_match.matches(result.version):
        return Response(status_code=304, headers=headers)
    if result.replayed:
        headers["Idempotency-Replayed"] = "true"
    if location is not None:
        headers["Location"] = f"{location}/{result.body['id']}"
    return json_response(result.body, status=201 if result.created else 200, headers=headers)


def secret_response(result: Versioned, *, location: str | None = None) -> Response:
    """Return a result that contains a secret, so that no cache may store it."""
    response = versioned_response(result, location=location)
    response.headers["Cache-Control"] = "no-store"
    return response


def accepted_response(result: Versioned) -> Response:
    """Return a result whose work is not done yet: 202."""
    response = versioned_response(result)
    response.status_code = HTTPStatus.ACCEPTED
    return response


def public_response(
    contents: bytes, *, if_none_match: VersionCondition | None, media_type: str = "application/json"
) -> Response:
    """Return contents that were read with a secret instead of a token: 304 if If-None-Match names their hash."""
    version = hashlib.sha256(contents).hexdigest()[:32]
    headers = {"ETag": f'"{version}"', "Cache-Control": PUBLIC_CACHE_CONTROL}
    if if_none_match is not None and if_none_match.matches(version):
        return Response(status_code=304, headers=headers)
    return Response(contents, headers=headers, media_type=media_type)


def import_response(result: ImportRead, *, location: str) -> Response:
    """Return an import with its Location: 201 if it has ended, 202 if it is running. A dry run is 200."""
    if result["dry_run"]:
        return json_response(result)
    status = 202 if result["status"] == "running" else 201
    return json_response(result, status=status, headers={"Location": f"{location}/{result['id']}"})


def file_response(file: ExportFile) -> Response:
    """Stream a file as an attachment."""
    headers = {
        "Content-Type": file.media_type,
        "Content-Disposition": f'attachment; filename="{file.name}"',
        "Cache-Control": "no-store",
    }
    return StreamedResponse(file.contents, headers=headers)


def calendar_response(calendar: CalendarFile, *, if_none_match: VersionCondition | None) -> Response:
    """Stream a calendar: 304 if If-None-Match names its version.

    The version is weak, because the contents may contain changes that were made after it was computed.
    """
    headers = {"ETag": f'W/"{calendar.version}"', "Cache-Control": PUBLIC_CACHE_CONTROL}
    if if_none_match is not None and if_none_match.matches(calendar.version):
        return Response(status_code=304, headers=headers)
    headers["Content-Type"] = calendar.media_type
    headers["Content-Disposition"] = 'inline; filename="task-timer.ics"'  # the path would give the secret as the name
    return StreamedResponse(calendar.contents, headers=headers)


def with_complete_problems(request: Request, result: Versioned) -> Versioned:
    """Add the members that describe the request to each problem in the result of a bulk request."""
    members = request_members(request)
    results = [
        {**item, "problem": {**item["problem"], **members}} if "problem" in item else item
        for item in result.body["results"]
    ]
    return replace(result, body={"results": results})


def header_responses(status: int, *names: str) -> Responses:
    """Describe the headers of the response with this status."""
    return {status: {"headers": header_references(*names)}}


def file_responses(media_type: str, *, example: str, description: str) -> Responses:
    """Describe the response of a route that returns a file. Only `text/*` is text; other media types are binary."""
    schema: dict[str, Any] = {"type": "string", "examples": [example]}
    if not media_type.startswith("text/"):
        schema["format"] = "binary"
    headers = header_references("Content-Disposition")
    return {200: {"description": description, "content": {media_type: {"schema": schema}}, "headers": headers}}
