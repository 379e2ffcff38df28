"""What an hour of a billable entry costs: it takes its project's rate when it ends, and keeps it."""

from bson import ObjectId

from documents.base import Row
from documents.projects import Project


async def hourly_rate_for(user_id: ObjectId, project_id: ObjectId | None, billable: bool) -> Row | None:
    """The project's present rate for a billable entry; None for any other, and where there is no project or rate."""
    if not billable or project_id is None:
        return None
    project = await Project.find_live(user_id, project_id)
    return None if project is None else project["hourly_rate"]
