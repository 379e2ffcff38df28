"""Tags: what there are, and renaming one wherever it stands."""

import unicodedata
from dataclasses import dataclass
from typing import Self

from bson import ObjectId

from app.clock import naive_utc, utc_now
from documents.common.base import Row
from documents.tracking.tags import count_entries_by_tag, count_tasks_by_tag, find_task_ids_with_tag
from documents.tracking.tasks import Task
from services.common.acting_user import ActingUser
from services.common.concurrency import retry_on_conflict
from services.common.cursors import Position, cursor_scope, decode_cursor, page_of
from services.common.idempotency import Attempt, RequestKey, run_once
from services.common.values.fields import PageQuery
from services.common.values.versions import Versioned
from services.tracking.schemas.tags import TagPage, TagRead, TagRename, TagRenameResult

MAX_RENAME_ROUNDS = 5
"""How often a renaming looks for what has the tag, or has it again: not for ever beside a client that adds it."""


class TagService:
    """The tags on the tasks and the entries of the acting user."""

    async def list_tags(self, user: ActingUser, *, query: PageQuery) -> TagPage:
        """A page of the user's tags, by name. Raises InvalidCursorError."""
        scope = cursor_scope("tags", user.id, query)
        after = None if query.cursor is None else decode_cursor(query.cursor, scope=scope).value
        of_tasks = await count_tasks_by_tag(user.id, after=after, limit=query.limit + 1)
        of_entries = await count_entries_by_tag(user.id, after=after, limit=query.limit + 1)
        # The first names of all are among the first of either.
        found: list[TagRead] = [
            {"name": name, "task_count": of_tasks.get(name, 0), "entry_count": of_entries.get(name, 0)}
            for name in sorted(of_tasks.keys() | of_entries.keys())[: query.limit + 1]
        ]
        items, next_cursor = page_of(found, limit=query.limit, position=lambda tag: Position(tag["name"]), scope=scope)
        return {"items": items, "next_cursor": next_cursor}

    async def rename(self, user: ActingUser, *, rename: TagRename, request_key: RequestKey | None) -> Versioned:
        """How much was changed: in all tasks, the trash included, and their entries, ended or running.

        Each task is changed as a whole, exactly as it was read, or read again: nothing that happens
        meanwhile is lost. Asked again, it goes on where it was interrupted.
        """

        async def do(_: Attempt) -> Versioned:
            return Versioned(await self._rename(user, rename), None)

        return await run_once(user, request_key, do)

    async def _rename(self, user: ActingUser, rename: TagRename) -> TagRenameResult:
        tasks = entries = 0
        spellings = _TagRenaming.of(rename).spellings
        for _ in range(MAX_RENAME_ROUNDS if spellings else 0):
            found = await find_task_ids_with_tag(user.id, spellings)
            if not found:
                break
            for task_id in found:
                changed = await _rename_in_task(user.id, task_id, rename)
                tasks, entries = tasks + changed[0], entries + changed[1]
        return {"tasks": tasks, "entries": entries}


@dataclass(frozen=True, slots=True)
class _TagRenaming:
    """The tag as it may be stored, and what it becomes.

    An earlier version stored a tag in the Unicode form in which it was typed: renaming it finds both, and renaming
    it to itself brings them together.
    """

    spellings: frozenset[str]
    new: str

    @classmethod
    def of(cls, rename: TagRename) -> Self:
        naive_utc = {rename.old, unicodedata.normalize("NFD", rename.old)}
        return cls(frozenset(naive_utc - {rename.new}), rename.new)

    def stands_in(self, tags: list[str]) -> bool:
        return not self.spellings.isdisjoint(tags)


async def _rename_in_task(user_id: ObjectId, task_id: ObjectId, rename: TagRename) -> tuple[int, int]:
    """How many changed: of the task's own tags, and of its entries."""

    async def attempt() -> tuple[int, int] | None:
        task = await Task.find_any_with_entries(user_id, task_id)
        if task is None:
            return 0, 0
        fields = _renamed_fields(task, _TagRenaming.of(rename))
        if fields and await Task.update_at_version(task, fields) is None:
            return None
        ended = zip(task["time_entries"], fields.get("time_entries", ()), strict=False)
        return int("tags" in fields), sum(new is not old for old, new in ended) + int("active" in fields)

    return await retry_on_conflict(attempt)


def _renamed_fields(task: Row, rename: _TagRenaming) -> Row:
    """The fields of the task in which the tag stands, as they are without it."""
    fields: Row = {}
    if rename.stands_in(task["tags"]):
        fields["tags"] = _renamed(task["tags"], rename)
    if "active" in task and rename.stands_in(task["active"]["tags"]):
        fields["active"] = _renamed_entry(task["active"], rename)
    if any(rename.stands_in(entry["tags"]) for entry in task["time_entries"]):
        fields["time_entries"] = [_renamed_entry(entry, rename) for entry in task["time_entries"]]
    return fields


def _renamed_entry(entry: Row, rename: _TagRenaming) -> Row:
    if not rename.stands_in(entry["tags"]):
        return entry
    return {**entry, "tags": _renamed(entry["tags"], rename), "updated_at": naive_utc(utc_now())}


def _renamed(tags: list[str], rename: _TagRenaming) -> list[str]:
    """The tags in their order, each once."""
    return list(dict.fromkeys(rename.new if tag in rename.spellings else tag for tag in tags))


tag_service = TagService()
