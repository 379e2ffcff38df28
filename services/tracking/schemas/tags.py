"""The request and response models of tags."""

from typing import Annotated

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from services.common.values.fields import NextCursor, RequestModel, Tag


class TagRename(RequestModel):
    """A tag and its new name. If the new name exists, the two tags are merged."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"from": "mail", "to": "e-mail"}]})

    old: Tag = Field(alias="from")
    new: Tag = Field(alias="to")


@with_config(ConfigDict(extra="forbid"))
class TagRead(TypedDict):
    """A tag, with the number of tasks and time entries that have it. The trash is not counted."""

    name: str
    task_count: int
    entry_count: Annotated[int, Field(description="Includes the running entry.")]


@with_config(
    ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"items": [{"name": "e-mail", "task_count": 2, "entry_count": 31}], "next_cursor": None}]
        },
    )
)
class TagPage(TypedDict):
    """A page of tags."""

    items: list[TagRead]
    next_cursor: NextCursor


@with_config(ConfigDict(extra="forbid", json_schema_extra={"examples": [{"tasks": 2, "entries": 31}]}))
class TagRenameResult(TypedDict):
    """The number of tasks and time entries that were changed."""

    tasks: int
    entries: int
