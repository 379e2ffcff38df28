"""Pages of tasks. A cursor stays valid while tasks are added."""

import re

from bson import ObjectId

from app.clock import naive_utc
from documents.common.base import Row, object_id
from documents.tracking.tasks import RUNNING, Task
from services.common.cursors import Position, cursor_scope, decode_cursor, page_of
from services.tracking.schemas.tasks import TaskQuery

_NULLABLE_SORT_KEYS = {"due_at": "date", "project_id": "objectId"}
"""The nullable sort keys and their BSON types. Null sorts last in both directions."""


async def list_tasks(user_id: ObjectId, query: TaskQuery) -> tuple[list[Row], str | None]:
    """Return the tasks of a page, and the cursor of the next page or None. Raises InvalidCursorError."""
    scope, key = cursor_scope("tasks", user_id, query), _sort_key(query)
    after = decode_cursor(query.cursor, scope=scope) if query.cursor is not None else None
    rows = await _find_after(user_id, query, after)
    return page_of(rows, limit=query.limit, position=lambda task: Position(task[key], task["_id"]), scope=scope)


async def _find_after(user_id: ObjectId, query: TaskQuery, after: Position | None) -> list[Row]:
    """Return the tasks that follow a position: those of the page, and one more if another page follows."""
    key, direction = _sort_key(query), -1 if query.sort.startswith("-") else 1
    condition, text_condition = _field_conditions(query), _text_condition(query)
    rows: list[Row] = []
    for null_condition in _null_conditions(key, after):
        then = [part for part in (text_condition, null_condition, _after_condition(key, direction, after)) if part]
        rows += await Task.find_page(
            user_id,
            condition,
            {"$and": then} if then else {},
            sort=[(key, direction), ("_id", direction)],
            limit=query.limit + 1 - len(rows),
        )
        if len(rows) > query.limit:
            break
        after = None
    return rows


def _null_conditions(key: str, after: Position | None) -> tuple[Row, ...]:
    """Return the conditions of the queries to run one after the other, so that null sorts last."""
    if key not in _NULLABLE_SORT_KEYS:
        return ({},)
    not_null, null = {key: {"$type": _NULLABLE_SORT_KEYS[key]}}, {key: None}
    return (null,) if after is not None and after.value is None else (not_null, null)


def _after_condition(key: str, direction: int, after: Position | None) -> Row:
    """Return the condition on tasks that follow a position.

    The bound on the key alone allows the use of an index; the $or distinguishes tasks with equal keys.
    """
    if after is None:
        return {}
    operator, inclusive = ("$gt", "$gte") if direction == 1 else ("$lt", "$lte")
    if after.value is None:
        return {"_id": {operator: after.id}}
    return {
        key: {inclusive: after.value},
        "$or": [{key: {operator: after.value}}, {key: after.value, "_id": {operator: after.id}}],
    }


def _field_conditions(query: TaskQuery) -> Row:
    """Return the filters of the query as conditions on single fields, without the search text."""
    condition: Row = {"deleted_at": {"$type": "date"} if query.deleted else None}
    if query.status:
        condition["status"] = {"$in": query.status}
    if query.tag:
        condition["tags"] = {"$in": query.tag}
    if query.project_id is not None:
        condition["project_id"] = None if query.project_id == "none" else object_id(query.project_id)
    if query.running is not None:
        condition |= RUNNING if query.running else {"active": {"$exists": False}}
    if query.updated_since is not None:
        condition["updated_at"] = {"$gte": naive_utc(query.updated_since)}
    due = {"$gte": query.due_after, "$lt": query.due_before}
    bounds = {operator: naive_utc(instant) for operator, instant in due.items() if instant is not None}
    if bounds:
        condition["due_at"] = bounds
    return condition


def _text_condition(query: TaskQuery) -> Row:
    if query.q is None:
        return {}
    contains = {"$regex": re.escape(query.q), "$options": "i"}
    return {"$or": [{"title": contains}, {"description": contains}]}


def _sort_key(query: TaskQuery) -> str:
    return query.sort.removeprefix("-")
