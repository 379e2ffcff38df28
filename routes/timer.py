"""The timer."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from app.arguments import JsonBody
from app.errors import StaleVersionError
from app.problems import problems
from routes.answers import versioned
from routes.dependencies import CurrentUser, IfMatch, IfNoneMatch
from routes.endpoints import Endpoint
from services.entry_errors import EntryNotFoundError
from services.schemas.timer import StoppedRead, TimerCorrection, TimerRead, TimerStart, TimerStop
from services.tasks import TaskNotFoundError
from services.timer import (
    InTheFutureError,
    NoRunningTimerError,
    NothingToResumeError,
    TaskFullError,
    TimerAlreadyRunningError,
    timer_service,
)

router = APIRouter(route_class=Endpoint, prefix="/timer", tags=["timer"])


@router.get(
    "",
    operation_id="get_timer",
    summary="Read the running timer",
    response_model=TimerRead,
    responses={
        204: {"description": "No timer is running"},
        304: {"description": "If-None-Match names this version"},
    },
)
async def get_timer(user: CurrentUser, if_none_match: IfNoneMatch) -> Response:
    """204 when none runs."""
    return versioned(await timer_service.current(user), unless=if_none_match)


@router.post(
    "/start",
    operation_id="start_timer",
    summary="Start a timer",
    status_code=201,
    response_model=TimerRead,
    responses={
        200: {"description": "It runs on this task already", "model": TimerRead},
        **problems(
            TaskNotFoundError,
            TimerAlreadyRunningError,
            TaskFullError,
            StaleVersionError,
            InTheFutureError,
        ),
    },
)
async def start_timer(
    user: CurrentUser, new: Annotated[TimerStart, Depends(JsonBody(TimerStart))], if_match: IfMatch
) -> Response:
    """At most one timer runs for a user. A pending or completed task becomes in_progress."""
    return versioned(await timer_service.start(user, new=new, if_match=if_match))


@router.post(
    "/stop",
    operation_id="stop_timer",
    summary="Stop the timer",
    response_model=StoppedRead,
    responses=problems(
        NoRunningTimerError,
        EntryNotFoundError,
        TaskNotFoundError,
        StaleVersionError,
        InTheFutureError,
    ),
)
async def stop_timer(
    user: CurrentUser,
    stop: Annotated[TimerStop, Depends(JsonBody(TimerStop, optional=True))],
    if_match: IfMatch,
) -> Response:
    """No rule can refuse it. With `entry_id` it may be sent again and again, and answers the same entry."""
    return versioned(await timer_service.stop(user, stop=stop, if_match=if_match))


@router.patch(
    "",
    operation_id="correct_timer",
    summary="Correct the running timer",
    response_model=TimerRead,
    responses=problems(NoRunningTimerError, StaleVersionError, InTheFutureError),
)
async def correct_timer(
    user: CurrentUser,
    if_match: IfMatch,
    change: Annotated[TimerCorrection, Depends(JsonBody(TimerCorrection))],
) -> Response:
    """A JSON merge patch of its start, note, tags and billing: what is not sent stays."""
    return versioned(await timer_service.correct(user, change=change, if_match=if_match))


@router.post(
    "/resume",
    operation_id="resume_timer",
    summary="Start the timer again",
    status_code=201,
    response_model=TimerRead,
    responses={
        200: {"description": "It runs on that task already", "model": TimerRead},
        **problems(NothingToResumeError, TimerAlreadyRunningError, TaskFullError),
    },
)
async def resume_timer(user: CurrentUser) -> Response:
    """On the task that was tracked last, with the note, the tags and the billing of its last entry."""
    return versioned(await timer_service.resume(user))
