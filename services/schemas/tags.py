"""Tags as requests name them and answers show them."""

from typing import Annotated

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from services.schemas.fields import Input, NextCursor, Tag


class TagRename(Input):
    """A tag, and what it is to be called. Where both stand already, one of the two stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"from": "mail", "to": "e-mail"}]})

    old: Tag = Field(alias="from")
    new: Tag = Field(alias="to")


@with_config(ConfigDict(extra="forbid"))
class TagRead(TypedDict):
    """A tag, with how many tasks and how many time entries have it themselves, the trash left out."""

    name: str
    task_count: int
    entry_count: Annotated[int, Field(description="The running one included.")]


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
    """How many tasks and how many entries have other tags of their own now."""

    tasks: int
    entries: int
