"""Projects: making, listing, changing, archiving, deleting."""

from typing import Any

from bson import ObjectId

from app.clock import naive_utc, utc_now
from app.errors import ConflictError, FieldError, NotFoundError, ValidationError
from documents.common.base import DuplicateError, Row, object_id
from documents.tracking.projects import Project
from documents.tracking.tasks import Task
from services.common.acting_user import ActingUser
from services.common.concurrency import retry_on_conflict
from services.common.cursors import Position, cursor_scope, decode_cursor, page_of
from services.common.idempotency import Attempt, RequestKey, run_once
from services.common.values.versions import Versioned
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

_WHOLE_RATE = {"amount", "currency"}


class ProjectNotFoundError(NotFoundError):
    """There is no such project, or it is somebody else's."""

    code = "project_not_found"
    detail = "There is no such project."


class ProjectNameTakenError(ConflictError):
    """Another project of the user has this name."""

    code = "project_name_taken"
    detail = "There is a project with this name already."


def require_project_id(text: str) -> ObjectId:
    """The id of a project. Raises ProjectNotFoundError when it is no id at all."""
    project_id = object_id(text)
    if project_id is None:
        raise ProjectNotFoundError
    return project_id


def require_project(project: Row | None) -> Row:
    """The project that was read. Raises ProjectNotFoundError when there was none."""
    if project is None:
        raise ProjectNotFoundError
    return project


async def require_referenced_project(user: ActingUser, text: str) -> Row:
    """The user's project that a body's project_id names, archived or not. Raises ValidationError."""
    project_id = object_id(text)
    project = None if project_id is None else await Project.find_live(user.id, project_id)
    if project is None:
        raise ValidationError(errors=(FieldError("is not the id of one of your projects", pointer="#/project_id"),))
    return project


class ProjectService:
    """The projects of the acting user. Somebody else's are not found."""

    async def create(self, user: ActingUser, *, new: ProjectCreate, request_key: RequestKey | None) -> Versioned:
        """The new project. Raises ProjectNameTakenError."""

        async def do(work: Attempt) -> Versioned:
            made = await Project.find_live(user.id, work.new_id()) if work.is_retry else None
            if made is not None:
                return Versioned(read_project(made), None, created=True)
            try:
                project = await Project.new(user.id, work.new_id(), new.model_dump()).add()
            except DuplicateError as taken:
                raise ProjectNameTakenError from taken
            return Versioned(read_project(project), None, created=True)

        return await run_once(user, request_key, do)

    async def list_projects(self, user: ActingUser, *, query: ProjectQuery) -> ProjectPage:
        """A page of the user's projects, by name. Raises InvalidCursorError."""
        scope = cursor_scope("projects", user.id, query)
        after = None if query.cursor is None else decode_cursor(query.cursor, scope=scope).value
        narrow: Row = {} if query.archived is None else {"archived_at": {"$type": "date"} if query.archived else None}
        found = await Project.find_page(user.id, narrow, after=after, limit=query.limit + 1)
        items, next_cursor = page_of(
            found, limit=query.limit, position=lambda project: Position(project["name"]), scope=scope
        )
        return {"items": [read_project(project) for project in items], "next_cursor": next_cursor}

    async def get(self, user: ActingUser, *, project_id: str) -> ProjectRead:
        """The project, archived or not. Raises ProjectNotFoundError."""
        return read_project(require_project(await Project.find_live(user.id, require_project_id(project_id))))

    async def update(self, user: ActingUser, *, project_id: str, change: ProjectUpdate, rerate: bool) -> ProjectRead:
        """The project with the fields that were sent changed, its rate key by key.

        With `rerate` the billable entries of its tasks that have ended get its rate, and the answer
        says how many that changed. Raises ProjectNotFoundError, ProjectNameTakenError, or
        ValidationError for a part of a rate where there is no rate.
        """
        wanted, fields = require_project_id(project_id), change.model_dump(exclude_unset=True)

        async def attempt() -> Row | None:
            project = require_project(await Project.find_live(user.id, wanted))
            changes, provided = _changes(project, fields)
            if not changes:
                return project
            try:
                return await Project.update_fields(user.id, wanted, changes, provided=provided)
            except DuplicateError as taken:
                raise ProjectNameTakenError from taken

        changed = read_project(await retry_on_conflict(attempt))
        if not rerate:
            return changed
        rerated: ProjectUpdateResult = {**changed, "rerated_entries": await rerate_project(user.id, wanted)}
        return rerated

    async def delete(self, user: ActingUser, *, project_id: str) -> None:
        """Deletes the project; its tasks keep their time and lose the project. Raises ProjectNotFoundError.

        It is gone for everybody at once. A deletion that is interrupted goes on when it is asked for
        again, and when the service starts.
        """
        wanted = require_project_id(project_id)
        if not await Project.begin_deletion(user.id, wanted):
            raise ProjectNotFoundError
        await self.finish_deletion(user.id, wanted)

    async def finish_deletions(self) -> None:
        """Ends the deletions, whosever they are, that were interrupted: by a crash, or by the database being away."""
        for project in await Project.find_being_deleted():
            await self.finish_deletion(project["user_id"], project["_id"])

    async def finish_deletion(self, user_id: ObjectId, project_id: ObjectId) -> None:
        """Ends the deletion of a project whose deletion has begun."""
        while tasks := await Task.find_ids_in_project(user_id, project_id):
            for task_id in tasks:
                await Task.remove_from_project(user_id, task_id, project_id)
        await Project.end_deletion(user_id, project_id)


def _changes(project: Row, fields: dict[str, Any]) -> tuple[Row, Row]:
    """The fields to set, and what of the project as it was read must still be so when they are set."""
    changes, provided = dict(fields), {}
    if "archived" in changes:
        archived = changes.pop("archived")
        provided["archived_at"] = project["archived_at"]
        if archived != bool(project["archived_at"]):  # else it stays archived since it was
            changes["archived_at"] = naive_utc(utc_now()) if archived else None
    rate = changes.get("hourly_rate")
    if rate is not None and rate.keys() != _WHOLE_RATE:
        _require_a_rate_to_change(project, rate)
        del changes["hourly_rate"]
        changes |= {f"hourly_rate.{part}": value for part, value in rate.items()}
        provided["hourly_rate"] = {"$type": "object"}
    return changes, provided


def _require_a_rate_to_change(project: Row, sent: Row) -> None:
    if project["hourly_rate"] is None:
        wrong = "is needed, since the project has no rate yet"
        missing = sorted(_WHOLE_RATE - sent.keys())
        raise ValidationError(errors=tuple(FieldError(wrong, pointer=f"#/hourly_rate/{part}") for part in missing))


project_service = ProjectService()
