"""Pages of tasks. A cursor stays valid while tasks are added."""

import re
from datetime import datetime

from bson import ObjectId

from app.clock import naive_utc
from documents.common.base import Row, object_id
from documents.tracking.queries.sort_keys import TASK_SORT_KEYS, SortKey
from documents.tracking.queries.task_list import TaskOrder, find_tasks
from documents.tracking.tasks import RUNNING
from services.common.cursors import InvalidCursorError, Position, cursor_scope, decode_cursor, page_of
from services.tracking.schemas.tasks import TaskQuery


async def list_tasks(user_id: ObjectId, query: TaskQuery) -> tuple[list[Row], str | None]:
    """Return the tasks of a page, and the cursor of the next page or None. Raises InvalidCursorError."""
    scope, order = cursor_scope("tasks", user_id, query), _order(query)
    if query.cursor is not None:
        after = decode_cursor(query.cursor, scope=scope)
        order = _order(query, (_require_value(order.key, after), after.id))
    conditions = [_field_conditions(query), _text_condition(query)]
    rows = await find_tasks(user_id, conditions, order, limit=query.limit + 1, few=_selective_condition(query))
    field = order.key.field
    return page_of(rows, limit=query.limit, position=lambda task: Position(task[field], task["_id"]), scope=scope)


def _order(query: TaskQuery, after: tuple[object, ObjectId | None] | None = None) -> TaskOrder:
    """Return the order of the list. The range of a sort key that is also a filter limits the tasks that are read."""
    key = TASK_SORT_KEYS[query.sort.removeprefix("-")]
    bounds: dict[str, datetime] = {}
    if key.field == "due_at":
        bounds = _due_bounds(query)
    elif key.field == "updated_at" and query.updated_since is not None:
        bounds = {"$gte": naive_utc(query.updated_since)}
    return TaskOrder(
        key=key,
        descending=query.sort.startswith("-"),
        after=after,
        since=bounds.get("$gte"),
        before=bounds.get("$lt"),
    )


def _require_value(key: SortKey, position: Position) -> object:
    """Return the value of the position. Raises InvalidCursorError if the sort key cannot have it."""
    is_null = position.value is None and key.bson_type is not None
    if not is_null and type(position.value) is not key.type:
        raise InvalidCursorError
    return position.value


def _selective_condition(query: TaskQuery) -> Row | None:
    """Return a filter that few tasks meet and that an index finds, if the query has one."""
    if query.running:
        return RUNNING
    if query.project_id not in {None, "none"}:
        return {"project_id": object_id(query.project_id or "")}
    if query.due_after is None or query.due_before is None:
        return None
    bounds = _due_bounds(query)
    # Not $gte: portable form, decision 10.
    return {"due_at": {"$gt": TASK_SORT_KEYS["due_at"].next_lower(bounds["$gte"]), "$lt": bounds["$lt"]}}


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
    if bounds := _due_bounds(query):
        condition["due_at"] = bounds
    return condition


def _due_bounds(query: TaskQuery) -> dict[str, datetime]:
    due = {"$gte": query.due_after, "$lt": query.due_before}
    return {operator: naive_utc(instant) for operator, instant in due.items() if instant is not None}


def _text_condition(query: TaskQuery) -> Row:
    if query.q is None:
        return {}
    contains = {"$regex": re.escape(query.q), "$options": "i"}
    return {"$or": [{"title": contains}, {"description": contains}]}
