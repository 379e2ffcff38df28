"""Lists of tasks: the filters as a query, and pages that stay true while tasks are added."""

import re

from bson import ObjectId

from app.clock import naive_utc
from documents.common.base import Row, object_id
from documents.tracking.tasks import RUNNING, Task
from services.common.cursors import Position, cursor_scope, decode_cursor, page_of
from services.tracking.schemas.tasks import TaskQuery

_MAY_BE_NULL = {"due_at": "date", "project_id": "objectId"}
"""The sort keys that may be null, each with its type otherwise: null comes last whichever way it is sorted."""


async def list_tasks(user_id: ObjectId, query: TaskQuery) -> tuple[list[Row], str | None]:
    """The tasks of a page, and the cursor of the next one. Raises InvalidCursorError."""
    scope, key = cursor_scope("tasks", user_id, query), _sort_key(query)
    after = decode_cursor(query.cursor, scope=scope) if query.cursor is not None else None
    found = await _tasks_after(user_id, query, after)
    return page_of(found, limit=query.limit, position=lambda task: Position(task[key], task["_id"]), scope=scope)


async def _tasks_after(user_id: ObjectId, query: TaskQuery, after: Position | None) -> list[Row]:
    """One task more than the page holds, if there are as many: it tells that another page follows."""
    key, direction = _sort_key(query), -1 if query.sort.startswith("-") else 1
    narrow, search = _narrow(query), _search(query)
    found: list[Row] = []
    for part in _parts(key, after):
        then = [condition for condition in (search, part, _beyond(key, direction, after)) if condition]
        found += await Task.find_page(
            user_id,
            narrow,
            {"$and": then} if then else {},
            sort=[(key, direction), ("_id", direction)],
            limit=query.limit + 1 - len(found),
        )
        if len(found) > query.limit:
            break
        after = None
    return found


def _parts(key: str, after: Position | None) -> tuple[Row, ...]:
    if key not in _MAY_BE_NULL:
        return ({},)
    not_null, null = {key: {"$type": _MAY_BE_NULL[key]}}, {key: None}
    return (null,) if after is not None and after.value is None else (not_null, null)


def _beyond(key: str, direction: int, after: Position | None) -> Row:
    """What comes after a position. The bound on the key alone is for the index, the $or for equal keys."""
    if after is None:
        return {}
    further, from_there = ("$gt", "$gte") if direction == 1 else ("$lt", "$lte")
    if after.value is None:
        return {"_id": {further: after.id}}
    return {
        key: {from_there: after.value},
        "$or": [{key: {further: after.value}}, {key: after.value, "_id": {further: after.id}}],
    }


def _narrow(query: TaskQuery) -> Row:
    """The filters but for the search text, each answered by one field."""
    narrow: Row = {"deleted_at": {"$type": "date"} if query.deleted else None}
    if query.status:
        narrow["status"] = {"$in": query.status}
    if query.tag:
        narrow["tags"] = {"$in": query.tag}
    if query.project_id is not None:
        narrow["project_id"] = None if query.project_id == "none" else object_id(query.project_id)
    if query.running is not None:
        narrow |= RUNNING if query.running else {"active": {"$exists": False}}
    if query.updated_since is not None:
        narrow["updated_at"] = {"$gte": naive_utc(query.updated_since)}
    due = {"$gte": query.due_after, "$lt": query.due_before}
    bounds = {operator: naive_utc(instant) for operator, instant in due.items() if instant is not None}
    if bounds:
        narrow["due_at"] = bounds
    return narrow


def _search(query: TaskQuery) -> Row:
    if query.q is None:
        return {}
    contains = {"$regex": re.escape(query.q), "$options": "i"}
    return {"$or": [{"title": contains}, {"description": contains}]}


def _sort_key(query: TaskQuery) -> str:
    return query.sort.removeprefix("-")
