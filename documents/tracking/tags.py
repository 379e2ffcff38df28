"""Queries for the tasks and pages with a tag."""

from collections.abc import Collection

from bson import ObjectId

from documents.common.base import Row
from documents.tracking.pages import TaskPage
from documents.tracking.queries.paged_rows import listed_pages_stages
from documents.tracking.queries.sort_keys import aggregate_in_windows
from documents.tracking.tag_counts import PAGED_TASKS


async def find_task_ids_with_tag(user_id: ObjectId, spellings: Collection[str]) -> list[ObjectId]:
    """Return the ids of the user's tasks that have the tag, or have a hot entry with it. The trash is included."""
    tag = {"$in": [*spellings]}
    anywhere: list[Row] = [{"tags": tag}, {"active.tags": tag}, {"time_entries": {"$elemMatch": {"tags": tag}}}]
    stages: list[Row] = [{"$match": {"$or": anywhere}}, {"$project": {"_id": 1}}]
    return [task["_id"] for task in await aggregate_in_windows(user_id, stages)]


async def find_pages_with_tag(user_id: ObjectId, spellings: Collection[str]) -> list[Row]:
    """Return the _id and task_id of the listed pages with an entry that has the tag. The trash is included."""
    tasks = await aggregate_in_windows(user_id, PAGED_TASKS)
    has_tag: Row = {"$match": {"entries": {"$elemMatch": {"tags": {"$in": [*spellings]}}}}}
    pages: list[Row] = []
    for by_id in listed_pages_stages(user_id, tasks):
        pages += await TaskPage.aggregate_rows([by_id, has_tag, {"$project": {"task_id": 1}}])
    return pages
