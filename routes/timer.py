"""The timer."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from app.errors import StaleVersionError
from app.http.endpoint import Endpoint, JsonBody
from app.http.problems import problem_responses
from routes.dependencies import RETRY_ERRORS, IdempotencyKey, IfMatch, IfNoneMatch, Overlap, TimerReader, TimerUser
from routes.responses import versioned
from services.common.values.fields import EmptyBody
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
    responses={
        204: {"description": "No timer is running"},
        304: {"description": "If-None-Match names this version"},
    },
)
async def get_timer(user: TimerReader, if_none_match: IfNoneMatch) -> Response:
    """204 when no timer is running."""
    return versioned(await timer_service.get(user), unless=if_none_match)


@router.post(
    "/start",
    operation_id="start_timer",
    summary="Start a timer",
    status_code=201,
    response_model=TimerWriteResult,
    responses={
        200: {"description": "It runs on this task already", "model": TimerWriteResult},
        **problem_responses(
            TaskNotFoundError,
            TimerAlreadyRunningError,
            TaskFullError,
            OverlapError,
            StaleVersionError,
            InTheFutureError,
            *RETRY_ERRORS,
        ),
    },
)
async def start_timer(
    user: TimerUser,
    new: Annotated[TimerStart, Depends(JsonBody(TimerStart))],
    sent: Overlap,
    if_match: IfMatch,
    key: IdempotencyKey,
) -> Response:
    """A user has at most one running timer. A pending or completed task becomes in_progress."""
    return versioned(await timer_service.start(user, new=new, overlap=sent.overlap, if_match=if_match, request_key=key))


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
        *RETRY_ERRORS,
    ),
)
async def stop_timer(
    user: TimerUser,
    stop: Annotated[TimerStop, Depends(JsonBody(TimerStop, optional=True))],
    sent: Overlap,
    if_match: IfMatch,
    key: IdempotencyKey,
) -> Response:
    """Never refused because of an overlap or a limit.

    With `entry_id` the request is idempotent: repeating it returns the same entry.
    """
    return versioned(
        await timer_service.stop(user, stop=stop, overlap=sent.overlap, if_match=if_match, request_key=key)
    )


@router.post(
    "/switch",
    operation_id="switch_timer",
    summary="Switch the timer to another task",
    response_model=TimerSwitchResult,
    responses=problem_responses(
        TaskNotFoundError,
        TaskFullError,
        StaleVersionError,
        InTheFutureError,
        *RETRY_ERRORS,
    ),
)
async def switch_timer(
    user: TimerUser,
    to: Annotated[TimerSwitch, Depends(JsonBody(TimerSwitch))],
    sent: Overlap,
    if_match: IfMatch,
    key: IdempotencyKey,
) -> Response:
    """Atomic: one timer stops and the other starts at the same instant. With none running, it only starts one."""
    return versioned(await switch_service.switch(user, to=to, overlap=sent.overlap, if_match=if_match, request_key=key))


@router.patch(
    "",
    operation_id="correct_timer",
    summary="Update the running timer",
    response_model=TimerWriteResult,
    responses=problem_responses(NoRunningTimerError, OverlapError, StaleVersionError, InTheFutureError),
)
async def correct_timer(
    user: TimerUser,
    change: Annotated[TimerUpdate, Depends(JsonBody(TimerUpdate))],
    sent: Overlap,
    if_match: IfMatch,
) -> Response:
    """JSON merge patch: fields that are not sent keep their values."""
    return versioned(await timer_service.update(user, change=change, overlap=sent.overlap, if_match=if_match))


@router.delete(
    "",
    operation_id="discard_timer",
    summary="Discard the running timer",
    status_code=204,
    responses=problem_responses(NoRunningTimerError, StaleVersionError),
)
async def discard_timer(user: TimerUser, sent: Overlap, if_match: IfMatch) -> Response:  # noqa: ARG001 -- one rule for all writes
    """For 30 days, POST /time-entries/{entry_id}/restore brings back the time tracked so far."""
    await timer_service.discard(user, if_match=if_match)
    return versioned(None)


@router.post(
    "/resume",
    operation_id="resume_timer",
    summary="Resume the last timer",
    status_code=201,
    response_model=TimerWriteResult,
    responses={
        200: {"description": "It runs on that task already", "model": TimerWriteResult},
        **problem_responses(
            NothingToResumeError, TimerAlreadyRunningError, TaskFullError, StaleVersionError, *RETRY_ERRORS
        ),
    },
)
async def resume_timer(
    user: TimerUser,
    body: Annotated[EmptyBody, Depends(JsonBody(EmptyBody, optional=True))],  # noqa: ARG001 -- it may say nothing
    sent: Overlap,
    if_match: IfMatch,
    key: IdempotencyKey,
) -> Response:
    """Starts a timer on the most recently tracked task, with the note, tags and billable flag of its last entry."""
    return versioned(await timer_service.resume(user, overlap=sent.overlap, if_match=if_match, request_key=key))
