"""Tags of tasks and time entries."""

from fastapi import APIRouter
from starlette.responses import Response

from app.http.endpoint import Endpoint, JsonBody
from app.http.json import json_response
from app.http.problems import problem_responses
from routes.dependencies import IDEMPOTENCY_ERRORS, IdempotencyKey, Page, Reader, Writer
from routes.responses import versioned_response
from services.tracking.schemas.tags import TagPage, TagRename, TagRenameResult
from services.tracking.tags import tag_service

router = APIRouter(route_class=Endpoint, prefix="/tags", tags=["tags"])


@router.get("", operation_id="list_tags", summary="List tags", response_model=TagPage)
async def list_tags(user: Reader, query: Page) -> Response:
    """Sorted by name, each with the number of tasks and time entries that have it."""
    return json_response(await tag_service.list_tags(user, query=query))


@router.post(
    "/rename",
    operation_id="rename_tag",
    summary="Rename a tag",
    response_model=TagRenameResult,
    responses=problem_responses(*IDEMPOTENCY_ERRORS),
)
async def rename_tag(user: Writer, rename: JsonBody[TagRename], key: IdempotencyKey) -> Response:
    """Renames it in all tasks and entries, including the trash and the running timer.

    If the new name exists, the two tags are merged.
    """
    return versioned_response(await tag_service.rename(user, rename=rename, request_key=key))
