"""Answers about things that have a version, and answers that are files."""

from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from app.http.json import json_response
from app.http.problems import request_members
from app.http.streaming import StreamedResponse
from app.openapi.response_headers import header_references
from services.common.values.versions import VersionCondition, Versioned
from services.transfer.exports import ExportFile
from services.transfer.schemas.imports import ImportRead


def versioned(
    answer: Versioned | None, *, unless: VersionCondition | None = None, location: str | None = None
) -> Response:
    """The answer with its ETag: 201 for what was made, 304 for what If-None-Match names, 204 for nothing."""
    if answer is None:
        return Response(status_code=204)
    headers = {} if answer.version is None else {"ETag": f'"{answer.version}"'}
    if unless is not None and answer.version is not None and unless.matches(answer.version):
        return Response(status_code=304, headers=headers)
    if answer.replayed:
        headers["Idempotency-Replayed"] = "true"
    if location is not None:
        headers["Location"] = f"{location}/{answer.body['id']}"
    return json_response(answer.body, status=201 if answer.created else 200, headers=headers)


def imported(answer: ImportRead, *, location: str) -> Response:
    """The answer about an import: with its address 201, or 202 for one that runs; 200 for a dry run, which has none."""
    if answer["dry_run"]:
        return json_response(answer)
    status = 202 if answer["status"] == "running" else 201
    return json_response(answer, status=status, headers={"Location": f"{location}/{answer['id']}"})


def with_whole_problems(request: Request, answer: Versioned) -> Versioned:
    """The answer to a bulk request, each problem in it with what it says of the request."""
    told = request_members(request)
    results = [
        {**result, "problem": {**result["problem"], **told}} if "problem" in result else result
        for result in answer.body["results"]
    ]
    return replace(answer, body={"results": results})


def with_headers(status: int, *names: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route whose answer of this status has these headers."""
    return {status: {"headers": header_references(*names)}}


def streamed(file: ExportFile) -> Response:
    """The file, to be kept under its name, sent while it is made."""
    headers = {
        "Content-Type": file.media_type,
        "Content-Disposition": f'attachment; filename="{file.name}"',
        "Cache-Control": "no-store",
    }
    return StreamedResponse(file.contents, headers=headers)
