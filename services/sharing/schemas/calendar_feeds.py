"""The request and response models of calendar feeds."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, with_config
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from app.clock import rfc3339
from documents.sharing.calendar_feeds import MAX_DAYS_BACK
from services.common.values.fields import Id, NextCursor, ProjectFilter, RequestModel, Tag, Timestamp
from services.common.values.texts import Text, normalize_line

_EXAMPLE: JsonDict = {
    "name": "Customer work",
    "days_back": 90,
    "include_running": False,
    "project_id": "6920a3f1c2d4e5f607182940",
    "tag": None,
    "billable": True,
}
_READ_EXAMPLE: JsonDict = {
    "id": "6920a3f1c2d4e5f607182980",
    **_EXAMPLE,
    "created_at": "2026-11-18T08:59:02.345Z",
}
_URL_EXAMPLE = "https://time.example.com/api/v1/calendar/5d1e3f49680c7a.....ics"

FeedName = Annotated[str, Text(normalize_line, 100, min_length=1)]


class CalendarFeedCreate(RequestModel):
    """A calendar feed to create."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: FeedName = Field(description="Also the name of the calendar.")
    days_back: int = Field(
        default=90,
        ge=1,
        le=MAX_DAYS_BACK,
        description="The feed begins with the first instant of the day that is this many days before today.",
    )
    include_running: bool = Field(default=False, description="Whether to include the running timer, up to now.")
    project_id: ProjectFilter | None = None
    tag: Tag | None = Field(default=None, description="A tag of the entry or of its task.")
    billable: bool | None = Field(default=None, description="Whether the entry is billable.")


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [_READ_EXAMPLE]}))
class CalendarFeedRead(TypedDict):
    """A calendar feed, without its secret."""

    id: Id
    name: str
    days_back: int
    include_running: bool
    project_id: Annotated[str | None, Field(description="The id of a project, or none for entries without a project.")]
    tag: str | None
    billable: bool | None
    created_at: Timestamp


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [{**_READ_EXAMPLE, "url": _URL_EXAMPLE}]}))
class CalendarFeedCreated(CalendarFeedRead):
    """A new calendar feed with its URL, which is not shown again."""

    url: str


@with_config(
    ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_READ_EXAMPLE], "next_cursor": None}]})
)
class CalendarFeedPage(TypedDict):
    """A page of calendar feeds."""

    items: list[CalendarFeedRead]
    next_cursor: NextCursor


def read_calendar_feed(feed: dict[str, Any]) -> CalendarFeedRead:
    """Return the response model of a stored feed."""
    return {
        "id": str(feed["_id"]),
        "name": feed["name"],
        "days_back": feed["days_back"],
        "include_running": feed["include_running"],
        "project_id": feed["project_id"],
        "tag": feed["tag"],
        "billable": feed["billable"],
        "created_at": rfc3339(feed["created_at"]),
    }
