"""The time range and the filters that reports and exports share."""

from pydantic import BaseModel, ConfigDict, Field

from documents.tracking.tasks import TaskStatus
from services.common.values.fields import BooleanFlag, InstantOrDate, ProjectFilter, Tag, TaskFilter, Zone


class FilterQuery(BaseModel):
    """The filter parameters of reports and exports."""

    model_config = ConfigDict(extra="forbid")

    timezone: Zone | None = Field(default=None, description="IANA time zone of the days. Default: the user's.")
    task_id: TaskFilter | None = None
    project_id: ProjectFilter | None = None
    tag: list[Tag] = Field(
        default=[],
        max_length=20,
        description="A tag of the entry or of its task. Repeat it to match any of several.",
    )
    status: list[TaskStatus] = Field(
        default=[],
        max_length=20,
        description="Current status of the task. Repeat it to match any of several.",
    )
    billable: BooleanFlag | None = Field(default=None, description="Whether the entry is billable.")
    include_running: BooleanFlag = Field(default=False, description="Whether to include the running timer, up to now.")


class RangeQuery(FilterQuery):
    """The filter parameters with a required time range."""

    from_: InstantOrDate = Field(alias="from", description="Start, inclusive: an instant, or a date in `timezone`.")
    to: InstantOrDate = Field(description="End, exclusive: an instant, or a date in `timezone`.")
