"""The service of tags, which exist only on tasks and time entries."""

import unicodedata
from dataclasses import dataclass
from typing import Self

from bson import ObjectId

from app.clock import naive_utc, utc_now
from documents.common.base import Row
from documents.common.outbox import DescribeChanges
from documents.tracking.queries.entry_counts import count_uses_of_tag
from documents.tracking.tag_counts import count_by_tag
from documents.tracking.tags import find_pages_with_tag, find_task_ids_with_tag
from documents.tracking.tasks import Task
from documents.transfer.import_batches import ImportBatch
from services.common.acting_user import ActingUser
from services.common.concurrency import retry_on_conflict
from services.common.cursors import InvalidCursorError, Position, cursor_scope, decode_cursor, page_of
from services.common.idempotency import Attempt, RequestKey, run_once
from services.common.values.fields import PageQuery
from services.common.values.versions import Versioned
from services.tracking.rules.changes import (
    MAX_ENTRY_CHANGES,
    describe_entries,
    tag_renamed,
    task_updated,
    timer_corrected,
)
from services.tracking.rules.paged_changes import ChangeEntry, change_page
from services.tracking.rules.pending_changes import recorded_at_the_end
from services.tracking.schemas.tags import TagPage, TagRead, TagRename, TagRenameResult

MAX_RENAME_ROUNDS = 5
"""How often a rename searches for tasks with the old tag. The limit ends it when a client keeps adding the tag."""


class TagService:
    """The tags on the tasks and the entries of the acting user."""

    async def list_tags(self, user: ActingUser, *, query: PageQuery) -> TagPage:
        """Return a page of the user's tags, sorted by name. Raises InvalidCursorError."""
        scope = cursor_scope("tags", user.id, query)
        after = "" if query.cursor is None else decode_cursor(query.cursor, scope=scope).value
        if not isinstance(after, str):
            raise InvalidCursorError
        counts = await count_by_tag(user.id, ImportBatch.has_written_since)
        names = sorted(name for name in counts.tasks.keys() | counts.entries.keys() if name > after)
        tags: list[TagRead] = [
            {"name": name, "task_count": counts.tasks[name], "entry_count": counts.entries[name]}
            for name in names[: query.limit + 1]
        ]
        items, next_cursor = page_of(tags, limit=query.limit, position=lambda tag: Position(tag["name"]), scope=scope)
        return {"items": items, "next_cursor": next_cursor}

    async def rename(self, user: ActingUser, *, rename: TagRename, request_key: RequestKey | None) -> Versioned:
        """Rename a tag in all tasks, the trash included, and in their ended and running entries.

        Returns the number of changed tasks and entries. Each task is updated at the version that was read,
        so that no concurrent change is lost: once for its hot entries, and once for each page with the tag.
        A retry continues where the rename was interrupted.
        """

        async def run_attempt(_: Attempt) -> Versioned:
            return Versioned(await self._rename(user, rename), None)

        return await run_once(user, request_key, run_attempt)

    async def _rename(self, user: ActingUser, rename: TagRename) -> TagRenameResult:
        result: TagRenameResult = {"tasks": 0, "entries": 0}
        renaming = _TagRenaming.of(rename)
        tasks, entries = await count_uses_of_tag(user.id, renaming.spellings) if renaming.spellings else (0, 0)
        if tasks == entries == 0:
            return result
        renaming.count = entries
        async with recorded_at_the_end(user.id, tag_renamed(rename.old, rename.new, tasks, entries)) as pending:
            result = await _rename_everywhere(user.id, renaming)
            # Entries that are not described one by one must not seem to be: their number stays above the maximum.
            least = entries if entries > MAX_ENTRY_CHANGES else 0
            pending.item["data"] |= {**result, "entries": max(result["entries"], least)}
            pending.is_needed = result != {"tasks": 0, "entries": 0}
        return result


@dataclass(slots=True)
class _TagRenaming:
    """The spellings of the old tag, the new tag, and the number of entries with the old one before the rename.

    An earlier version stored tags without Unicode normalization. A rename finds both forms, and renaming a tag
    to itself normalizes it.
    """

    spellings: frozenset[str]
    new: str
    count: int = 0

    @classmethod
    def of(cls, rename: TagRename) -> Self:
        spellings = {rename.old, unicodedata.normalize("NFD", rename.old)}
        return cls(frozenset(spellings - {rename.new}), rename.new)

    def applies_to(self, tags: list[str]) -> bool:
        return not self.spellings.isdisjoint(tags)


async def _rename_everywhere(user_id: ObjectId, renaming: _TagRenaming) -> TagRenameResult:
    tasks = entries = 0
    for _ in range(MAX_RENAME_ROUNDS):
        task_ids = await find_task_ids_with_tag(user_id, renaming.spellings)
        for task_id in task_ids:
            task_count, entry_count = await _rename_in_task(user_id, task_id, renaming)
            tasks, entries = tasks + task_count, entries + entry_count
        # The pages are searched after the hot entries, because an entry may move to a page, but not back.
        pages = await find_pages_with_tag(user_id, renaming.spellings)
        for page in pages:
            entries += await _rename_in_page(user_id, page, renaming)
        if not task_ids and not pages:
            break
    return {"tasks": tasks, "entries": entries}


async def _rename_in_task(user_id: ObjectId, task_id: ObjectId, renaming: _TagRenaming) -> tuple[int, int]:
    """Rename the tag in one task. Return 1 or 0 for the task's own tags, and the number of changed hot entries."""

    async def try_rename() -> tuple[int, int] | None:
        task = await Task.find_any_with_entries(user_id, task_id)
        if task is None:
            return 0, 0
        fields = _renamed_fields(task, renaming)
        ended = zip(task["time_entries"], fields.get("time_entries", ()), strict=False)
        changed = [new for old, new in ended if new is not old]
        changes = _changes_of_task(fields, changed, renaming)
        if fields and await Task.update_at_version(task, fields, changes) is None:
            return None
        return int("tags" in fields), len(changed) + int("active" in fields)

    return await retry_on_conflict(user_id, try_rename)


def _changes_of_task(fields: Row, entries: list[Row], renaming: _TagRenaming) -> DescribeChanges:
    """Describe the update of a task that sets these fields and changes these ended entries."""

    def describe(task: Row) -> list[Row]:
        items = [*task_updated(task)] if "tags" in fields else []
        if "active" in fields and renaming.count <= MAX_ENTRY_CHANGES:
            items += timer_corrected(task)
        return [*items, *describe_entries(renaming.count)(entries)(task)]

    return describe


async def _rename_in_page(user_id: ObjectId, page: Row, renaming: _TagRenaming) -> int:
    """Rename the tag in the entries of a page. Return the number of changed entries."""

    async def find_change(_task: Row) -> ChangeEntry:
        return lambda entry: _renamed_entry(entry, renaming)

    return await change_page(user_id, page["task_id"], page["_id"], find_change, describe_entries(renaming.count))


def _renamed_fields(task: Row, rename: _TagRenaming) -> Row:
    """Return the new values of the fields that contain the tag."""
    fields: Row = {}
    if rename.applies_to(task["tags"]):
        fields["tags"] = _renamed_tags(task["tags"], rename)
    if "active" in task and rename.applies_to(task["active"]["tags"]):
        fields["active"] = _renamed_entry(task["active"], rename)
    if any(rename.applies_to(entry["tags"]) for entry in task["time_entries"]):
        fields["time_entries"] = [_renamed_entry(entry, rename) for entry in task["time_entries"]]
    return fields


def _renamed_entry(entry: Row, rename: _TagRenaming) -> Row:
    if not rename.applies_to(entry["tags"]):
        return entry
    return {**entry, "tags": _renamed_tags(entry["tags"], rename), "updated_at": naive_utc(utc_now())}


def _renamed_tags(tags: list[str], rename: _TagRenaming) -> list[str]:
    """Return the tags in their order, without duplicates."""
    return list(dict.fromkeys(rename.new if tag in rename.spellings else tag for tag in tags))


tag_service = TagService()
