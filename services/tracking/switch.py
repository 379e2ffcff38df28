"""Switching the timer: one transaction stops one timer and starts another at the same instant.

The tasks are read before the transaction, which keeps it short. Both updates require the versions that were read.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime

from app.clock import aware_utc, utc_now
from documents.accounts.users import OverlapPolicy
from documents.common.base import Row
from documents.tracking.tasks import Task
from services.common.acting_user import ActingUser
from services.common.concurrency import retry_on_any_conflict
from services.common.idempotency import Attempt, RequestKey, run_once
from services.common.values.versions import VersionCondition, Versioned, require_version
from services.tracking.new_task import add_running_task, ensure_live_project, new_task_fields, require_no_version
from services.tracking.rules.capacity import EntryRoom
from services.tracking.rules.changes import timer_started, timer_stopped
from services.tracking.rules.earlier_attempts import find_created_earlier, find_entry_anywhere
from services.tracking.rules.instants import clamp_to_now, require_end_after_start
from services.tracking.schemas.timer import TimerStopResult, TimerSwitch, read_stopped, read_timer
from services.tracking.stop import build_ended_entry
from services.tracking.tasks import require_task, require_task_id
from services.tracking.timer import new_timer_entry


class SwitchService:
    """Switches the timer of the acting user to another task."""

    async def switch(
        self,
        user: ActingUser,
        *,
        to: TimerSwitch,
        overlap: OverlapPolicy | None,
        if_match: VersionCondition | None,
        request_key: RequestKey | None,
    ) -> Versioned:
        """Stop the running timer, if there is one, and start a timer on the task, which is created if there is a title.

        A timer that already runs on the task stays unchanged. Raises TaskNotFoundError, TaskFullError,
        StaleVersionError, InTheFutureError for an instant more than 60 seconds ahead, ValidationError for an
        instant before the start of the running timer, and for a new task InsufficientScopeError.
        """
        clamp_to_now(to.at, pointer="#/at")  # reports an invalid instant before any other error
        switch = self._switch_to_task if to.title is None else self._switch_to_new_task
        return await run_once(user, request_key, lambda attempt: switch(user, attempt, to, overlap, if_match))

    async def _switch_to_task(
        self,
        user: ActingUser,
        attempt: Attempt,
        to: TimerSwitch,
        overlap: OverlapPolicy | None,
        if_match: VersionCondition | None,
    ) -> Versioned:
        task_id, room = require_task_id(to.task_id or ""), EntryRoom()

        async def try_switch() -> Versioned | None:
            earlier = await self._find_switched(user, attempt)
            if earlier is not None:
                return earlier
            running, target = await Task.find_running(user.id), require_task(await Task.find_live(user.id, task_id))
            require_version(if_match, room.checked_version(running or target))
            if "active" in target:
                return _response(None, target)
            await room.require_for_timer(target)

            async def start(at: datetime) -> Row | None:
                entry = new_timer_entry(user, target, attempt.new_id(), to, at)
                return await Task.start_timer(target, entry, timer_started)

            return await self._stop_and_start(user, attempt, to.at, running, start, overlap)

        return await retry_on_any_conflict(user.id, lambda: room.run(try_switch))

    async def _switch_to_new_task(
        self,
        user: ActingUser,
        attempt: Attempt,
        to: TimerSwitch,
        overlap: OverlapPolicy | None,
        if_match: VersionCondition | None,
    ) -> Versioned:
        async def try_switch() -> Versioned | None:
            earlier = await self._find_switched(user, attempt)
            if earlier is not None:
                return earlier
            running = await Task.find_running(user.id)
            if running is None:
                require_no_version(if_match)
            else:
                require_version(if_match, running["version"])
            fields = await new_task_fields(user, to)

            async def start(at: datetime) -> Row:
                entry = new_timer_entry(user, fields, attempt.new_id(), to, at)
                return await add_running_task(user, attempt, fields, entry)

            return await self._stop_and_start(user, attempt, to.at, running, start, overlap)

        response = await retry_on_any_conflict(user.id, try_switch)
        return await ensure_live_project(user, response.body["started"], response)

    async def _stop_and_start(
        self,
        user: ActingUser,
        attempt: Attempt,
        requested_at: datetime | None,
        running: Row | None,
        start: Callable[[datetime], Awaitable[Row | None]],
        overlap: OverlapPolicy | None,
    ) -> Versioned | None:
        """Stop the running timer and call `start`, in one transaction. Return None when a version differs."""
        # Computed in each try: a timer that was stopped since the last try must not overlap this one.
        at = clamp_to_now(requested_at, pointer="#/at")
        if running is None:
            started = await start(at)
            return None if started is None else _response(None, started)
        require_end_after_start(running["active"], requested_at, pointer="#/at")
        entry = await build_ended_entry(user, running, ended_at=at, overlap=overlap)

        async def stop_and_start() -> Versioned | None:
            await attempt.save_subject(entry["id"])
            source = await Task.stop_timer(running, entry, {}, timer_stopped(entry))
            if source is None:
                return None
            stopped = read_stopped(source, entry, utc_now())
            started = await start(aware_utc(entry["ended_at"]))
            return None if started is None else _response(stopped, started)

        return await Task.run_in_transaction(stop_and_start)

    async def _find_switched(self, user: ActingUser, attempt: Attempt) -> Versioned | None:
        """Return the response of a switch that an earlier attempt of this request completed, or None."""
        started = await find_created_earlier(user, attempt)
        if started is None:
            return None
        ended = await find_entry_anywhere(user, attempt.subject_id) if attempt.subject_id else None
        stopped = read_stopped(*ended, utc_now()) if ended else None
        return _response(stopped, {**started[0], "active": started[1]})


def _response(stopped: TimerStopResult | None, started: Row) -> Versioned:
    return Versioned({"stopped": stopped, "started": read_timer(started, utc_now())}, started["version"])


switch_service = SwitchService()
