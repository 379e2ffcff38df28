"""Retries of optimistic updates and of transactions after write conflicts.

The requests for one resource, usually the data of a user, take turns in the order of arrival. So each change is made
once and not many times in vain. It also keeps the driver's connections free: an update of a document that a transaction
has changed occupies one until the transaction ends, and the transaction needs one to end.

This applies to one process. Several processes compete with each other, but each with one request at a time.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from time import monotonic
from typing import TypeVar

from app.database.client import is_unavailable
from app.errors import DatabaseUnavailableError
from documents.common.base import DuplicateError
from documents.common.idempotency_keys import IdempotencyKey
from documents.common.transactions import WriteConflictError, current_session

T = TypeVar("T")
Lock = Callable[[], Awaitable[object]]

CONTENTION_SECONDS = 5.0
"""How long a request whose turn it is competes with other processes."""

LONG_CONTENTION_SECONDS = 60.0

TURN_SECONDS = 10.0
"""How long a request waits for its turn: half a second for each of sixteen clients, and something to spare."""

TOO_MANY_CONFLICTS = "Too many concurrent changes to the same resource. Try again in a moment."
_MAX_PAUSE_SECONDS = 0.01


class _Queue:
    """The requests that have or await their turn to change a resource."""

    def __init__(self) -> None:
        self.requests = 0
        self.lock = asyncio.Lock()
        self.is_unavailable = False


_queues: dict[Hashable, _Queue] = {}
"""The queues by resource. A queue exists while a request has or awaits its turn."""


@asynccontextmanager
async def _turn(resource: Hashable, max_seconds: float) -> AsyncIterator[None]:
    """Wait for the turn, which is that of the block. Raises DatabaseUnavailableError after `max_seconds`.

    If the database does not respond to a request, the error is raised for all that wait behind it: otherwise each would
    wait for the timeouts of those before it.
    """
    queue = _queues.setdefault(resource, _Queue())
    queue.requests += 1
    try:
        await _acquire(queue, max_seconds)
        try:
            if queue.is_unavailable:
                raise DatabaseUnavailableError
            yield
        except Exception as error:
            if is_unavailable(error):
                queue.is_unavailable = True
                _remove(resource, queue)
            raise
        finally:
            queue.lock.release()
    finally:
        queue.requests -= 1
        if not queue.requests:
            _remove(resource, queue)


async def _acquire(queue: _Queue, max_seconds: float) -> None:
    if queue.requests == 1:
        await queue.lock.acquire()  # it is free: no timeout is needed
        return
    try:
        async with asyncio.timeout(max_seconds):
            await queue.lock.acquire()
    except TimeoutError:
        raise DatabaseUnavailableError(TOO_MANY_CONFLICTS) from None


def _remove(resource: Hashable, queue: _Queue) -> None:
    if _queues.get(resource) is queue:
        del _queues[resource]


async def no_lock() -> None:
    """Lock nothing."""


async def retry_on_conflict(resource: Hashable, attempt: Callable[[], Awaitable[T | None]]) -> T:
    """Wait for the turn, for at most TURN_SECONDS. Then call `attempt` until it returns a result.

    It is called for at most CONTENTION_SECONDS.

    `attempt` returns None when the document has changed since it was read. Requests for the same `resource`, usually
    the id of a user, take turns, so an attempt must not retry anything for the same resource. Inside a transaction
    there is one attempt only, because a transaction reads from a snapshot: the transaction as a whole is retried.

    Raises DatabaseUnavailableError when the time is over, and any exception of `attempt`.
    """
    return await _retry(resource, attempt, turn_seconds=TURN_SECONDS, seconds=CONTENTION_SECONDS)


async def retry_on_any_conflict(resource: Hashable, attempt: Callable[[], Awaitable[T | None]]) -> T:
    """Call `attempt` as `retry_on_conflict` does. A refusal by a unique index counts as a conflict too.

    It means that another request inserted the document first. The embedded store also reports two transactions that
    change the same document in this way.
    """
    return await retry_on_conflict(resource, lambda: _none_if_duplicate(attempt))


async def retry_transaction(
    resource: Hashable, attempt: Callable[[], Awaitable[T | None]], *, lock: Lock = no_lock
) -> T:
    """Run `attempt` in a transaction, and retry it as `retry_on_any_conflict` does.

    In a retry, `lock` is called first: it updates documents that others change. The short updates of other processes
    then wait for the transaction, instead of conflicting with it again and again.
    """
    return await retry_on_any_conflict(resource, _in_transactions(attempt, lock))


async def retry_long_transaction(
    resource: Hashable, attempt: Callable[[], Awaitable[T | None]], *, lock: Lock = no_lock
) -> T:
    """Run `attempt` in a transaction, and retry it as `retry_transaction` does, but for LONG_CONTENTION_SECONDS.

    For work that no client waits for with a short timeout, and whose transactions can take seconds. The `resource`
    is its own, so that no other request waits for its turn.
    """
    run, seconds = _in_transactions(attempt, lock), LONG_CONTENTION_SECONDS
    return await _retry(resource, lambda: _none_if_duplicate(run), turn_seconds=seconds, seconds=seconds)


def _in_transactions(attempt: Callable[[], Awaitable[T | None]], lock: Lock) -> Callable[[], Awaitable[T | None]]:
    """Return a function that runs the attempt in a transaction, from the second call on after `lock`."""
    is_retry = False

    async def locked_attempt() -> T | None:
        nonlocal is_retry
        if is_retry:
            await lock()
        is_retry = True
        return await attempt()

    return lambda: run_in_transaction(locked_attempt)


async def run_in_transaction(attempt: Callable[[], Awaitable[T | None]]) -> T | None:
    """Run `attempt` in a transaction of any documents. Return its result, or None after a conflict."""
    return await IdempotencyKey.run_in_transaction(attempt)  # any document class: the transaction spans all


async def _none_if_duplicate(attempt: Callable[[], Awaitable[T | None]]) -> T | None:
    try:
        return await attempt()
    except DuplicateError:
        return None


async def _retry(
    resource: Hashable, attempt: Callable[[], Awaitable[T | None]], *, turn_seconds: float, seconds: float
) -> T:
    if current_session() is not None:
        result = await attempt()
        if result is None:
            raise WriteConflictError
        return result
    async with _turn(resource, turn_seconds):
        deadline = monotonic() + seconds
        while (result := await attempt()) is None and monotonic() < deadline:  # noqa: ASYNC110 -- others are processes
            await asyncio.sleep(random.uniform(0, _MAX_PAUSE_SECONDS))  # noqa: S311 -- jitter, not a secret
    if result is None:
        raise DatabaseUnavailableError(TOO_MANY_CONFLICTS)
    return result
