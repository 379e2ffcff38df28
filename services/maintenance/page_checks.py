"""Checks of the pages that a task lists, and of those that no task lists."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId

from app.clock import naive_utc, utc_now
from documents.common.base import Row
from documents.common.json_schema import format_value
from documents.maintenance.inspection import is_listed, iterate_page_headers, iterate_rows
from documents.tracking.pages import REPLACED_RETENTION, TaskPage
from documents.tracking.tasks import Task
from services.maintenance.findings import CheckResult, Inconsistency, inconsistencies_of
from services.maintenance.references import References
from services.tracking.rules.invariants import (
    NO_ENTRIES,
    RowFindings,
    add_totals,
    check_page,
    count_entries,
    listed_page_ids,
)

PAGES_PER_QUERY = 10
"""Their entries are in memory at the same time: up to 5,000."""

TURN_TIME = timedelta(minutes=1)
"""The update of a task and the mark of the page that was replaced in it are certainly closer together."""

UNLISTED_GRACE = timedelta(hours=1)
"""A younger page may belong to a change in progress. This is added to the time after which a replaced page expires."""


async def check_listed_pages(task: Row, references: References, result: CheckResult) -> Row | None:
    """Check the pages that a task lists. Return the totals of their entries, or None if these are unknown."""
    totals: Row | None = NO_ENTRIES
    for message in _list_errors(task):
        result.errors.append(Inconsistency("tasks", task["_id"], message))
    async for page_id, page in iterate_listed_pages(task):
        result.page_ids.add(page_id)
        if page is None:
            result.errors.append(await _missing_page(task, page_id))
            result.needs_snapshot, totals = True, None
            continue
        errors = list(_link_errors(task, page))
        if isinstance(page.get("entries"), list):
            result.entries += len(page["entries"])
            errors += references.check_page(page)
        result.needs_snapshot = result.needs_snapshot or bool(errors)
        findings = check_page(page)
        result.errors += [*errors, *inconsistencies_of("task_pages", page, findings)]
        totals = _with_page(totals, task, page, findings)
    return totals


async def read_page_totals(task: Row) -> Row | None:
    """Return the totals of the entries in the pages of a task, or None if a page is missing or invalid."""
    totals: Row | None = NO_ENTRIES
    async for _, page in iterate_listed_pages(task):
        totals = None if page is None else _with_page(totals, task, page, check_page(page))
    return totals


async def iterate_listed_pages(task: Row) -> AsyncIterator[tuple[ObjectId, Row | None]]:
    """Yield the id of each page that the task lists, with the page if it is one of the user's, else None."""
    page_ids = list(dict.fromkeys(listed_page_ids(task)))
    for start in range(0, len(page_ids), PAGES_PER_QUERY):
        batch = page_ids[start : start + PAGES_PER_QUERY]
        condition = {"_id": {"$in": batch}, "user_id": task["user_id"]}
        pages = {page["_id"]: page async for page in iterate_rows(TaskPage, condition)}
        for page_id in batch:
            yield page_id, pages.get(page_id)


async def find_unlisted_pages(listed: set[ObjectId], before: datetime) -> AsyncIterator[tuple[Any, Inconsistency]]:
    """Yield the pages that are not among the listed ones and expired `before`, each with the id of its user."""
    async for page in iterate_page_headers():
        if page["_id"] in listed or _since(page) >= before - UNLISTED_GRACE or await _may_be_replaced_now(page):
            continue
        if not await is_listed(page["_id"]):
            message = f"is listed by no task, and was created at {format_value(page.get('created_at'))}"
            yield page["user_id"], Inconsistency("task_pages", page["_id"], message, is_repairable=True)


def _since(page: Row) -> datetime:
    """Return since when the page is certainly unlisted, unless a change is in progress."""
    replaced_at, created_at = page.get("replaced_at"), page.get("created_at")
    if isinstance(replaced_at, datetime):
        return replaced_at + REPLACED_RETENTION
    return created_at if isinstance(created_at, datetime) else datetime.min  # noqa: DTZ901 - naive, as it is stored


async def _may_be_replaced_now(page: Row) -> bool:
    """Return whether another page may have just replaced this one, which is marked only after that."""
    if page.get("replaced_at") is not None:
        return False
    recently = naive_utc(utc_now()) - TURN_TIME
    condition = {"_id": page.get("task_id"), "user_id": page.get("user_id"), "updated_at": {"$gt": recently}}
    return bool([task async for task in iterate_rows(Task, condition)])


def _with_page(totals: Row | None, task: Row, page: Row, findings: RowFindings) -> Row | None:
    """Return the totals including those of the page, or None if they are unknown."""
    if totals is None or page.get("task_id") != task["_id"] or findings.schema_errors:
        return None
    return add_totals(totals, count_entries(page["entries"]))


def _list_errors(task: Row) -> list[str]:
    page_ids = listed_page_ids(task)
    return [f"lists its page {page_id} twice" for page_id in {each for each in page_ids if page_ids.count(each) > 1}]


async def _missing_page(task: Row, page_id: ObjectId) -> Inconsistency:
    owners = [page["user_id"] async for page in iterate_rows(TaskPage, {"_id": page_id})]
    message = f"belongs to the user {format_value(owners[0])}" if owners else "does not exist"
    return Inconsistency("tasks", task["_id"], f"its page {page_id} {message}")


def _link_errors(task: Row, page: Row) -> list[Inconsistency]:
    """Return the contradictions between a page and the task that lists it."""
    messages = []
    if page.get("task_id") != task["_id"]:
        messages.append(f"is listed by the task {task['_id']}, but belongs to {format_value(page.get('task_id'))}")
    if page.get("replaced_at") is not None:
        messages.append(f"is listed by the task {task['_id']}, but expires because it has replaced_at")
    return [Inconsistency("task_pages", page["_id"], message) for message in messages]
