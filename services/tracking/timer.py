"""The timer: one a user, started and stopped each by one atomic update."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from bson import ObjectId

from app.clock import aware_utc, naive_utc, truncate_to_seconds, utc_now
from app.errors import ConflictError, NotFoundError
from documents.accounts.users import OverlapPolicy
from documents.common.base import DuplicateError, Row
from documents.tracking.deleted_entries import DeletedEntry
from documents.tracking.entries import TimeEntry
from documents.tracking.tasks import Task
from services.common.acting_user import ActingUser
from services.common.concurrency import retry_on_conflict, retry_transaction
from services.common.idempotency import Attempt, RequestKey, run_once
from services.common.intervals import Interval
from services.common.values.versions import VersionCondition, Versioned, require_version
from services.tracking.rules.capacity import require_timer_capacity
from services.tracking.rules.earlier_attempts import find_created_earlier
from services.tracking.rules.errors import EntryNotFoundError, require_entry_id
from services.tracking.rules.instants import clamp_to_now, require_end_after_start
from services.tracking.rules.overlap import check_overlaps, effective_policy, no_overlaps, run_with_policy
from services.tracking.schemas.overlaps import OverlapRead, overlaps_member
from services.tracking.schemas.timer import TimerStart, TimerStop, TimerUpdate, read_stopped, read_timer
from services.tracking.stop import build_ended_entry
from services.tracking.tasks import require_task, require_task_id


class NoRunningTimerError(NotFoundError):
    """No timer of the user runs, or not that one."""

    code = "no_running_timer"
    detail = "No timer is running."


class TimerAlreadyRunningError(ConflictError):
    """Another timer of the user runs; `running` shows it."""

    code = "timer_already_running"
    detail = "A timer is already running: stop it first."


class NothingToResumeError(NotFoundError):
    """No time of the user has been tracked yet."""

    code = "nothing_to_resume"
    detail = "There is nothing to resume: no time has been tracked yet."


class TimerService:
    """The timer of the acting user."""

    async def get(self, user: ActingUser) -> Versioned | None:
        """The running timer, or None."""
        task = await Task.find_running(user.id)
        return None if task is None else _running(task)

    async def start(
        self,
        user: ActingUser,
        *,
        new: TimerStart,
        overlap: OverlapPolicy | None,
        if_match: VersionCondition | None,
        request_key: RequestKey | None,
    ) -> Versioned:
        """The timer that now runs on the task: a new one, or the one that ran on this task already.

        Raises TaskNotFoundError, TimerAlreadyRunningError, TaskFullError, StaleVersionError,
        InTheFutureError for a start more than 60 s ahead, or OverlapError for one in the past.
        """
        return await run_once(user, request_key, lambda work: self._begin(user, new, overlap, if_match, work))

    async def stop(
        self,
        user: ActingUser,
        *,
        stop: TimerStop,
        overlap: OverlapPolicy | None,
        if_match: VersionCondition | None,
        request_key: RequestKey | None,
    ) -> Versioned:
        """The entry that has ended: the running one, or with `entry_id` that one, however often it is asked.

        No rule refuses it. Raises NoRunningTimerError, EntryNotFoundError, TaskNotFoundError,
        StaleVersionError, InTheFutureError for an end more than 60 s ahead, and ValidationError for
        an end before the start; the timer then runs on.
        """
        ended_at = clamp_to_now(stop.ended_at, pointer="#/ended_at")
        entry_id = require_entry_id(stop.entry_id) if stop.entry_id is not None else None
        task_id = require_task_id(stop.task_id) if stop.task_id is not None else None

        async def do(work: Attempt) -> Versioned:
            # Whoever has seen this timer stops this one and no other, also when somebody else is faster.
            seen = work.subject_id

            async def attempt() -> Versioned | None:
                nonlocal seen
                task = await Task.find_running(user.id)
                if task is None or not _is_meant(task, entry_id or seen, task_id):
                    return await self._already_ended(user, entry_id, seen=seen, task_id=task_id)
                require_version(if_match, task["version"])
                seen = task["active"]["id"]
                require_end_after_start(task["active"], stop.ended_at, pointer="#/ended_at")
                entry = await build_ended_entry(user, task, ended_at=ended_at, overlap=overlap)
                await work.save_subject(entry["id"])
                stopped = await Task.stop_timer(task, entry, {})
                return None if stopped is None else _stopped(stopped, entry)

            return await retry_on_conflict(attempt)

        return await run_once(user, request_key, do)

    async def update(
        self,
        user: ActingUser,
        *,
        change: TimerUpdate,
        overlap: OverlapPolicy | None,
        if_match: VersionCondition | None,
    ) -> Versioned:
        """The running timer with the fields that were sent changed; it is corrected before it stops or not at all.

        Raises NoRunningTimerError, StaleVersionError, InTheFutureError for a start more than 60 s
        ahead, or OverlapError for one in the past.
        """
        fields = change.model_dump(exclude_unset=True)
        policy, checked = effective_policy(user, overlap), "started_at" in fields
        if checked:
            fields["started_at"] = naive_utc(clamp_to_now(fields["started_at"], pointer="#/started_at"))
        seen: ObjectId | None = None

        async def attempt() -> Versioned | None:
            nonlocal seen
            task = await self._require_running(user, seen, if_match)
            if not fields:
                return _running(task, no_overlaps(policy))
            seen = task["active"]["id"]
            corrected = {**task["active"], **fields, "updated_at": naive_utc(utc_now())}
            span = Interval(aware_utc(corrected["started_at"]), truncate_to_seconds(utc_now()))
            overlaps = await check_overlaps(user, policy, span, but=seen) if checked else no_overlaps(policy)
            changed = await Task.update_timer(task, corrected)
            return None if changed is None else _running(changed, overlaps)

        return await run_with_policy(policy if checked else "allow", attempt)

    async def discard(self, user: ActingUser, *, if_match: VersionCondition | None) -> None:
        """Takes the running timer away; what it has tracked can be brought back for 30 days.

        Raises NoRunningTimerError or StaleVersionError.
        """
        seen: ObjectId | None = None

        async def attempt() -> Row | None:
            nonlocal seen
            task = await self._require_running(user, seen, if_match)
            seen = task["active"]["id"]
            discarded = await Task.discard_timer(task)
            if discarded is not None:
                await DeletedEntry.store(task, await build_ended_entry(user, task, ended_at=utc_now()))
            return discarded

        await retry_transaction(attempt)

    async def resume(
        self,
        user: ActingUser,
        *,
        overlap: OverlapPolicy | None,
        if_match: VersionCondition | None,
        request_key: RequestKey | None,
    ) -> Versioned:
        """A new timer on the task that was tracked last, with the note, the tags and the billing of its last entry.

        Raises NothingToResumeError, TimerAlreadyRunningError, TaskFullError or StaleVersionError.
        """

        async def do(work: Attempt) -> Versioned:
            made = await _begun_before(user, work)
            return made or await self._begin(user, await _once_more(user), overlap, if_match, work)

        return await run_once(user, request_key, do)

    async def _begin(
        self,
        user: ActingUser,
        new: TimerStart,
        overlap: OverlapPolicy | None,
        if_match: VersionCondition | None,
        work: Attempt,
    ) -> Versioned:
        task_id, entry_id = require_task_id(new.task_id), work.new_id()
        clamp_to_now(new.started_at, pointer="#/started_at")  # a wrong instant is told before all else
        policy = effective_policy(user, overlap)
        checked = new.started_at is not None and policy != "allow"

        async def attempt() -> Versioned | None:
            made = await _begun_before(user, work)
            if made is not None:
                return made
            task = require_task(await Task.find_live(user.id, task_id))
            require_version(if_match, task["version"])
            if "active" in task:
                return _running(task, no_overlaps(policy))
            await require_timer_capacity(task)
            # At each try anew: a timer that has ended since the try before must not share time with this one.
            started_at = clamp_to_now(new.started_at, pointer="#/started_at")
            overlaps = await self._overlaps_of_start(user, policy, started_at) if checked else no_overlaps(policy)
            started = await Task.start_timer(task, new_timer_entry(user, task, entry_id, new, started_at))
            return None if started is None else _running(started, overlaps, created=True)

        return await retry_on_conflict(lambda: self._alone(user, attempt, as_one=checked))

    async def _require_running(self, user: ActingUser, seen: ObjectId | None, if_match: VersionCondition | None) -> Row:
        """The task whose timer runs: the timer that was seen before, or any. Raises NoRunningTimerError."""
        task = await Task.find_running(user.id)
        if task is None or not _is_meant(task, seen, None):
            raise NoRunningTimerError
        require_version(if_match, task["version"])
        return task

    async def _overlaps_of_start(
        self, user: ActingUser, policy: OverlapPolicy, started_at: datetime
    ) -> list[OverlapRead] | None:
        """What a start in the past overlaps; another timer is no overlap, it is in the way whatever the policy."""
        await self._refuse_beside_another(user)
        return await check_overlaps(user, policy, Interval(started_at, truncate_to_seconds(utc_now())))

    async def _alone(
        self, user: ActingUser, attempt: Callable[[], Awaitable[Versioned | None]], *, as_one: bool
    ) -> Versioned | None:
        """What the attempt answers; None where the other timer, beside which it cannot run, has ended meanwhile."""
        try:
            return await (Task.run_in_transaction(attempt) if as_one else attempt())
        except DuplicateError:
            await self._refuse_beside_another(user)
            return None

    async def _refuse_beside_another(self, user: ActingUser) -> None:
        """Raises TimerAlreadyRunningError; returns when the other timer has ended meanwhile."""
        running = await Task.find_running(user.id)
        if running is not None:
            raise TimerAlreadyRunningError(running=read_timer(running, utc_now()))

    async def _already_ended(
        self, user: ActingUser, entry_id: ObjectId | None, *, seen: ObjectId | None, task_id: ObjectId | None
    ) -> Versioned:
        """The entry that was asked for, or the one that was seen running, ended by somebody else."""
        meant = entry_id or seen
        if meant is None and task_id is not None:
            require_task(await Task.find_live(user.id, task_id))
        task = None if meant is None else await Task.find_with_ended_entry(user.id, meant, task_id=task_id)
        if task is None and meant is not None and task_id is not None:
            task = await Task.find_with_ended_entry(user.id, meant, task_id=None)
        if task is None:
            if entry_id is not None:
                raise EntryNotFoundError
            raise NoRunningTimerError(None if task_id is None else "No timer is running on this task.")
        return _stopped(task, task["time_entries"][0])


async def _once_more(user: ActingUser) -> TimerStart:
    """A start like that of the entry that ended last. Raises NothingToResumeError."""
    task = await Task.find_last_tracked(user.id)
    if task is None or not task.get("time_entries"):
        raise NothingToResumeError
    (last,) = task["time_entries"]
    return TimerStart(task_id=str(task["_id"]), note=last["note"], tags=last["tags"], billable=last["billable"])


async def _begun_before(user: ActingUser, work: Attempt) -> Versioned | None:
    """The timer that an earlier try of this request has started."""
    made = await find_created_earlier(user, work)
    return None if made is None else _running({**made[0], "active": made[1]}, created=True)


def _running(task: Row, overlaps: list[OverlapRead] | None = None, *, created: bool = False) -> Versioned:
    body = {**read_timer(task, utc_now()), **overlaps_member(overlaps)}
    return Versioned(body, task["version"], created=created)


def _stopped(task: Row, entry: Row) -> Versioned:
    return Versioned(read_stopped(task, entry, utc_now()), task["version"])


def new_timer_entry(user: ActingUser, task: Row, entry_id: ObjectId, new: TimerStart, started_at: datetime) -> Row:
    """The entry of a timer that starts on this task."""
    return TimeEntry.running(
        entry_id,
        started_at=started_at,
        note=new.note,
        tags=new.tags,
        billable=task["billable"] if new.billable is None else new.billable,
        timezone=user.timezone,
    )


def _is_meant(task: Row, entry_id: ObjectId | None, task_id: ObjectId | None) -> bool:
    """Whether the running timer is the one to stop: an entry's id alone decides where it was sent."""
    if entry_id is not None:
        return bool(task["active"]["id"] == entry_id)
    return task_id is None or bool(task["_id"] == task_id)


timer_service = TimerService()
