"""The service of the timer. A user has at most one; each start and stop is one atomic update."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from bson import ObjectId

from app.clock import aware_utc, naive_utc, truncate_to_seconds, utc_now
from app.errors import ConflictError, NotFoundError
from documents.accounts.users import OverlapPolicy
from documents.common.base import DuplicateError, Row
from documents.tracking.deleted_entries import DeletedEntry
from documents.tracking.entries import TimeEntry
from documents.tracking.stored_entries import find_anywhere, find_last_tracked
from documents.tracking.tasks import Task
from services.common.acting_user import ActingUser
from services.common.concurrency import retry_on_conflict, retry_transaction
from services.common.idempotency import Attempt, RequestKey, run_once
from services.common.intervals import Interval
from services.common.values.versions import VersionCondition, Versioned, require_version
from services.tracking.new_task import add_running_task, ensure_live_project, new_task_fields, require_no_version
from services.tracking.rules.capacity import EntryRoom
from services.tracking.rules.changes import timer_corrected, timer_discarded, timer_started, timer_stopped
from services.tracking.rules.earlier_attempts import find_created_earlier
from services.tracking.rules.errors import EntryNotFoundError, require_entry_id
from services.tracking.rules.instants import clamp_to_now, require_end_after_start
from services.tracking.rules.overlap import check_overlaps, effective_policy, no_overlaps, run_with_policy
from services.tracking.schemas.overlaps import OverlapRead, overlaps_member
from services.tracking.schemas.timer import TimerStart, TimerStop, TimerTarget, TimerUpdate, read_stopped, read_timer
from services.tracking.stop import build_ended_entry
from services.tracking.tasks import require_task, require_task_id


class NoRunningTimerError(NotFoundError):
    """No timer of the user is running, or not the one that was requested."""

    code = "no_running_timer"
    detail = "No timer is running."


class TimerAlreadyRunningError(ConflictError):
    """Another timer of the user is running. `running` shows it."""

    code = "timer_already_running"
    detail = "Another timer is already running. Stop it first."


class NothingToResumeError(NotFoundError):
    """The user has not tracked any time yet."""

    code = "nothing_to_resume"
    detail = "There is nothing to resume, because no time has been tracked yet."


class TimerService:
    """The timer of the acting user."""

    async def get(self, user: ActingUser) -> Versioned | None:
        """Return the running timer, or None."""
        task = await Task.find_running(user.id)
        return None if task is None else _timer_response(task)

    async def start(
        self,
        user: ActingUser,
        *,
        new: TimerStart,
        overlap: OverlapPolicy | None,
        if_match: VersionCondition | None,
        request_key: RequestKey | None,
    ) -> Versioned:
        """Start a timer on the task, or return the one that already runs on this task.

        With a title, create the task and start the timer in one write.

        Raises TaskNotFoundError, TimerAlreadyRunningError, TaskFullError, StaleVersionError,
        InTheFutureError for a start more than 60 seconds ahead, OverlapError for one in the past, and for a
        new task ValidationError or InsufficientScopeError.
        """
        start = self._start if new.title is None else self._start_on_new_task
        return await run_once(user, request_key, lambda attempt: start(user, new, overlap, if_match, attempt))

    async def stop(
        self,
        user: ActingUser,
        *,
        stop: TimerStop,
        overlap: OverlapPolicy | None,
        if_match: VersionCondition | None,
        request_key: RequestKey | None,
    ) -> Versioned:
        """Stop the timer and return the ended entry. With `entry_id`, a repeated call returns the same entry.

        Raises NoRunningTimerError, EntryNotFoundError, TaskNotFoundError, StaleVersionError,
        InTheFutureError for an end more than 60 seconds ahead, and ValidationError for an end before the
        start. No error stops the timer.
        """
        ended_at = clamp_to_now(stop.ended_at, pointer="#/ended_at")
        entry_id = require_entry_id(stop.entry_id) if stop.entry_id is not None else None
        task_id = require_task_id(stop.task_id) if stop.task_id is not None else None

        async def run_attempt(attempt: Attempt) -> Versioned:
            # A try that has read a timer stops this one and no other, even after a concurrent stop and start.
            target_id = attempt.subject_id

            async def try_stop() -> Versioned | None:
                nonlocal target_id
                task = await Task.find_running(user.id)
                if task is None or not _is_requested(task, entry_id or target_id, task_id):
                    return await self._find_stopped(user, entry_id, target_id=target_id, task_id=task_id)
                require_version(if_match, task["version"])
                target_id = task["active"]["id"]
                require_end_after_start(task["active"], stop.ended_at, pointer="#/ended_at")
                entry = await build_ended_entry(user, task, ended_at=ended_at, overlap=overlap)
                await attempt.save_subject(entry["id"])
                stopped = await Task.stop_timer(task, entry, {}, timer_stopped(entry))
                return None if stopped is None else _stopped_response(stopped, entry)

            return await retry_on_conflict(user.id, try_stop)

        return await run_once(user, request_key, run_attempt)

    async def update(
        self,
        user: ActingUser,
        *,
        change: TimerUpdate,
        overlap: OverlapPolicy | None,
        if_match: VersionCondition | None,
    ) -> Versioned:
        """Update the fields of the running timer that were sent. An ended entry is never updated.

        Raises NoRunningTimerError, StaleVersionError, InTheFutureError for a start more than 60 seconds
        ahead, or OverlapError for one in the past.
        """
        fields = change.model_dump(exclude_unset=True)
        policy, is_checked = effective_policy(user, overlap), "started_at" in fields
        if is_checked:
            fields["started_at"] = naive_utc(clamp_to_now(fields["started_at"], pointer="#/started_at"))
        entry_id: ObjectId | None = None

        async def try_update() -> Versioned | None:
            nonlocal entry_id
            task = await self._require_running(user, entry_id, if_match)
            if not fields:
                return _timer_response(task, no_overlaps(policy))
            entry_id = task["active"]["id"]
            entry = {**task["active"], **fields, "updated_at": naive_utc(utc_now())}
            interval = Interval(aware_utc(entry["started_at"]), truncate_to_seconds(utc_now()))
            overlaps = no_overlaps(policy)
            if is_checked:
                overlaps = await check_overlaps(user, policy, interval, exclude_id=entry_id)
            updated = await Task.update_timer(task, entry, timer_corrected)
            return None if updated is None else _timer_response(updated, overlaps)

        return await run_with_policy(user, policy if is_checked else "allow", try_update)

    async def discard(self, user: ActingUser, *, if_match: VersionCondition | None) -> None:
        """Discard the running timer. The time it tracked can be restored for 30 days.

        Raises NoRunningTimerError or StaleVersionError.
        """
        entry_id: ObjectId | None = None

        async def try_discard() -> Row | None:
            nonlocal entry_id
            task = await self._require_running(user, entry_id, if_match)
            entry_id = task["active"]["id"]
            updated = await Task.discard_timer(task, timer_discarded(entry_id))
            if updated is not None:
                await DeletedEntry.store(task, await build_ended_entry(user, task, ended_at=utc_now()))
            return updated

        await retry_transaction(user.id, try_discard)

    async def resume(
        self,
        user: ActingUser,
        *,
        overlap: OverlapPolicy | None,
        if_match: VersionCondition | None,
        request_key: RequestKey | None,
    ) -> Versioned:
        """Start a timer on the most recently tracked task, with the note, tags and billable flag of its last entry.

        Raises NothingToResumeError, TimerAlreadyRunningError, TaskFullError or StaleVersionError.
        """

        async def run_attempt(attempt: Attempt) -> Versioned:
            earlier = await _find_started(user, attempt)
            return earlier or await self._start(user, await _last_tracked(user), overlap, if_match, attempt)

        return await run_once(user, request_key, run_attempt)

    async def _start(
        self,
        user: ActingUser,
        new: TimerStart,
        overlap: OverlapPolicy | None,
        if_match: VersionCondition | None,
        attempt: Attempt,
    ) -> Versioned:
        task_id, entry_id = require_task_id(new.task_id or ""), attempt.new_id()
        clamp_to_now(new.started_at, pointer="#/started_at")  # reports an invalid instant before any other error
        policy = effective_policy(user, overlap)
        is_checked = new.started_at is not None and policy != "allow"
        room = EntryRoom()

        async def try_start() -> Versioned | None:
            earlier = await _find_started(user, attempt)
            if earlier is not None:
                return earlier
            task = require_task(await Task.find_live(user.id, task_id))
            require_version(if_match, room.checked_version(task))
            if "active" in task:
                return _timer_response(task, no_overlaps(policy))
            await room.require_for_timer(task)
            # Computed in each try: a timer that was stopped since the last try must not overlap this one.
            started_at = clamp_to_now(new.started_at, pointer="#/started_at")
            overlaps = await self._check_past_start(user, policy, started_at) if is_checked else no_overlaps(policy)
            entry = new_timer_entry(user, task, entry_id, new, started_at)
            started = await Task.start_timer(task, entry, timer_started)
            return None if started is None else _timer_response(started, overlaps, created=True)

        async def try_start_once() -> Versioned | None:
            return await self._try_start_once(user, try_start, in_transaction=is_checked)

        return await retry_on_conflict(user.id, lambda: room.run(try_start_once))

    async def _start_on_new_task(
        self,
        user: ActingUser,
        new: TimerStart,
        overlap: OverlapPolicy | None,
        if_match: VersionCondition | None,
        attempt: Attempt,
    ) -> Versioned:
        clamp_to_now(new.started_at, pointer="#/started_at")  # reports an invalid instant before any other error
        policy, entry_id = effective_policy(user, overlap), attempt.new_id()
        is_checked = new.started_at is not None and policy != "allow"

        async def try_start() -> Versioned | None:
            earlier = await _find_started(user, attempt)
            if earlier is not None:
                return earlier
            require_no_version(if_match)
            fields = await new_task_fields(user, new)
            # Computed in each try: a timer that was stopped since the last try must not overlap this one.
            started_at = clamp_to_now(new.started_at, pointer="#/started_at")
            overlaps = await self._check_past_start(user, policy, started_at) if is_checked else no_overlaps(policy)
            entry = new_timer_entry(user, fields, entry_id, new, started_at)
            started = await add_running_task(user, attempt, fields, entry)
            return _timer_response(started, overlaps, created=True)

        response = await retry_on_conflict(
            user.id, lambda: self._try_start_once(user, try_start, in_transaction=is_checked)
        )
        return await ensure_live_project(user, response.body, response)

    async def _require_running(
        self, user: ActingUser, entry_id: ObjectId | None, if_match: VersionCondition | None
    ) -> Row:
        """Return the task with this running entry, or with any when it is None. Raises NoRunningTimerError."""
        task = await Task.find_running(user.id)
        if task is None or not _is_requested(task, entry_id, None):
            raise NoRunningTimerError
        require_version(if_match, task["version"])
        return task

    async def _check_past_start(
        self, user: ActingUser, policy: OverlapPolicy, started_at: datetime
    ) -> list[OverlapRead] | None:
        """Return the overlaps of a start in the past. Another running timer is an error under every policy."""
        await self._require_no_timer(user)
        return await check_overlaps(user, policy, Interval(started_at, truncate_to_seconds(utc_now())))

    async def _try_start_once(
        self, user: ActingUser, try_start: Callable[[], Awaitable[Versioned | None]], *, in_transaction: bool
    ) -> Versioned | None:
        """Return the result of one try, or None to retry when the other timer has been stopped since."""
        try:
            return await (Task.run_in_transaction(try_start) if in_transaction else try_start())
        except DuplicateError:
            await self._require_no_timer(user)
            return None

    async def _require_no_timer(self, user: ActingUser) -> None:
        """Raise TimerAlreadyRunningError when a timer is running."""
        running = await Task.find_running(user.id)
        if running is not None:
            raise TimerAlreadyRunningError(running=read_timer(running, utc_now()))

    async def _find_stopped(
        self, user: ActingUser, entry_id: ObjectId | None, *, target_id: ObjectId | None, task_id: ObjectId | None
    ) -> Versioned:
        """Return the requested entry, or the one that an earlier try was about to stop, when it has ended already."""
        ended_id = entry_id or target_id
        if ended_id is None and task_id is not None:
            require_task(await Task.find_live(user.id, task_id))
        stored = None if ended_id is None else await find_anywhere(user.id, ended_id, task_id=task_id)
        if stored is None and ended_id is not None and task_id is not None:
            stored = await find_anywhere(user.id, ended_id)
        if stored is None:
            if entry_id is not None:
                raise EntryNotFoundError
            raise NoRunningTimerError(None if task_id is None else "No timer is running on this task.")
        return _stopped_response(stored.task, stored.entry)


async def _last_tracked(user: ActingUser) -> TimerStart:
    """Return the start of a timer like the entry that ended last. Raises NothingToResumeError."""
    stored = await find_last_tracked(user.id)
    if stored is None:
        raise NothingToResumeError
    last = stored.entry
    return TimerStart(task_id=str(stored.task["_id"]), note=last["note"], tags=last["tags"], billable=last["billable"])


async def _find_started(user: ActingUser, attempt: Attempt) -> Versioned | None:
    """Return the timer that an earlier attempt of this request started, or None."""
    earlier = await find_created_earlier(user, attempt)
    return None if earlier is None else _timer_response({**earlier[0], "active": earlier[1]}, created=True)


def _timer_response(task: Row, overlaps: list[OverlapRead] | None = None, *, created: bool = False) -> Versioned:
    body = {**read_timer(task, utc_now()), **overlaps_member(overlaps)}
    return Versioned(body, task["version"], created=created)


def _stopped_response(task: Row, entry: Row) -> Versioned:
    return Versioned(read_stopped(task, entry, utc_now()), task["version"])


def new_timer_entry(user: ActingUser, task: Row, entry_id: ObjectId, new: TimerTarget, started_at: datetime) -> Row:
    """Build the entry of a timer that starts on this task."""
    return TimeEntry.running(
        entry_id,
        started_at=started_at,
        note=new.note,
        tags=new.tags,
        billable=task["billable"] if new.billable is None else new.billable,
        timezone=user.timezone,
    )


def _is_requested(task: Row, entry_id: ObjectId | None, task_id: ObjectId | None) -> bool:
    """Whether the running timer of the task is the requested one. `entry_id` takes precedence over `task_id`."""
    if entry_id is not None:
        return bool(task["active"]["id"] == entry_id)
    return task_id is None or bool(task["_id"] == task_id)


timer_service = TimerService()
