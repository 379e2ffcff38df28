"""The time entries of a task: written down, corrected, split, moved, deleted and brought back."""

from typing import Any

from bson import ObjectId

from app.clock import naive_utc, utc_now
from app.errors import ConflictError
from documents.accounts.users import OverlapPolicy
from documents.common.base import Row
from documents.tracking.deleted_entries import DeletedEntry
from documents.tracking.entries import TimeEntry
from documents.tracking.tasks import Task
from services.common.acting_user import ActingUser
from services.common.concurrency import retry_transaction
from services.common.idempotency import Attempt, RequestKey, run_once
from services.common.intervals import Interval
from services.common.values.fields import PageQuery
from services.common.values.versions import VersionCondition, Versioned, require_version
from services.tracking.entry_list import list_entries, list_task_entries
from services.tracking.rules.capacity import require_entry_capacity, require_update_capacity
from services.tracking.rules.earlier_attempts import find_created_earlier, find_entry_anywhere
from services.tracking.rules.errors import EntryNotFoundError, require_entry_id
from services.tracking.rules.instants import entry_interval, new_entry_interval, split_interval, updated_interval
from services.tracking.rules.overlap import check_overlaps, effective_policy, no_overlaps, run_with_policy
from services.tracking.rules.rates import hourly_rate_for
from services.tracking.schemas.entries import EntryPage, EntryQuery, read_entry
from services.tracking.schemas.entry_changes import EntryCreate, EntryMove, EntrySplit, EntryUpdate
from services.tracking.schemas.overlaps import OverlapRead, overlaps_member
from services.tracking.tasks import require_task, require_task_id


class TimerRunningError(ConflictError):
    """The entry is a running timer's."""

    code = "timer_running"
    detail = "The timer of this entry is running: stop it first, or change it by PATCH /timer."


class TimeEntryService:
    """The time entries of the acting user. Somebody else's are not found.

    Each change is of exactly the version of the task that was read, and is tried again on the next
    one: what others change meanwhile is never lost.
    """

    async def list_entries(self, user: ActingUser, *, query: EntryQuery) -> EntryPage:
        """A page of the entries of all tasks. Raises ValidationError or InvalidCursorError."""
        return await list_entries(user, query)

    async def list_task_entries(self, user: ActingUser, *, task_id: str, query: PageQuery) -> EntryPage:
        """A page of the entries of a task, newest first. Raises TaskNotFoundError or InvalidCursorError."""
        task = require_task(await Task.find_live(user.id, require_task_id(task_id)))
        return await list_task_entries(user, task["_id"], query)

    async def get(self, user: ActingUser, *, task_id: str, entry_id: str) -> Versioned:
        """The entry, ended or running, with its task's version. Raises TaskNotFoundError or EntryNotFoundError."""
        wanted, meant = require_task_id(task_id), require_entry_id(entry_id)
        task = require_task(await Task.find_with_entry(user.id, wanted, meant))
        entry = _running(task, meant) or _ended(task)
        return Versioned(read_entry(str(task["_id"]), entry), task["version"])

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
        """The new entry. Raises TaskNotFoundError, TaskFullError, OverlapError, StaleVersionError, InTheFutureError."""
        wanted, span, policy = require_task_id(task_id), new_entry_interval(new), effective_policy(user, overlap)

        async def do(work: Attempt) -> Versioned:
            entry_id = work.new_id()

            async def attempt() -> Versioned | None:
                made = await find_created_earlier(user, work)
                if made is not None:
                    return _read(*made, created=True)
                task = require_task(await Task.find_live(user.id, wanted))
                require_version(if_match, task["version"])
                await require_entry_capacity(task)
                overlaps = await check_overlaps(user, policy, span)
                entry = await _manual_entry(user, task, entry_id, new, span)
                changed = await Task.add_entry(task, entry)
                return None if changed is None else _read(changed, entry, overlaps, created=True)

            return await run_with_policy(policy, attempt)

        return await run_once(user, request_key, do)

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
        """The entry with the fields that were sent changed.

        Raises TaskNotFoundError, EntryNotFoundError, TimerRunningError, TaskFullError, OverlapError,
        StaleVersionError, ValidationError or InTheFutureError.
        """
        fields, policy = change.model_dump(exclude_unset=True), effective_policy(user, overlap)

        async def attempt() -> Versioned | None:
            task, entry = await _read_ended(user, task_id, entry_id, if_match)
            if not fields:
                return _read(task, entry, no_overlaps(policy))
            span = updated_interval(entry, fields)
            overlaps = await self._overlaps_of_change(user, policy, entry, span)
            changed = {**entry, **await _changes(user, task, entry, fields, span)}
            await require_update_capacity(task, entry, changed)
            done = await Task.replace_entry(task, changed)
            return _read(_next(task), changed, overlaps) if done else None

        return await run_with_policy(policy, attempt)

    async def delete(self, user: ActingUser, *, task_id: str, entry_id: str, if_match: VersionCondition | None) -> None:
        """Takes the entry out of its task; it can be brought back for 30 days.

        Raises TaskNotFoundError, EntryNotFoundError, TimerRunningError or StaleVersionError.
        """

        async def attempt() -> bool | None:
            task, entry = await _read_ended(user, task_id, entry_id, if_match)
            if not await Task.remove_entry(task, entry["id"]):
                return None
            await DeletedEntry.store(task, entry)
            return True

        await retry_transaction(attempt)

    async def restore(
        self,
        user: ActingUser,
        *,
        entry_id: str,
        overlap: OverlapPolicy | None,
        if_match: VersionCondition | None,
        request_key: RequestKey | None,
    ) -> Versioned:
        """The deleted entry or discarded timer, back in its task; one that is there already stays as it is.

        Raises EntryNotFoundError, TaskNotFoundError, TaskFullError, OverlapError or StaleVersionError.
        """
        meant, policy = require_entry_id(entry_id), effective_policy(user, overlap)

        async def attempt(work: Attempt) -> Versioned | None:
            deleted = await DeletedEntry.find_restorable(user.id, meant)
            if deleted is None:
                # It may be an earlier try of this request that has brought it back, and so made the next version.
                return await self._never_deleted(user, meant, policy, None if work.is_retry else if_match)
            task = require_task(await Task.find_live(user.id, deleted["task_id"]))
            require_version(if_match, task["version"])
            await require_entry_capacity(task)
            entry = {**deleted["entry"], "updated_at": naive_utc(utc_now())}
            overlaps = await check_overlaps(user, policy, entry_interval(entry))
            changed = await Task.add_entry(task, entry)
            if changed is None or not await DeletedEntry.remove(deleted):
                return None
            return _read(changed, entry, overlaps)

        return await run_once(user, request_key, lambda work: retry_transaction(lambda: attempt(work)))

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
        """The two entries that the one becomes: the earlier keeps its id, the later has a new one.

        Raises TaskNotFoundError, EntryNotFoundError, TimerRunningError, TaskFullError, OverlapError,
        StaleVersionError, or ValidationError for an instant that is not strictly inside.
        """
        policy = effective_policy(user, overlap)

        async def do(work: Attempt) -> Versioned:
            second_id = work.new_id()

            async def attempt() -> Versioned | None:
                made = await find_created_earlier(user, work)
                if made is not None:
                    return await self._find_split(user, entry_id, *made)
                task, entry = await _read_ended(user, task_id, entry_id, if_match)
                first, second = _halves(entry, split, second_id)
                await require_entry_capacity(task)
                overlaps = await check_overlaps(user, policy, entry_interval(entry), but=entry["id"])
                done = await Task.split_entry(task, first, second)
                return _read_split(_next(task), first, second, overlaps) if done else None

            return await run_with_policy(policy, attempt)

        return await run_once(user, request_key, do)

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
        """The entry, now in another task; it keeps its id and all that it says.

        Raises TaskNotFoundError, EntryNotFoundError, TimerRunningError, TaskFullError, OverlapError
        or StaleVersionError.
        """
        target_id, policy = require_task_id(move.task_id), effective_policy(user, overlap)

        async def do(work: Attempt) -> Versioned:
            async def attempt() -> Versioned | None:
                target = require_task(await Task.find_with_entry(user.id, target_id, require_entry_id(entry_id)))
                if work.is_retry and target["time_entries"]:
                    return _read(target, target["time_entries"][0])
                task, entry = await _read_ended(user, task_id, entry_id, if_match)
                if task["_id"] == target_id:
                    return _read(task, entry, no_overlaps(policy))
                await require_entry_capacity(target)
                overlaps = await check_overlaps(user, policy, entry_interval(entry), but=entry["id"])
                moved = {**entry, "updated_at": naive_utc(utc_now())}
                changed = await Task.add_entry(target, moved)
                if changed is None or not await Task.remove_entry(task, entry["id"]):
                    return None
                return _read(changed, moved, overlaps)

            return await retry_transaction(attempt)

        return await run_once(user, request_key, do)

    async def _overlaps_of_change(
        self, user: ActingUser, policy: OverlapPolicy, entry: Row, span: Interval
    ) -> list[OverlapRead] | None:
        """An entry that keeps its time is not checked: what it says can be corrected whatever it overlaps."""
        if span == entry_interval(entry):
            return no_overlaps(policy)
        return await check_overlaps(user, policy, span, but=entry["id"])

    async def _never_deleted(
        self, user: ActingUser, entry_id: ObjectId, policy: OverlapPolicy, if_match: VersionCondition | None
    ) -> Versioned:
        task = await Task.find_with_ended_entry(user.id, entry_id, task_id=None)
        if task is None:
            raise EntryNotFoundError
        require_version(if_match, task["version"])
        return _read(task, task["time_entries"][0], no_overlaps(policy))

    async def _find_split(self, user: ActingUser, first_id: str, task: Row, second: Row) -> Versioned:
        first = await find_entry_anywhere(user, require_entry_id(first_id))
        if first is None:
            raise EntryNotFoundError
        return _read_split(task, first[1], second, None)


def _running(task: Row, entry_id: ObjectId) -> Row | None:
    active: Row | None = task.get("active")
    return active if active is not None and active["id"] == entry_id else None


def _ended(task: Row) -> Row:
    """The ended entry that the task was read with. Raises EntryNotFoundError when it holds no such entry."""
    if not task["time_entries"]:
        raise EntryNotFoundError
    entry: Row = task["time_entries"][0]
    return entry


async def _read_ended(
    user: ActingUser, task_id: str, entry_id: str, if_match: VersionCondition | None
) -> tuple[Row, Row]:
    """The task and its entry that is to be changed."""
    wanted, meant = require_task_id(task_id), require_entry_id(entry_id)
    task = require_task(await Task.find_with_entry(user.id, wanted, meant))
    if _running(task, meant):
        raise TimerRunningError
    entry = _ended(task)
    require_version(if_match, task["version"])
    return task, entry


async def _manual_entry(user: ActingUser, task: Row, entry_id: ObjectId, new: EntryCreate, span: Interval) -> Row:
    billable = task["billable"] if new.billable is None else new.billable
    return TimeEntry.ended(
        entry_id,
        source="manual",
        started_at=span.started_at,
        ended_at=span.ended_at,
        duration_seconds=span.seconds,
        note=new.note,
        tags=new.tags,
        billable=billable,
        timezone=new.timezone or user.timezone,
        hourly_rate=await hourly_rate_for(user.id, task["project_id"], billable),
    )


async def _changes(user: ActingUser, task: Row, entry: Row, fields: dict[str, Any], span: Interval) -> Row:
    """What a change makes different: an entry that becomes billable takes its project's rate, if it has none yet."""
    changed = {name: fields[name] for name in fields.keys() - {"started_at", "ended_at", "duration_seconds"}}
    if changed.get("billable") and not entry["billable"] and entry["hourly_rate"] is None:
        changed["hourly_rate"] = await hourly_rate_for(user.id, task["project_id"], billable=True)
    return {**changed, **_timed(span), "updated_at": naive_utc(utc_now())}


def _halves(entry: Row, split: EntrySplit, second_id: ObjectId) -> tuple[Row, Row]:
    before, after = split_interval(entry, split.at)
    now = naive_utc(utc_now())
    first = {**entry, **_timed(before), "updated_at": now}
    second = {name: value for name, value in first.items() if name not in {"import_id", "import_key"}}
    return first, {**second, **_timed(after), "id": second_id, "created_at": now}


def _timed(span: Interval) -> Row:
    return {
        "started_at": naive_utc(span.started_at),
        "ended_at": naive_utc(span.ended_at),
        "duration_seconds": span.seconds,
    }


def _next(task: Row) -> Row:
    """The task as a change of its entries leaves it, as far as an answer about an entry shows it."""
    return {**task, "version": task["version"] + 1}


def _read(task: Row, entry: Row, overlaps: list[OverlapRead] | None = None, *, created: bool = False) -> Versioned:
    body = {**read_entry(str(task["_id"]), entry), **overlaps_member(overlaps)}
    return Versioned(body, task["version"], created=created)


def _read_split(task: Row, first: Row, second: Row, overlaps: list[OverlapRead] | None) -> Versioned:
    task_id = str(task["_id"])
    body = {"first": read_entry(task_id, first), "second": read_entry(task_id, second), **overlaps_member(overlaps)}
    return Versioned(body, task["version"])


time_entry_service = TimeEntryService()
