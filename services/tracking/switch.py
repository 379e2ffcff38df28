"""Switching the timer: one stops and another starts at the same instant, in one transaction."""

from datetime import datetime

from app.clock import aware_utc, utc_now
from documents.accounts.users import OverlapPolicy
from documents.common.base import Row
from documents.tracking.tasks import Task
from services.common.acting_user import ActingUser
from services.common.concurrency import retry_transaction
from services.common.idempotency import Attempt, RequestKey, run_once
from services.common.values.versions import VersionCondition, Versioned, require_version
from services.tracking.rules.capacity import require_timer_capacity
from services.tracking.rules.earlier_attempts import find_created_earlier, find_entry_anywhere
from services.tracking.rules.instants import clamp_to_now, require_end_after_start
from services.tracking.schemas.timer import TimerStart, TimerStopResult, TimerSwitch, read_stopped, read_timer
from services.tracking.stop import build_ended_entry
from services.tracking.tasks import require_task, require_task_id
from services.tracking.timer import new_timer_entry


class SwitchService:
    """From one task to another, without a second lost between the two."""

    async def switch(
        self,
        user: ActingUser,
        *,
        to: TimerSwitch,
        overlap: OverlapPolicy | None,
        if_match: VersionCondition | None,
        request_key: RequestKey | None,
    ) -> Versioned:
        """What was stopped, if a timer ran, and the timer that now runs on the task.

        The task whose timer runs already stays as it is. No rule refuses it. Raises
        TaskNotFoundError, TaskFullError, StaleVersionError, InTheFutureError for an instant more
        than 60 s ahead, and ValidationError for one before the start of the running timer.
        """
        task_id = require_task_id(to.task_id)
        clamp_to_now(to.at, pointer="#/at")  # a wrong instant is told before all else

        async def do(work: Attempt) -> Versioned:
            async def attempt() -> Versioned | None:
                done = await self._done_before(user, work)
                if done is not None:
                    return done
                running, target = await Task.find_running(user.id), require_task(await Task.find_live(user.id, task_id))
                require_version(if_match, (running or target)["version"])
                if "active" in target:
                    return _switched(None, target)
                await require_timer_capacity(target)
                # At each try anew: a timer that has ended since the try before must not share time with this one.
                at = clamp_to_now(to.at, pointer="#/at")
                if running is None:
                    return await self._start(user, work, to, target, at)
                require_end_after_start(running["active"], to.at, pointer="#/at")
                entry = await build_ended_entry(user, running, ended_at=at, overlap=overlap)
                return await self._stop_and_start(user, work, to, running, entry, target)

            return await retry_transaction(attempt)

        return await run_once(user, request_key, do)

    async def _stop_and_start(
        self, user: ActingUser, work: Attempt, to: TimerSwitch, running: Row, entry: Row, target: Row
    ) -> Versioned | None:
        await work.save_subject(entry["id"])
        left = await Task.stop_timer(running, entry, {})
        if left is None:
            return None
        stopped = read_stopped(left, entry, utc_now())
        return await self._start(user, work, to, target, aware_utc(entry["ended_at"]), stopped)

    async def _start(
        self,
        user: ActingUser,
        work: Attempt,
        to: TimerSwitch,
        target: Row,
        at: datetime,
        stopped: TimerStopResult | None = None,
    ) -> Versioned | None:
        new = TimerStart(task_id=to.task_id, note=to.note)
        entry = new_timer_entry(user, target, work.new_id(), new, at)
        started = await Task.start_timer(target, entry)
        return None if started is None else _switched(stopped, started)

    async def _done_before(self, user: ActingUser, work: Attempt) -> Versioned | None:
        """What an earlier try of this request has done."""
        started = await find_created_earlier(user, work)
        if started is None:
            return None
        ended = await find_entry_anywhere(user, work.subject_id) if work.subject_id else None
        stopped = read_stopped(*ended, utc_now()) if ended else None
        return _switched(stopped, {**started[0], "active": started[1]})


def _switched(stopped: TimerStopResult | None, started: Row) -> Versioned:
    return Versioned({"stopped": stopped, "started": read_timer(started, utc_now())}, started["version"])


switch_service = SwitchService()
