"""Imports of files from other programs."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.http.endpoint import Endpoint, Query
from app.http.json import json_response
from app.http.problems import problem_responses
from app.http.uploads import FormWithFile, Upload
from app.openapi.response_headers import header_references
from routes.dependencies import Page, Reader, Writer
from routes.responses import import_response
from services.transfer.import_service import ImportNotFoundError, ImportRunningError, import_service
from services.transfer.schemas.imports import ImportForm, ImportPage, ImportQuery, ImportRead, ImportUndoResult

LOCATION = {"headers": header_references("Location")}

router = APIRouter(route_class=Endpoint, prefix="/imports", tags=["imports"])


@router.get("", operation_id="list_imports", summary="List imports", response_model=ImportPage)
async def list_imports(user: Reader, query: Page) -> Response:
    """Newest first, each with its first errors."""
    return json_response(await import_service.list_imports(user, query=query))


@router.post(
    "",
    operation_id="import_file",
    summary="Import a file",
    status_code=201,
    response_model=ImportRead,
    responses={
        200: {"description": "A dry run. Nothing was written", "model": ImportRead},
        202: {"description": "Accepted. The import continues in the background", "model": ImportRead, **LOCATION},
        201: LOCATION,
    },
)
async def import_file(
    request: Request,
    user: Writer,
    query: Query[ImportQuery],
    upload: Annotated[Upload[ImportForm], Depends(FormWithFile(ImportForm))],
) -> Response:
    """Importing the same file again adds only what is new. Imports of a user run one at a time."""
    result = await import_service.import_file(
        user, file=upload.file, form=upload.fields, overlap=query.overlap, wait=query.wait
    )
    return import_response(result, location=request.scope["path"])


@router.get(
    "/{import_id}",
    operation_id="get_import",
    summary="Get an import",
    response_model=ImportRead,
    responses=problem_responses(ImportNotFoundError),
)
async def get_import(user: Reader, import_id: str) -> Response:
    """Its progress, what it created, and messages about its rows."""
    return json_response(await import_service.get(user, import_id=import_id))


@router.delete(
    "/{import_id}",
    operation_id="take_back_import",
    summary="Undo an import",
    response_model=ImportUndoResult,
    responses=problem_responses(ImportNotFoundError, ImportRunningError),
)
async def take_back_import(user: Writer, import_id: str) -> Response:
    """Removes what it created, except what was changed since. The import itself stays."""
    return json_response(await import_service.undo(user, import_id=import_id))
