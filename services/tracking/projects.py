"""The service of projects."""

from typing import Any

from bson import ObjectId

from app.clock import naive_utc, utc_now
from app.errors import ConflictError, FieldError, NotFoundError, ValidationError
from documents.accounts.users import User
from documents.common.base import DuplicateError, Row, object_id, require_object_id
from documents.tracking.projects import Project
from documents.tracking.tasks import Task
from services.common.acting_user import ActingUser
from services.common.concurrency import retry_on_conflict, retry_transaction
from services.common.cursors import Position, cursor_scope, decode_cursor, page_of
from services.common.idempotency import Attempt, RequestKey, run_once
from services.common.values.versions import Versioned
from services.tracking.project_membership import remove_from_project
from services.tracking.rules.changes import project_changed, project_deleted
from services.tracking.rules.rates import rerate_project
from services.tracking.schemas.projects import (
    ProjectCreate,
    ProjectPage,
    ProjectQuery,
    ProjectRead,
    ProjectUpdate,
    ProjectUpdateResult,
    read_project,
)

_RATE_KEYS = {"amount", "currency"}


class ProjectNotFoundError(NotFoundError):
    """The project does not exist, or belongs to another user."""

    code = "project_not_found"
    detail = "There is no such project."


class ProjectNameTakenError(ConflictError):
    """Another project of the user has this name."""

    code = "project_name_taken"
    detail = "A project with this name already exists."


def require_project_id(text: str) -> ObjectId:
    """Parse the id of a project. Raises ProjectNotFoundError when the text is not an id."""
    return require_object_id(text, ProjectNotFoundError)


def require_project(project: Row | None) -> Row:
    """Return the project. Raises ProjectNotFoundError when it is None."""
    if project is None:
        raise ProjectNotFoundError
    return project


async def require_referenced_project(user: ActingUser, text: str) -> Row:
    """Return the user's project with this id, archived or not. Raises ValidationError for `project_id`."""
    project_id = object_id(text)
    project = None if project_id is None else await Project.find_live(user.id, project_id)
    if project is None:
        raise ValidationError(errors=(FieldError("is not the id of one of your projects", pointer="#/project_id"),))
    return project


class ProjectService:
    """The projects of the acting user. The projects of other users are not found."""

    async def create(self, user: ActingUser, *, new: ProjectCreate, request_key: RequestKey | None) -> Versioned:
        """Create a project. Raises ProjectNameTakenError."""

        async def run_attempt(attempt: Attempt) -> Versioned:
            existing = await Project.find_live(user.id, attempt.new_id()) if attempt.is_retry else None
            if existing is not None:
                return Versioned(read_project(existing), None, created=True)
            try:
                new_project = Project.new(user.id, attempt.new_id(), new.model_dump())
                project = await new_project.add_with_changes(project_changed("project.created"))
            except DuplicateError as error:
                raise ProjectNameTakenError from error
            return Versioned(read_project(project), None, created=True)

        return await run_once(user, request_key, run_attempt)

    async def list_projects(self, user: ActingUser, *, query: ProjectQuery) -> ProjectPage:
        """Return a page of the user's projects, sorted by name. Raises InvalidCursorError."""
        scope = cursor_scope("projects", user.id, query)
        after = None if query.cursor is None else decode_cursor(query.cursor, scope=scope).value
        condition: Row = {}
        if query.archived is not None:
            condition["archived_at"] = {"$type": "date"} if query.archived else None
        rows = await Project.find_page(user.id, condition, after=after, limit=query.limit + 1)
        items, next_cursor = page_of(
            rows, limit=query.limit, position=lambda project: Position(project["name"]), scope=scope
        )
        return {"items": [read_project(project) for project in items], "next_cursor": next_cursor}

    async def get(self, user: ActingUser, *, project_id: str) -> ProjectRead:
        """Return the project, archived or not. Raises ProjectNotFoundError."""
        return read_project(require_project(await Project.find_live(user.id, require_project_id(project_id))))

    async def update(self, user: ActingUser, *, project_id: str, change: ProjectUpdate, rerate: bool) -> ProjectRead:
        """Update the fields that were sent. The hourly rate is merged key by key.

        With `rerate`, the ended billable entries of its tasks get the rate as well, and the response has
        the number of changed entries. Raises ProjectNotFoundError, ProjectNameTakenError, or
        ValidationError for an incomplete rate when the project has none.
        """
        parsed_id, fields = require_project_id(project_id), change.model_dump(exclude_unset=True)

        async def try_update() -> Row | None:
            project = require_project(await Project.find_live(user.id, parsed_id))
            values = _new_values(project, fields)
            if not values:
                return project
            try:
                return await Project.update_if_unchanged(project, values, project_changed("project.updated"))
            except DuplicateError as error:
                raise ProjectNameTakenError from error

        updated = read_project(await retry_on_conflict(user.id, try_update))
        if not rerate:
            return updated
        result: ProjectUpdateResult = {**updated, "rerated_entries": await rerate_project(user.id, parsed_id)}
        return result

    async def delete(self, user: ActingUser, *, project_id: str) -> None:
        """Delete the project. Its tasks keep their time and no longer belong to it. Raises ProjectNotFoundError.

        The project is hidden at once. An interrupted deletion is completed by the next request to delete
        it, or when the service starts.
        """
        parsed_id = require_project_id(project_id)
        if not await Project.begin_deletion(user.id, parsed_id, project_deleted):
            raise ProjectNotFoundError
        await self.finish_deletion(user.id, parsed_id)

    async def finish_deletions(self) -> None:
        """Complete the deletions, of all users, that a crash or a database outage interrupted."""
        for project in await Project.find_being_deleted():
            await self.finish_deletion(project["user_id"], project["_id"])

    async def finish_deletion(self, user_id: ObjectId, project_id: ObjectId) -> None:
        """Complete the deletion of a project that has begun."""
        while tasks := await Task.find_ids_in_project(user_id, project_id):
            for task_id in tasks:
                await remove_from_project(user_id, task_id, project_id)

        async def end_deletion() -> bool:
            await Project.move_outbox(user_id, project_id, User)
            await Project.end_deletion(user_id, project_id)
            return True

        await retry_transaction(user_id, end_deletion)


def _new_values(project: Row, fields: dict[str, Any]) -> Row:
    """Return the stored fields to set. The hourly rate is merged with the current one."""
    values = dict(fields)
    if "archived" in values:
        archived = values.pop("archived")
        if archived != bool(project["archived_at"]):  # an archived project keeps its archived_at
            values["archived_at"] = naive_utc(utc_now()) if archived else None
    rate = values.get("hourly_rate")
    if rate is not None and rate.keys() != _RATE_KEYS:
        _require_existing_rate(project, rate)
        values["hourly_rate"] = {**project["hourly_rate"], **rate}
    return {name: value for name, value in values.items() if rate != {} or name != "hourly_rate"}


def _require_existing_rate(project: Row, rate: Row) -> None:
    if project["hourly_rate"] is None:
        detail = "is required, because the project has no rate yet"
        missing = sorted(_RATE_KEYS - rate.keys())
        raise ValidationError(errors=tuple(FieldError(detail, pointer=f"#/hourly_rate/{part}") for part in missing))


project_service = ProjectService()
