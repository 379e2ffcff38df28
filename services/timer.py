"""The timer: one a user, started and stopped each by one atomic update."""

from datetime import datetime, timedelta

from bson import ObjectId

from app.clock import aware, rfc3339, stored, to_seconds, utc_now
from app.errors import ConflictError, FieldError, NotFoundError, ValidationError
from documents.base import DuplicateError, Row
from documents.entries import TimeEntry
from documents.tasks import MOST_ENTRIES, Task
from services.authentication import ActingUser
from services.contention import until_settled
from services.entry_errors import EntryNotFoundError, require_entry_id
from services.schemas.timer import TimerCorrection, TimerStart, TimerStop, read_stopped, read_timer
from services.schemas.versions import VersionCondition, Versioned, require_version
from services.stopping import ended_entry
from services.tasks import require_task, require_task_id

FORGIVEN_AHEAD = timedelta(seconds=60)
"""How far a client's clock may be ahead: up to that its instant is taken for now."""


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


class TaskFullError(ConflictError):
    """The task holds as many entries as a task can."""

    code = "task_full"
    detail = f"The task holds {MOST_ENTRIES:,} time entries, which is the most: go on in a new task."


class InTheFutureError(ValidationError):
    """An instant is later than the server's clock allows."""

    code = "in_the_future"


class TimerService:
    """The timer of the acting user."""

    async def current(self, user: ActingUser) -> Versioned | None:
        """The running timer, or None."""
        task = await Task.find_running(user.id)
        return None if task is None else _running(task)

    async def start(self, user: ActingUser, *, new: TimerStart, if_match: VersionCondition | None) -> Versioned:
        """The timer that now runs on the task: a new one, or the one that ran on this task already.

        Raises TaskNotFoundError, TimerAlreadyRunningError, TaskFullError, StaleVersionError, or
        InTheFutureError for a start more than 60 s ahead.
        """
        task_id = require_task_id(new.task_id)
        started_at = _instant_up_to_now(new.started_at, pointer="#/started_at")

        async def attempt() -> Versioned | None:
            task = require_task(await Task.find_live(user.id, task_id))
            if "active" in task:
                return _running(task)
            require_version(if_match, task["version"])
            if task["entry_count"] >= MOST_ENTRIES:
                raise TaskFullError
            try:
                started = await Task.start_timer(task, _new_entry(user, task, new, started_at))
            except DuplicateError:
                await self._refuse_beside_another(user)
                return None
            return None if started is None else _running(started, created=True)

        return await until_settled(attempt)

    async def stop(self, user: ActingUser, *, stop: TimerStop, if_match: VersionCondition | None) -> Versioned:
        """The entry that has ended: the running one, or with `entry_id` that one, however often it is asked.

        No rule refuses it. Raises NoRunningTimerError, EntryNotFoundError, TaskNotFoundError,
        StaleVersionError, InTheFutureError for an end more than 60 s ahead, and ValidationError for
        an end before the start; the timer then runs on.
        """
        ended_at = _instant_up_to_now(stop.ended_at, pointer="#/ended_at")
        entry_id = _entry_id(stop)
        task_id = require_task_id(stop.task_id) if stop.task_id is not None else None
        seen: ObjectId | None = None

        async def attempt() -> Versioned | None:
            nonlocal seen
            task = await Task.find_running(user.id)
            if task is None or not _is_meant(task, entry_id or seen, task_id):
                return await self._already_ended(user, entry_id, seen=seen, task_id=task_id)
            require_version(if_match, task["version"])
            # Whoever has seen this timer stops this one and no other, also when somebody else is faster.
            seen = task["active"]["id"]
            if stop.ended_at is not None:
                _refuse_an_end_before_the_start(task["active"], stop.ended_at)
            entry = await ended_entry(user, task, ended_at=ended_at)
            stopped = await Task.stop_timer(task, entry, {})
            return None if stopped is None else _stopped(stopped, entry)

        return await until_settled(attempt)

    async def correct(
        self, user: ActingUser, *, change: TimerCorrection, if_match: VersionCondition | None
    ) -> Versioned:
        """The running timer with the fields that were sent changed; it is corrected before it stops or not at all.

        Raises NoRunningTimerError, StaleVersionError, or InTheFutureError for a start more than 60 s ahead.
        """
        fields = change.model_dump(exclude_unset=True)
        if "started_at" in fields:
            fields["started_at"] = stored(_instant_up_to_now(fields["started_at"], pointer="#/started_at"))
        seen: ObjectId | None = None

        async def attempt() -> Versioned | None:
            nonlocal seen
            task = await Task.find_running(user.id)
            if task is None or not _is_meant(task, seen, None):
                raise NoRunningTimerError
            require_version(if_match, task["version"])
            if not fields:
                return _running(task)
            seen = task["active"]["id"]
            corrected = {**task["active"], **fields, "updated_at": stored(utc_now())}
            changed = await Task.correct_timer(task, corrected)
            return None if changed is None else _running(changed)

        return await until_settled(attempt)

    async def resume(self, user: ActingUser) -> Versioned:
        """A new timer on the task that was tracked last, with the note, the tags and the billing of its last entry.

        Raises NothingToResumeError, TimerAlreadyRunningError or TaskFullError.
        """
        task = await Task.find_tracked_last(user.id)
        if task is None or not task.get("time_entries"):
            raise NothingToResumeError
        (last,) = task["time_entries"]
        again = TimerStart(task_id=str(task["_id"]), note=last["note"], tags=last["tags"], billable=last["billable"])
        return await self.start(user, new=again, if_match=None)

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
            raise NoRunningTimerError if entry_id is None else EntryNotFoundError
        return _stopped(task, task["time_entries"][0])


def _running(task: Row, *, created: bool = False) -> Versioned:
    return Versioned(read_timer(task, utc_now()), task["version"], created=created)


def _stopped(task: Row, entry: Row) -> Versioned:
    return Versioned(read_stopped(task, entry, utc_now()), task["version"])


def _new_entry(user: ActingUser, task: Row, new: TimerStart, started_at: datetime) -> Row:
    return TimeEntry.running(
        started_at=started_at,
        note=new.note,
        tags=new.tags,
        billable=task["billable"] if new.billable is None else new.billable,
        timezone=user.timezone,
    )


def _entry_id(stop: TimerStop) -> ObjectId | None:
    return None if stop.entry_id is None else require_entry_id(stop.entry_id)


def _is_meant(task: Row, entry_id: ObjectId | None, task_id: ObjectId | None) -> bool:
    """Whether the running timer is the one to stop: an entry's id alone decides where it was sent."""
    if entry_id is not None:
        return bool(task["active"]["id"] == entry_id)
    return task_id is None or bool(task["_id"] == task_id)


def _instant_up_to_now(sent: datetime | None, *, pointer: str) -> datetime:
    """The instant in whole seconds, at the latest now. Raises InTheFutureError when it is more than 60 s ahead."""
    now = utc_now()
    if sent is None:
        return to_seconds(now)
    if sent - now > FORGIVEN_AHEAD:
        raise InTheFutureError(
            "It lies in the future.",
            errors=(FieldError(f"is more than 60 seconds after now, which is {rfc3339(now)}", pointer=pointer),),
        )
    return to_seconds(min(sent, now))


def _refuse_an_end_before_the_start(running: Row, ended_at: datetime) -> None:
    if to_seconds(ended_at) < aware(running["started_at"]):
        started_at = rfc3339(running["started_at"])
        wrong = f"is before the timer's start, {started_at}: the timer runs on"
        raise ValidationError(errors=(FieldError(wrong, pointer="#/ended_at"),))


timer_service = TimerService()
