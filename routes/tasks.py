"""Tasks, and bulk requests about them."""

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
    Reader,
    Writer,
)
from routes.responses import NOT_MODIFIED, header_responses, no_content, versioned_response, with_complete_problems
from services.tracking.bulk import bulk_service
from services.tracking.rules.transaction_sizes import BulkTooLargeError
from services.tracking.schemas.bulk import BulkRequest, BulkResponse
from services.tracking.schemas.tasks import (
    TaskCreate,
    TaskPage,
    TaskQuery,
    TaskRead,
    TaskUpdate,
    TaskWithEntries,
)
from services.tracking.tasks import TaskNotFoundError, task_service

router = APIRouter(route_class=Endpoint, prefix="/tasks", tags=["tasks"])


@router.get("", operation_id="list_tasks", summary="List tasks", response_model=TaskPage)
async def list_tasks(user: Reader, query: Query[TaskQuery]) -> Response:
    """Tasks without their time entries. Pages stay stable while tasks are added."""
    return json_response(await task_service.list_tasks(user, query=query))


@router.post(
    "",
    operation_id="create_task",
    summary="Create a task",
    status_code=201,
    response_model=TaskRead,
    responses={**header_responses(201, "ETag", "Location"), **problem_responses(*IDEMPOTENCY_ERRORS)},
)
async def create_task(request: Request, user: Writer, new: JsonBody[TaskCreate], key: IdempotencyKey) -> Response:
    """Only the title is required."""
    return versioned_response(await task_service.create(user, new=new, request_key=key), location=request.scope["path"])


@router.post(
    "/bulk",
    operation_id="change_tasks",
    summary="Create, update and delete tasks in bulk",
    response_model=BulkResponse,
    responses=problem_responses(TaskNotFoundError, BulkTooLargeError, *IDEMPOTENCY_ERRORS),
)
async def change_tasks(
    request: Request, user: Writer, bulk: JsonBody[BulkRequest], query: Overlap, key: IdempotencyKey
) -> Response:
    """Each operation succeeds or fails on its own.

    With `atomic` the first failure undoes all of them, and is the response, with its `failed_index`.
    """
    results = await bulk_service.run(user, bulk=bulk, overlap=query.overlap, request_key=key)
    return versioned_response(with_complete_problems(request, results))


@router.get(
    "/{task_id}",
    operation_id="get_task",
    summary="Get a task",
    response_model=TaskWithEntries,
    responses={**NOT_MODIFIED, **problem_responses(TaskNotFoundError)},
)
async def get_task(user: Reader, task_id: str, if_none_match: IfNoneMatch) -> Response:
    """Includes the newest 100 of its time entries, newest first."""
    return versioned_response(await task_service.get(user, task_id=task_id), if_none_match=if_none_match)


@router.patch(
    "/{task_id}",
    operation_id="change_task",
    summary="Update a task",
    response_model=TaskRead,
    responses=problem_responses(TaskNotFoundError, StaleVersionError),
)
async def change_task(user: Writer, task_id: str, change: JsonBody[TaskUpdate], if_match: IfMatch) -> Response:
    """JSON merge patch: fields that are not sent keep their values.

    Completing the task, or setting it to pending, stops its timer.
    """
    return versioned_response(await task_service.update(user, task_id=task_id, change=change, if_match=if_match))


@router.delete(
    "/{task_id}",
    operation_id="trash_task",
    summary="Move a task to the trash",
    status_code=204,
    responses=problem_responses(TaskNotFoundError, StaleVersionError),
)
async def trash_task(user: Writer, task_id: str, if_match: IfMatch) -> Response:
    """Stops its timer. Its time is not deleted, and counts again when the task is restored."""
    await task_service.trash(user, task_id=task_id, if_match=if_match)
    return no_content()


@router.post(
    "/{task_id}/restore",
    operation_id="restore_task",
    summary="Restore a task from the trash",
    response_model=TaskRead,
    responses=problem_responses(TaskNotFoundError, StaleVersionError, *IDEMPOTENCY_ERRORS),
)
async def restore_task(user: Writer, task_id: str, _body: NoBody, if_match: IfMatch, key: IdempotencyKey) -> Response:
    """A task that is not in the trash is returned unchanged."""
    return versioned_response(await task_service.restore(user, task_id=task_id, if_match=if_match, request_key=key))
