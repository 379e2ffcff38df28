"""Time entries."""

from fastapi import APIRouter
from starlette.responses import Response

from app.problems import problems
from routes.answers import versioned
from routes.dependencies import CurrentUser, IfNoneMatch
from routes.endpoints import Endpoint
from services.entry_errors import EntryNotFoundError
from services.schemas.entries import EntryRead
from services.tasks import TaskNotFoundError
from services.time_entries import time_entry_service

router = APIRouter(route_class=Endpoint, prefix="/tasks/{task_id}/time-entries", tags=["time entries"])


@router.get(
    "/{entry_id}",
    operation_id="get_time_entry",
    summary="Read a time entry",
    response_model=EntryRead,
    responses={
        304: {"description": "If-None-Match names this version"},
        **problems(TaskNotFoundError, EntryNotFoundError),
    },
)
async def get_time_entry(user: CurrentUser, task_id: str, entry_id: str, if_none_match: IfNoneMatch) -> Response:
    """Ended or running. Its version is that of its task."""
    entry = await time_entry_service.get(user, task_id=task_id, entry_id=entry_id)
    return versioned(entry, unless=if_none_match)
