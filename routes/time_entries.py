"""Time entries: of one task below /tasks/{task_id}, of all tasks below /time-entries."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.errors import StaleVersionError
from app.http.endpoint import Endpoint, JsonBody, Query
from app.http.json import json_response
from app.http.problems import problem_responses
from routes.dependencies import (
    IDEMPOTENCY_ERRORS,
    IdempotencyKey,
    IfMatch,
    IfNoneMatch,
    NoBody,
    Overlap,
    Page,
    Reader,
    Writer,
)
from routes.responses import NOT_MODIFIED, header_responses, no_content, versioned_response
from services.tracking.rules.capacity import TaskFullError
from services.tracking.rules.errors import EntryNotFoundError
from services.tracking.rules.instants import InTheFutureError
from services.tracking.rules.overlap import OverlapError
from services.tracking.schemas.entries import EntryPage, EntryQuery, EntryRead, EntryWithTaskPage
from services.tracking.schemas.entry_changes import (
    EntryCreate,
    EntryMove,
    EntrySplit,
    EntrySplitResult,
    EntryUpdate,
    EntryWriteResult,
)
from services.tracking.tasks import TaskNotFoundError
from services.tracking.time_entries import TimerRunningError, time_entry_service

router = APIRouter(route_class=Endpoint, prefix="/tasks/{task_id}/time-entries", tags=["time entries"])
across_tasks = APIRouter(route_class=Endpoint, prefix="/time-entries", tags=["time entries"])

ENTRY_NOT_FOUND = (TaskNotFoundError, EntryNotFoundError)
ENDED_ENTRY_ERRORS = (*ENTRY_NOT_FOUND, TimerRunningError)
"""The errors of a write that needs an ended entry."""
ENTRY_WRITE_ERRORS = (TaskFullError, OverlapError, StaleVersionError)
"""The errors of every write that adds or changes tracked time."""


@across_tasks.get(
    "",
    operation_id="list_time_entries",
    summary="List the time entries of all tasks",
    response_model=EntryWithTaskPage,
)
async def list_time_entries(user: Reader, query: Query[EntryQuery]) -> Response:
    """Entries that intersect [from, to), including the running one. Tasks in the trash are left out."""
    return json_response(await time_entry_service.list_entries(user, query=query))


@router.get(
    "",
    operation_id="list_time_entries_of_task",
    summary="List the time entries of a task",
    response_model=EntryPage,
    responses=problem_responses(TaskNotFoundError),
)
async def list_time_entries_of_task(user: Reader, task_id: str, query: Page) -> Response:
    """Newest first, including the running one."""
    return json_response(await time_entry_service.list_task_entries(user, task_id=task_id, query=query))


@router.get(
    "/{entry_id}",
    operation_id="get_time_entry",
    summary="Get a time entry",
    response_model=EntryRead,
    responses={**NOT_MODIFIED, **problem_responses(*ENTRY_NOT_FOUND)},
)
async def get_time_entry(user: Reader, task_id: str, entry_id: str, if_none_match: IfNoneMatch) -> Response:
    """Ended or running. Its ETag is the version of its task."""
    entry = await time_entry_service.get(user, task_id=task_id, entry_id=entry_id)
    return versioned_response(entry, if_none_match=if_none_match)


@router.post(
    "",
    operation_id="create_time_entry",
    summary="Create a time entry",
    status_code=201,
    response_model=EntryWriteResult,
    responses={
        **header_responses(201, "Location"),
        **problem_responses(TaskNotFoundError, *ENTRY_WRITE_ERRORS, InTheFutureError, *IDEMPOTENCY_ERRORS),
    },
)
async def create_time_entry(
    request: Request,
    user: Writer,
    task_id: str,
    new: JsonBody[EntryCreate],
    query: Overlap,
    if_match: IfMatch,
    key: IdempotencyKey,
) -> Response:
    """Adds time manually: a start, and either an end or a duration."""
    entry = await time_entry_service.create(
        user, task_id=task_id, new=new, overlap=query.overlap, if_match=if_match, request_key=key
    )
    return versioned_response(entry, location=request.scope["path"])


@router.patch(
    "/{entry_id}",
    operation_id="change_time_entry",
    summary="Update a time entry",
    response_model=EntryWriteResult,
    responses=problem_responses(*ENDED_ENTRY_ERRORS, *ENTRY_WRITE_ERRORS, InTheFutureError),
)
async def change_time_entry(
    user: Writer, task_id: str, entry_id: str, change: JsonBody[EntryUpdate], query: Overlap, if_match: IfMatch
) -> Response:
    """JSON merge patch: fields that are not sent keep their values. `needs_review: false` marks it as reviewed."""
    entry = await time_entry_service.update(
        user, task_id=task_id, entry_id=entry_id, change=change, overlap=query.overlap, if_match=if_match
    )
    return versioned_response(entry)


@router.delete(
    "/{entry_id}",
    operation_id="delete_time_entry",
    summary="Delete a time entry",
    status_code=204,
    responses=problem_responses(*ENDED_ENTRY_ERRORS, StaleVersionError),
)
async def delete_time_entry(user: Writer, task_id: str, entry_id: str, _query: Overlap, if_match: IfMatch) -> Response:
    """POST /time-entries/{entry_id}/restore brings it back, for 30 days."""
    await time_entry_service.delete(user, task_id=task_id, entry_id=entry_id, if_match=if_match)
    return no_content()


@router.post(
    "/{entry_id}/split",
    operation_id="split_time_entry",
    summary="Split a time entry",
    response_model=EntrySplitResult,
    responses=problem_responses(*ENDED_ENTRY_ERRORS, *ENTRY_WRITE_ERRORS, *IDEMPOTENCY_ERRORS),
)
async def split_time_entry(
    user: Writer,
    task_id: str,
    entry_id: str,
    split: JsonBody[EntrySplit],
    query: Overlap,
    if_match: IfMatch,
    key: IdempotencyKey,
) -> Response:
    """Splits it in two at an instant. The first part keeps the id, the second gets a new one."""
    parts = await time_entry_service.split(
        user, task_id=task_id, entry_id=entry_id, split=split, overlap=query.overlap, if_match=if_match, request_key=key
    )
    return versioned_response(parts)


@router.post(
    "/{entry_id}/move",
    operation_id="move_time_entry",
    summary="Move a time entry to another task",
    response_model=EntryWriteResult,
    responses=problem_responses(*ENDED_ENTRY_ERRORS, *ENTRY_WRITE_ERRORS, *IDEMPOTENCY_ERRORS),
)
async def move_time_entry(
    user: Writer,
    task_id: str,
    entry_id: str,
    move: JsonBody[EntryMove],
    query: Overlap,
    if_match: IfMatch,
    key: IdempotencyKey,
) -> Response:
    """Atomic. The entry keeps its id and all its fields."""
    entry = await time_entry_service.move(
        user, task_id=task_id, entry_id=entry_id, move=move, overlap=query.overlap, if_match=if_match, request_key=key
    )
    return versioned_response(entry)


@across_tasks.post(
    "/{entry_id}/restore",
    operation_id="restore_time_entry",
    summary="Restore a deleted time entry",
    response_model=EntryWriteResult,
    responses=problem_responses(EntryNotFoundError, TaskNotFoundError, *ENTRY_WRITE_ERRORS, *IDEMPOTENCY_ERRORS),
)
async def restore_time_entry(
    user: Writer, entry_id: str, _body: NoBody, query: Overlap, if_match: IfMatch, key: IdempotencyKey
) -> Response:
    """A discarded timer is restored as an ended entry. An entry that is not deleted is returned unchanged."""
    entry = await time_entry_service.restore(
        user, entry_id=entry_id, overlap=query.overlap, if_match=if_match, request_key=key
    )
    return versioned_response(entry)
