"""The query parameters of the event stream."""

from pydantic import BaseModel, ConfigDict, Field

from services.feed.schemas import Seq, TypeFilter


class EventQuery(BaseModel):
    """The query parameters of the event stream."""

    model_config = ConfigDict(extra="forbid")

    after: Seq | None = Field(
        default=None,
        description="The `seq` of the last change that the client has. Default: begin with the next change.",
    )
    type: TypeFilter = Field(default=[], description="Repeat the parameter to match any of several.")
