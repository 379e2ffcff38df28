"""The service of time entries."""

from typing import Any

from bson import ObjectId

from app.clock import naive_utc, utc_now
from app.errors import ConflictError
from documents.accounts.users import OverlapPolicy
from documents.common.base import Row
from documents.common.outbox import no_changes
from documents.tracking.deleted_entries import DeletedEntry
from documents.tracking.entries import TimeEntry
from documents.tracking.stored_entries import (
    StoredEntry,
    find_anywhere,
    find_in_task,
    remove_entry,
    replace_entry,
    split_entry,
)
from documents.tracking.tasks import Task
from services.common.acting_user import ActingUser
from services.common.concurrency import retry_transaction
from services.common.idempotency import Attempt, RequestKey, run_once
from services.common.intervals import Interval
from services.common.values.fields import PageQuery
from services.common.values.versions import VersionCondition, Versioned, require_version
from services.tracking.entry_list import list_entries, list_task_entries
from services.tracking.rules.capacity import EntryRoom, require_update_capacity
from services.tracking.rules.changes import entry_changed, entry_deleted, entry_split
from services.tracking.rules.earlier_attempts import find_created_earlier, find_entry_anywhere
from services.tracking.rules.errors import EntryNotFoundError, require_entry_id
from services.tracking.rules.instants import entry_interval, new_entry_interval, split_interval, updated_interval
from services.tracking.rules.overlap import check_overlaps, effective_policy, no_overlaps, run_with_policy
from services.tracking.rules.rates import hourly_rate_for
from services.tracking.schemas.entries import EntryPage, EntryQuery, EntryWithTaskPage, read_entry
from services.tracking.schemas.entry_changes import EntryCreate, EntryMove, EntrySplit, EntryUpdate
from services.tracking.schemas.overlaps import OverlapRead, overlaps_member
from services.tracking.tasks import require_task, require_task_id


class TimerRunningError(ConflictError):
    """The entry belongs to the running timer."""

    code = "timer_running"
    detail = "The timer of this entry is running. Stop it first, or update it with PATCH /timer."


class TimeEntryService:
    """The time entries of the acting user. The entries of other users are not found.

    Each write updates the version of the task that was read, and is retried after a concurrent change.
    So no concurrent change is lost.
    """

    async def list_entries(self, user: ActingUser, *, query: EntryQuery) -> EntryWithTaskPage:
        """Return a page of the entries of all tasks. Raises ValidationError or InvalidCursorError."""
        return await list_entries(user, query)

    async def list_task_entries(self, user: ActingUser, *, task_id: str, query: PageQuery) -> EntryPage:
        """Return a page of the entries of a task, newest first. Raises TaskNotFoundError or InvalidCursorError."""
        task = require_task(await Task.find_live(user.id, require_task_id(task_id)))
        return await list_task_entries(user, task["_id"], query)

    async def get(self, user: ActingUser, *, task_id: str, entry_id: str) -> Versioned:
        """Return the entry, ended or running, with the version of its task.

        Raises TaskNotFoundError or EntryNotFoundError.
        """
        parsed_id = require_entry_id(entry_id)
        found, stored = await find_in_task(user.id, require_task_id(task_id), parsed_id)
        task = require_task(found)
        return _response(task, _running_entry(task, parsed_id) or _require_stored(stored).entry)

    async def create(
        self,
        user: ActingUser,
        *,
        task_id: str,
        new: EntryCreate,
        overlap: OverlapPolicy | None,
        if_match: VersionCondition | None,
        request_key: RequestKey | None,
    ) -> Versioned:
        """Create a manual entry.

        Raises TaskNotFoundError, TaskFullError, OverlapError, StaleVersionError, ValidationError or InTheFutureError.
        """
        parsed_id, interval = require_task_id(task_id), new_entry_interval(new)
        policy, room = effective_policy(user, overlap), EntryRoom()

        async def run_attempt(attempt: Attempt) -> Versioned:
            entry_id = attempt.new_id()

            async def try_create() -> Versioned | None:
                earlier = await find_created_earlier(user, attempt)
                if earlier is not None:
                    return _response(*earlier, created=True)
                task = require_task(await Task.find_live(user.id, parsed_id))
                require_version(if_match, room.checked_version(task))
                await room.require_for_entry(task)
                overlaps = await check_overlaps(user, policy, interval)
                entry = await _build_manual_entry(user, task, entry_id, new, interval)
                updated = await Task.add_entry(task, entry, entry_changed("entry.created", entry))
                return None if updated is None else _response(updated, entry, overlaps, created=True)

            return await run_with_policy(user, policy, try_create, room)

        return await run_once(user, request_key, run_attempt)

    async def update(
        self,
        user: ActingUser,
        *,
        task_id: str,
        entry_id: str,
        change: EntryUpdate,
        overlap: OverlapPolicy | None,
        if_match: VersionCondition | None,
    ) -> Versioned:
        """Update the fields of an ended entry that were sent.

        Raises TaskNotFoundError, EntryNotFoundError, TimerRunningError, TaskFullError, OverlapError,
        StaleVersionError, ValidationError or InTheFutureError.
        """
        fields, policy = change.model_dump(exclude_unset=True), effective_policy(user, overlap)

        async def try_update() -> Versioned | None:
            stored = await _find_ended_entry(user, task_id, entry_id, if_match)
            task, entry = stored.task, stored.entry
            if not fields:
                return _response(task, entry, no_overlaps(policy))
            interval = updated_interval(entry, fields)
            overlaps = await self._check_update(user, policy, entry, interval)
            updated = {**entry, **await _changes(user, task, entry, fields, interval)}
            if stored.page_id is None:
                await require_update_capacity(task, entry, updated)
            is_replaced = await replace_entry(stored, updated, entry_changed("entry.updated", updated))
            return _response(_next_version(task), updated, overlaps) if is_replaced else None

        return await run_with_policy(user, policy, try_update)

    async def delete(self, user: ActingUser, *, task_id: str, entry_id: str, if_match: VersionCondition | None) -> None:
        """Delete an ended entry. It can be restored for 30 days.

        Raises TaskNotFoundError, EntryNotFoundError, TimerRunningError or StaleVersionError.
        """

        async def try_delete() -> bool | None:
            stored = await _find_ended_entry(user, task_id, entry_id, if_match)
            if not await remove_entry(stored, entry_deleted(stored.entry["id"])):
                return None
            await DeletedEntry.store(stored.task, stored.entry)
            return True

        await retry_transaction(user.id, try_delete)

    async def restore(
        self,
        user: ActingUser,
        *,
        entry_id: str,
        overlap: OverlapPolicy | None,
        if_match: VersionCondition | None,
        request_key: RequestKey | None,
    ) -> Versioned:
        """Restore a deleted entry or a discarded timer. An entry that is not deleted is returned unchanged.

        Raises EntryNotFoundError, TaskNotFoundError, TaskFullError, OverlapError or StaleVersionError.
        """
        parsed_id, policy, room = require_entry_id(entry_id), effective_policy(user, overlap), EntryRoom()

        async def try_restore(attempt: Attempt) -> Versioned | None:
            deleted = await DeletedEntry.find_restorable(user.id, parsed_id)
            if deleted is None:
                # An earlier attempt may have restored the entry and so changed the version of the task.
                return await self._find_undeleted(user, parsed_id, policy, None if attempt.is_retry else if_match)
            task = require_task(await Task.find_live(user.id, deleted["task_id"]))
            require_version(if_match, room.checked_version(task))
            await room.require_for_entry(task)
            entry = {**deleted["entry"], "updated_at": naive_utc(utc_now())}
            overlaps = await check_overlaps(user, policy, entry_interval(entry))
            updated = await Task.add_entry(task, entry, entry_changed("entry.restored", entry))
            if updated is None or not await DeletedEntry.remove(deleted):
                return None
            return _response(updated, entry, overlaps)

        async def run_attempt(attempt: Attempt) -> Versioned:
            return await room.retry_transaction(user.id, lambda: try_restore(attempt))

        return await run_once(user, request_key, run_attempt)

    async def split(
        self,
        user: ActingUser,
        *,
        task_id: str,
        entry_id: str,
        split: EntrySplit,
        overlap: OverlapPolicy | None,
        if_match: VersionCondition | None,
        request_key: RequestKey | None,
    ) -> Versioned:
        """Split an entry in two at an instant. The first part keeps its id, the second gets a new one.

        Raises TaskNotFoundError, EntryNotFoundError, TimerRunningError, TaskFullError, OverlapError,
        StaleVersionError, or ValidationError for an instant that is not strictly inside.
        """
        policy, room = effective_policy(user, overlap), EntryRoom()

        async def run_attempt(attempt: Attempt) -> Versioned:
            second_id = attempt.new_id()

            async def try_split() -> Versioned | None:
                earlier = await find_created_earlier(user, attempt)
                if earlier is not None:
                    return await self._find_split(user, entry_id, *earlier)
                stored = await _find_ended_entry(user, task_id, entry_id, if_match, room)
                task, entry = stored.task, stored.entry
                first, second = _split(entry, split, second_id)
                await room.require_for_entry(task)
                overlaps = await check_overlaps(user, policy, entry_interval(entry), exclude_id=entry["id"])
                is_split = await split_entry(stored, first, second, entry_split(first, second))
                return _split_response(_next_version(task), first, second, overlaps) if is_split else None

            return await run_with_policy(user, policy, try_split, room)

        return await run_once(user, request_key, run_attempt)

    async def move(
        self,
        user: ActingUser,
        *,
        task_id: str,
        entry_id: str,
        move: EntryMove,
        overlap: OverlapPolicy | None,
        if_match: VersionCondition | None,
        request_key: RequestKey | None,
    ) -> Versioned:
        """Move an entry to another task in one transaction. It keeps its id and all its fields.

        Raises TaskNotFoundError, EntryNotFoundError, TimerRunningError, TaskFullError, OverlapError
        or StaleVersionError.
        """
        target_id, policy, room = require_task_id(move.task_id), effective_policy(user, overlap), EntryRoom()

        async def run_attempt(attempt: Attempt) -> Versioned:
            async def try_move() -> Versioned | None:
                found, moved_earlier = await find_in_task(user.id, target_id, require_entry_id(entry_id))
                target = require_task(found)
                if attempt.is_retry and moved_earlier is not None:
                    return _response(target, moved_earlier.entry)
                stored = await _find_ended_entry(user, task_id, entry_id, if_match)
                if stored.task["_id"] == target_id:
                    return _response(target, stored.entry, no_overlaps(policy))
                await room.require_for_entry(target)
                interval = entry_interval(stored.entry)
                overlaps = await check_overlaps(user, policy, interval, exclude_id=stored.entry["id"])
                moved = {**stored.entry, "updated_at": naive_utc(utc_now())}
                updated = await Task.add_entry(target, moved, entry_changed("entry.moved", moved))
                if updated is None or not await remove_entry(stored, no_changes):
                    return None
                return _response(updated, moved, overlaps)

            return await room.retry_transaction(user.id, try_move)

        return await run_once(user, request_key, run_attempt)

    async def _check_update(
        self, user: ActingUser, policy: OverlapPolicy, entry: Row, interval: Interval
    ) -> list[OverlapRead] | None:
        """Check the new interval for overlaps. An update that does not change the interval is never refused."""
        if interval == entry_interval(entry):
            return no_overlaps(policy)
        return await check_overlaps(user, policy, interval, exclude_id=entry["id"])

    async def _find_undeleted(
        self, user: ActingUser, entry_id: ObjectId, policy: OverlapPolicy, if_match: VersionCondition | None
    ) -> Versioned:
        """Return an entry that is not deleted. Raises EntryNotFoundError or StaleVersionError."""
        running = await Task.find_running(user.id)
        active = running and _running_entry(running, entry_id)
        if running is not None and active is not None:
            stored = StoredEntry(running, active)
        else:
            stored = _require_stored(await find_anywhere(user.id, entry_id))
        require_version(if_match, stored.task["version"])
        return _response(stored.task, stored.entry, no_overlaps(policy))

    async def _find_split(self, user: ActingUser, first_id: str, task: Row, second: Row) -> Versioned:
        """Return the response of a split that an earlier attempt of this request completed."""
        first = await find_entry_anywhere(user, require_entry_id(first_id))
        if first is None:
            raise EntryNotFoundError
        return _split_response(task, first[1], second, None)


def _running_entry(task: Row, entry_id: ObjectId) -> Row | None:
    active: Row | None = task.get("active")
    return active if active is not None and active["id"] == entry_id else None


def _require_stored(stored: StoredEntry | None) -> StoredEntry:
    """Return the entry. Raises EntryNotFoundError when it is None."""
    if stored is None:
        raise EntryNotFoundError
    return stored


async def _find_ended_entry(
    user: ActingUser,
    task_id: str,
    entry_id: str,
    if_match: VersionCondition | None,
    room: EntryRoom | None = None,
) -> StoredEntry:
    """Return the entry for an update of it. Raises TimerRunningError when it is running."""
    parsed_task_id, parsed_id = require_task_id(task_id), require_entry_id(entry_id)
    found, stored = await find_in_task(user.id, parsed_task_id, parsed_id)
    task = require_task(found)
    if _running_entry(task, parsed_id):
        raise TimerRunningError
    entry = _require_stored(stored)
    require_version(if_match, room.checked_version(task) if room is not None else task["version"])
    return entry


async def _build_manual_entry(
    user: ActingUser, task: Row, entry_id: ObjectId, new: EntryCreate, interval: Interval
) -> Row:
    billable = task["billable"] if new.billable is None else new.billable
    return TimeEntry.ended(
        entry_id,
        source="manual",
        started_at=interval.started_at,
        ended_at=interval.ended_at,
        duration_seconds=interval.seconds,
        note=new.note,
        tags=new.tags,
        billable=billable,
        timezone=new.timezone or user.timezone,
        hourly_rate=await hourly_rate_for(user.id, task["project_id"], billable),
    )


async def _changes(user: ActingUser, task: Row, entry: Row, fields: dict[str, Any], interval: Interval) -> Row:
    """Return the changed fields. An entry without a rate that becomes billable gets the rate of its project."""
    changes = {name: fields[name] for name in fields.keys() - {"started_at", "ended_at", "duration_seconds"}}
    if changes.get("billable") and not entry["billable"] and entry["hourly_rate"] is None:
        changes["hourly_rate"] = await hourly_rate_for(user.id, task["project_id"], billable=True)
    return {**changes, **_interval_fields(interval), "updated_at": naive_utc(utc_now())}


def _split(entry: Row, split: EntrySplit, second_id: ObjectId) -> tuple[Row, Row]:
    before, after = split_interval(entry, split.at)
    now = naive_utc(utc_now())
    first = {**entry, **_interval_fields(before), "updated_at": now}
    second = {name: value for name, value in first.items() if name not in {"import_id", "import_key"}}
    return first, {**second, **_interval_fields(after), "id": second_id, "created_at": now}


def _interval_fields(interval: Interval) -> Row:
    return {
        "started_at": naive_utc(interval.started_at),
        "ended_at": naive_utc(interval.ended_at),
        "duration_seconds": interval.seconds,
    }


def _next_version(task: Row) -> Row:
    """Return the task with the version that an update of its entries gave it. Its counters are outdated."""
    return {**task, "version": task["version"] + 1}


def _response(task: Row, entry: Row, overlaps: list[OverlapRead] | None = None, *, created: bool = False) -> Versioned:
    body = {**read_entry(str(task["_id"]), entry), **overlaps_member(overlaps)}
    return Versioned(body, task["version"], created=created)


def _split_response(task: Row, first: Row, second: Row, overlaps: list[OverlapRead] | None) -> Versioned:
    task_id = str(task["_id"])
    body = {"first": read_entry(task_id, first), "second": read_entry(task_id, second), **overlaps_member(overlaps)}
    return Versioned(body, task["version"])


time_entry_service = TimeEntryService()
