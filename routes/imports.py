"""Imports: files of other programs, read in."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.json import json_response
from app.openapi_headers import header_references
from app.problems import problems
from app.uploads import FormWithFile, Upload
from routes.answers import imported
from routes.dependencies import ImportOptions, Page, Reader, Writer
from routes.endpoints import Endpoint
from services.imports import ImportNotFoundError, ImportRunningError, import_service
from services.schemas.imports import ImportForm, ImportPage, ImportRead, ImportUndoResult

LOCATED = {"headers": header_references("Location")}

router = APIRouter(route_class=Endpoint, prefix="/imports", tags=["imports"])


@router.get("", operation_id="list_imports", summary="List imports", response_model=ImportPage)
async def list_imports(user: Reader, query: Page) -> Response:
    """The newest first, each with the first of its errors."""
    return json_response(await import_service.page(user, query=query))


@router.post(
    "",
    operation_id="import_file",
    summary="Read in a file",
    status_code=201,
    response_model=ImportRead,
    responses={
        200: {"description": "A dry run: nothing was written", "model": ImportRead},
        202: {"description": "It goes on by itself: follow it at its address", "model": ImportRead, **LOCATED},
        201: LOCATED,
    },
)
async def import_file(
    request: Request,
    user: Writer,
    sent: ImportOptions,
    upload: Annotated[Upload[ImportForm], Depends(FormWithFile(ImportForm))],
) -> Response:
    """The same file again adds nothing, also when it has grown. One import at a time: another one is waited for."""
    made = await import_service.run(user, file=upload.file, asked=upload.fields, overlap=sent.overlap, wait=sent.wait)
    return imported(made, location=request.url.path)


@router.get(
    "/{import_id}",
    operation_id="get_import",
    summary="Read an import",
    response_model=ImportRead,
    responses=problems(ImportNotFoundError),
)
async def get_import(user: Reader, import_id: str) -> Response:
    """What it has made, and what there was to say of its rows."""
    return json_response(await import_service.get(user, import_id=import_id))


@router.delete(
    "/{import_id}",
    operation_id="take_back_import",
    summary="Take an import back",
    response_model=ImportUndoResult,
    responses=problems(ImportNotFoundError, ImportRunningError),
)
async def take_back_import(user: Writer, import_id: str) -> Response:
    """What it made and nobody has changed since is gone then; the import itself is kept, and says so."""
    return json_response(await import_service.take_back(user, import_id=import_id))
