"""Calendar feeds, and the calendars that programs read with the secret of a feed. Only sessions manage feeds."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.errors import DatabaseUnavailableError, RateLimitError
from app.http.endpoint import Endpoint, JsonBody
from app.http.json import json_response
from app.http.problems import problem_responses
from routes.dependencies import IDEMPOTENCY_ERRORS, ApiUrl, IdempotencyKey, IfNoneMatch, Page, PublicRead, SessionUser
from routes.responses import (
    NOT_MODIFIED,
    calendar_response,
    file_responses,
    header_responses,
    no_content,
    secret_response,
)
from services.sharing.calendar_feeds import CalendarFeedNotFoundError, TooManyCalendarFeedsError, calendar_feed_service
from services.sharing.schemas.calendar_feeds import CalendarFeedCreate, CalendarFeedCreated, CalendarFeedPage

router = APIRouter(route_class=Endpoint, prefix="/calendar-feeds", tags=["sharing"])
public = APIRouter(route_class=Endpoint, prefix="/calendar", tags=["sharing"], default_response_class=Response)


@router.get("", operation_id="list_calendar_feeds", summary="List calendar feeds", response_model=CalendarFeedPage)
async def list_calendar_feeds(user: SessionUser, query: Page) -> Response:
    """Newest first, without their secrets."""
    return json_response(await calendar_feed_service.list_feeds(user, query=query))


@router.post(
    "",
    operation_id="create_calendar_feed",
    summary="Create a calendar feed",
    status_code=201,
    response_model=CalendarFeedCreated,
    responses={
        **problem_responses(TooManyCalendarFeedsError, *IDEMPOTENCY_ERRORS),
        **header_responses(201, "Location"),
    },
)
async def create_calendar_feed(
    request: Request, user: SessionUser, api_url: ApiUrl, new: JsonBody[CalendarFeedCreate], key: IdempotencyKey
) -> Response:
    """Calendar programs subscribe to the `url`. It is shown only in this response, and needs no token."""
    feed = await calendar_feed_service.create(user, new=new, api_url=api_url, request_key=key)
    return secret_response(feed, location=request.scope["path"])


@router.delete(
    "/{feed_id}",
    operation_id="revoke_calendar_feed",
    summary="Revoke a calendar feed",
    status_code=204,
    responses=problem_responses(CalendarFeedNotFoundError),
)
async def revoke_calendar_feed(user: SessionUser, feed_id: str) -> Response:
    """Its URL is 404 at once."""
    await calendar_feed_service.revoke(user, feed_id=feed_id)
    return no_content()


@public.get(
    "/{secret}.ics",
    operation_id="get_calendar",
    summary="Get the calendar of a feed",
    responses={
        **file_responses("text/calendar", example="BEGIN:VCALENDAR...", description="One event per entry"),
        **NOT_MODIFIED,
        **problem_responses(CalendarFeedNotFoundError, RateLimitError, DatabaseUnavailableError),
    },
)
async def get_calendar(_admitted: PublicRead, secret: str, if_none_match: IfNoneMatch) -> Response:
    """The entries of the last days as events, like the ICS export. Poll it with If-None-Match."""
    return calendar_response(await calendar_feed_service.read(secret=secret), if_none_match=if_none_match)
