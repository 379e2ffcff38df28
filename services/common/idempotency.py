"""Requests that may be sent again: with the same Idempotency-Key the work is done once."""

import hashlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from bson import ObjectId

from app.clock import aware_utc
from app.errors import ConflictError, FieldError, ServiceError, ValidationError
from documents.common.base import DuplicateError, Row
from documents.common.idempotency_keys import IdempotencyKey
from services.common.acting_user import ActingUser
from services.common.concurrency import retry_on_conflict
from services.common.values.versions import Versioned

_REPLAYED = {"Idempotency-Replayed": "true"}


class IdempotencyKeyReusedError(ValidationError):
    """The key was sent with another request before."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        wrong = "was sent before, with another method, path, query or body"
        super().__init__(errors=(FieldError(wrong, header="Idempotency-Key"),))


class IdempotencyInProgressError(ConflictError):
    """The request with this key is still under way."""

    code = "idempotency_in_progress"
    detail = "The request with this Idempotency-Key is still under way: ask again in a moment."


@dataclass(frozen=True, slots=True)
class RequestKey:
    """The Idempotency-Key of a request, and what tells this request from others: its method, address and body."""

    key: str
    fingerprint: str


class Attempt:
    """One try at the work of a request.

    `retried` says that a try before this one came to no answer: it may have done the work, a part of
    it or nothing. `subject` is the entry that it was about to end, `done` what it was answered to the parts
    of it that are done.
    """

    def __init__(self, held: Row | None = None) -> None:
        self._held = held
        self.is_retry = held is not None and held["taken_at"] != held["created_at"]
        self.subject_id: ObjectId | None = held["subject"] if held else None
        self.completed_parts: list[Any] = held["done"] if held else []

    def new_id(self, part: int = 0) -> ObjectId:
        """The id of the thing that is to be made: the same one at every try of a request that has a key."""
        if self._held is None:
            return ObjectId()
        begun = int(aware_utc(self._held["created_at"]).timestamp())
        rest = hashlib.blake2b(f"{self._held['seed']}/{part}".encode(), digest_size=8).digest()
        return ObjectId(begun.to_bytes(4) + rest)

    async def save_subject(self, entry_id: ObjectId) -> None:
        """Tells the next try which entry this one ends, in case that it comes to no answer."""
        if self._held is not None:
            await IdempotencyKey.save_subject(self._held, entry_id)

    async def save_part(self, part: Any) -> None:
        """Keeps what the next part of the work was answered: the next try goes on after it.

        However many parts there are, nobody takes over work that goes on. Raises
        IdempotencyInProgressError when somebody has, since a part took too long.
        """
        if self._held is not None and not await IdempotencyKey.save_part(self._held, part):
            raise IdempotencyInProgressError

    async def save_response(self, answer: Versioned) -> None:
        """Keeps the answer in the transaction that does the work: both are there, or none.

        Raises IdempotencyInProgressError when another try has taken the work over.
        """
        if self._held is not None and not await IdempotencyKey.save_response(self._held, _kept(answer)):
            raise IdempotencyInProgressError


async def run_once(
    user: ActingUser, request_key: RequestKey | None, do: Callable[[Attempt], Awaitable[Versioned]]
) -> Versioned:
    """What `do` answers; a request that was sent with this key before gets the answer that was given then.

    An answer and a conflict of state are kept for 24 hours, any other mistake of the caller is not.
    Raises IdempotencyKeyReusedError, IdempotencyInProgressError, and whatever `do` raises.
    """
    if request_key is None:
        return await do(Attempt())
    held = await _hold(user, request_key)
    if held["answer"] is not None:
        return _replayed(held["answer"])
    try:
        answer = await do(Attempt(held))
    except ServiceError as error:
        await _settle_error(held, error)
        raise
    except Exception:
        await _release(held)
        raise
    await IdempotencyKey.save_response(held, _kept(answer))
    return answer


def _kept(answer: Versioned) -> Row:
    return {"body": answer.body, "version": answer.version, "created": answer.created}


async def _hold(user: ActingUser, sent: RequestKey) -> Row:
    """The key with its answer, or in the hands of the caller."""

    async def attempt() -> Row | None:
        try:
            return await IdempotencyKey.new(user.id, key=sent.key, fingerprint=sent.fingerprint).add()
        except DuplicateError:
            known = await IdempotencyKey.find_by_key(user.id, sent.key)
        if known is None:
            return None
        if IdempotencyKey.is_expired(known):
            await IdempotencyKey.discard(known)
            return None
        if known["fingerprint"] != sent.fingerprint:
            raise IdempotencyKeyReusedError
        if IdempotencyKey.is_in_progress(known):
            raise IdempotencyInProgressError
        return known if known["answer"] is not None else await IdempotencyKey.acquire(known)

    return await retry_on_conflict(attempt)


def _replayed(kept: Row) -> Versioned:
    if "code" not in kept:
        return Versioned(kept["body"], kept["version"], created=kept["created"], replayed=True)
    kind = next(kind for kind in ConflictError.__subclasses__() if kind.code == kept["code"])
    raise kind(kept["detail"], headers=_REPLAYED, **kept["extra"])


async def _settle_error(held: Row, error: ServiceError) -> None:
    if isinstance(error, ConflictError):
        kept = {"code": error.code, "detail": str(error), "extra": error.extra}
        await IdempotencyKey.save_response(held, kept)
    elif error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        await IdempotencyKey.discard(held)
    else:
        await _release(held)


async def _release(held: Row) -> None:
    # When even that fails, the retry takes it over after a while.
    with suppress(Exception):
        await IdempotencyKey.release(held)
