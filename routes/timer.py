"""The timer of the user."""

from fastapi import APIRouter
from starlette.responses import Response

from app.errors import StaleVersionError
from app.http.endpoint import Endpoint, JsonBody, OptionalJsonBody
from app.http.problems import problem_responses
from routes.dependencies import (
    IDEMPOTENCY_ERRORS,
    IdempotencyKey,
    IfMatch,
    IfNoneMatch,
    NoBody,
    Overlap,
    TimerReader,
    TimerUser,
)
from routes.responses import NOT_MODIFIED, no_content, versioned_response
from services.tracking.rules.capacity import TaskFullError
from services.tracking.rules.errors import EntryNotFoundError
from services.tracking.rules.instants import InTheFutureError
from services.tracking.rules.overlap import OverlapError
from services.tracking.schemas.timer import (
    TimerRead,
    TimerStart,
    TimerStop,
    TimerStopResult,
    TimerSwitch,
    TimerSwitchResult,
    TimerUpdate,
    TimerWriteResult,
)
from services.tracking.switch import switch_service
from services.tracking.tasks import TaskNotFoundError
from services.tracking.timer import NoRunningTimerError, NothingToResumeError, TimerAlreadyRunningError, timer_service

router = APIRouter(route_class=Endpoint, prefix="/timer", tags=["timer"])


@router.get(
    "",
    operation_id="get_timer",
    summary="Get the running timer",
    response_model=TimerRead,
    responses={204: {"description": "No timer is running"}, **NOT_MODIFIED},
)
async def get_timer(user: TimerReader, if_none_match: IfNoneMatch) -> Response:
    """204 when no timer is running."""
    return versioned_response(await timer_service.get(user), if_none_match=if_none_match)


@router.post(
    "/start",
    operation_id="start_timer",
    summary="Start a timer",
    status_code=201,
    response_model=TimerWriteResult,
    responses={
        200: {"description": "The timer already runs on this task", "model": TimerWriteResult},
        **problem_responses(
            TaskNotFoundError,
            TimerAlreadyRunningError,
            TaskFullError,
            OverlapError,
            StaleVersionError,
            InTheFutureError,
            *IDEMPOTENCY_ERRORS,
        ),
    },
)
async def start_timer(
    user: TimerUser, new: JsonBody[TimerStart], query: Overlap, if_match: IfMatch, key: IdempotencyKey
) -> Response:
    """A user has at most one running timer. A pending or completed task becomes in_progress.

    With `title` instead of `task_id`, the task is created and started in one step: a refused request creates no task.
    An API token then also needs the scope `write`.
    """
    return versioned_response(
        await timer_service.start(user, new=new, overlap=query.overlap, if_match=if_match, request_key=key)
    )


@router.post(
    "/stop",
    operation_id="stop_timer",
    summary="Stop the timer",
    response_model=TimerStopResult,
    responses=problem_responses(
        NoRunningTimerError,
        EntryNotFoundError,
        TaskNotFoundError,
        StaleVersionError,
        InTheFutureError,
        *IDEMPOTENCY_ERRORS,
    ),
)
async def stop_timer(
    user: TimerUser, stop: OptionalJsonBody[TimerStop], query: Overlap, if_match: IfMatch, key: IdempotencyKey
) -> Response:
    """Never refused because of an overlap or a limit.

    With `entry_id` the request is idempotent: repeating it returns the same entry.
    """
    timer = await timer_service.stop(user, stop=stop, overlap=query.overlap, if_match=if_match, request_key=key)
    return versioned_response(timer)


@router.post(
    "/switch",
    operation_id="switch_timer",
    summary="Switch the timer to another task",
    response_model=TimerSwitchResult,
    responses=problem_responses(
        TaskNotFoundError, TaskFullError, StaleVersionError, InTheFutureError, *IDEMPOTENCY_ERRORS
    ),
)
async def switch_timer(
    user: TimerUser, to: JsonBody[TimerSwitch], query: Overlap, if_match: IfMatch, key: IdempotencyKey
) -> Response:
    """Atomic: one timer stops and the other starts at the same instant. With none running, it only starts one.

    With `title` instead of `task_id`, the task is created in the same step. An API token then also needs the scope
    `write`.
    """
    return versioned_response(
        await switch_service.switch(user, to=to, overlap=query.overlap, if_match=if_match, request_key=key)
    )


@router.patch(
    "",
    operation_id="correct_timer",
    summary="Update the running timer",
    response_model=TimerWriteResult,
    responses=problem_responses(NoRunningTimerError, OverlapError, StaleVersionError, InTheFutureError),
)
async def correct_timer(user: TimerUser, change: JsonBody[TimerUpdate], query: Overlap, if_match: IfMatch) -> Response:
    """JSON merge patch: fields that are not sent keep their values."""
    return versioned_response(await timer_service.update(user, change=change, overlap=query.overlap, if_match=if_match))


@router.delete(
    "",
    operation_id="discard_timer",
    summary="Discard the running timer",
    status_code=204,
    responses=problem_responses(NoRunningTimerError, StaleVersionError),
)
async def discard_timer(user: TimerUser, _query: Overlap, if_match: IfMatch) -> Response:
    """For 30 days, POST /time-entries/{entry_id}/restore brings back the time tracked so far."""
    await timer_service.discard(user, if_match=if_match)
    return no_content()


@router.post(
    "/resume",
    operation_id="resume_timer",
    summary="Resume the last timer",
    status_code=201,
    response_model=TimerWriteResult,
    responses={
        200: {"description": "The timer already runs on that task", "model": TimerWriteResult},
        **problem_responses(
            NothingToResumeError, TimerAlreadyRunningError, TaskFullError, StaleVersionError, *IDEMPOTENCY_ERRORS
        ),
    },
)
async def resume_timer(
    user: TimerUser, _body: NoBody, query: Overlap, if_match: IfMatch, key: IdempotencyKey
) -> Response:
    """Starts a timer on the most recently tracked task, with the note, tags and billable flag of its last entry."""
    return versioned_response(
        await timer_service.resume(user, overlap=query.overlap, if_match=if_match, request_key=key)
    )
