"""The change feed."""

from fastapi import APIRouter
from starlette.responses import Response

from app.http.endpoint import Endpoint, Query
from app.http.json import json_response
from app.http.problems import problem_responses
from routes.dependencies import Reader, RecordedChanges
from services.feed.feed import ChangesDisabledError, ChangesExpiredError, feed_service
from services.feed.schemas import ChangePage, ChangeQuery

router = APIRouter(route_class=Endpoint, prefix="/changes", tags=["changes"])


@router.get(
    "",
    operation_id="list_changes",
    summary="List changes",
    response_model=ChangePage,
    responses=problem_responses(ChangesDisabledError, ChangesExpiredError),
)
async def list_changes(user: Reader, _recorded: RecordedChanges, query: Query[ChangeQuery]) -> Response:
    """Every change to your data, in order, without gaps. Changes are stored for CHANGES_KEEP_DAYS days.

    Begin with `after=0`, and continue with `last_seq` of the response. The response is 410 when changes after `after`
    are no longer stored: read everything again, and continue with the `last_seq` of that response.
    """
    return json_response(await feed_service.list_changes(user, query=query))
