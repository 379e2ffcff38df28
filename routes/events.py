"""Live events: the changes to the data of a user, as they happen."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from app.errors import FieldError, ValidationError
from app.http.endpoint import Argument, Endpoint, Operation, Query
from app.http.event_stream import MEDIA_TYPE, EventStreamResponse
from app.http.problems import problem_responses
from routes.dependencies import LastingToken, Reader, RecordedChanges, Streams
from routes.responses import Responses
from services.feed.event_query import EventQuery
from services.feed.feed import ChangesDisabledError
from services.feed.schemas import MAX_SEQ
from services.feed.stream_slots import TooManyStreamsError

EXAMPLE = """retry: 2000
id: 41

id: 42
event: timer.stopped
data: {"id":"6920a3f1c2d4e5f607182940","seq":42,"type":"timer.stopped","occurred_at":"2026-11-18T10:00:00Z",...}

:
"""

router = APIRouter(route_class=Endpoint, tags=["changes"], default_response_class=Response)


class LastEventIdHeader(Argument[int | None]):
    """The header Last-Event-ID: the `seq` of the last change that the client has got.

    Raises ValidationError if it is not one integer from 0.
    """

    name = "Last-Event-ID"

    async def __call__(self, request: Request) -> int | None:
        """Return the seq in the header, or None without the header."""
        values = request.headers.getlist(self.name)
        if not values:
            return None
        if len(values) > 1 or not re.fullmatch(r"[0-9]{1,19}", values[0], re.ASCII) or int(values[0]) > MAX_SEQ:
            raise ValidationError(errors=(FieldError("is not the id of an event", header=self.name),))
        return int(values[0])

    def describe(self, operation: Operation, schemas: dict[str, Any]) -> None:  # noqa: ARG002 -- its schema is inline
        """Add a header parameter."""
        schema = {"type": "string", "pattern": "^[0-9]{1,16}$", "examples": ["42"]}
        description = "The `id` of the last event that the client has got. It takes precedence over `after`."
        header = {"name": self.name, "in": "header", "description": description, "schema": schema}
        operation.setdefault("parameters", []).append(header)


LastEventId = Annotated[int | None, Depends(LastEventIdHeader())]

EVENTS: Responses = {
    200: {
        "description": "Server-sent events, without end",
        "content": {MEDIA_TYPE: {"schema": {"type": "string", "examples": [EXAMPLE]}}},
    }
}


@router.get(
    "/events",
    operation_id="stream_events",
    summary="Follow the changes as they happen",
    responses={**EVENTS, **problem_responses(ChangesDisabledError, TooManyStreamsError)},
)
async def stream_events(
    user: Reader,
    _recorded: RecordedChanges,
    query: Query[EventQuery],
    last_event_id: LastEventId,
    token: LastingToken,
    streams: Streams,
) -> Response:
    """Each change is an event: its `seq` is the `id`, its type the `event`, and `data` is the change in one line.

    The stream begins after `Last-Event-ID` or `after`, else with the next change. If changes after that have expired,
    there is one event `reset` whose `id` is the newest `seq`: read everything again; the stream continues from there.
    A comment is sent every 15 seconds. The stream ends when the token ends.
    """
    return EventStreamResponse(await streams.open(user, token=token, query=query, last_event_id=last_event_id))
