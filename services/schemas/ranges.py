"""The stretch of time and the filters that reports and exports have in common."""

from pydantic import BaseModel, ConfigDict, Field

from documents.tasks import TaskStatus
from services.schemas.fields import Flag, Moment, ProjectFilter, Tag, TaskFilter, Zone


class FilterQuery(BaseModel):
    """Which entries, and whose days."""

    model_config = ConfigDict(extra="forbid")

    timezone: Zone | None = Field(default=None, description="Whose days these are; one's own when it is left out.")
    task_id: TaskFilter | None = None
    project_id: ProjectFilter | None = None
    tag: list[Tag] = Field(
        default=[], max_length=20, description="An entry's own or its task's. Given twice, it means either."
    )
    status: list[TaskStatus] = Field(
        default=[], max_length=20, description="Of the task, as it is now. Given twice, it means either."
    )
    billable: Flag | None = Field(default=None, description="Of the entry.")
    include_running: Flag = Field(default=False, description="Whether the running timer counts, up to now.")


class RangeQuery(FilterQuery):
    """Which entries, over which time."""

    from_: Moment = Field(alias="from", description="An instant, or a day in `timezone`: then its first instant.")
    to: Moment = Field(description="As `from`, and not part of it.")
