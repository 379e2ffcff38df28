"""Idempotent requests: requests with the same Idempotency-Key are executed once."""

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from http import HTTPStatus
from typing import Any

from bson import ObjectId

from app.clock import aware_utc
from app.errors import ConflictError, FieldError, ServiceError, ValidationError
from app.security.replayed_secrets import SECRET_BYTES, derive_secret
from documents.common.base import DuplicateError, Row
from documents.common.idempotency_keys import IdempotencyKey
from documents.common.ordered_ids import SUFFIX_BYTES, new_ordered_id, object_id_of
from services.common.acting_user import ActingUser
from services.common.concurrency import retry_on_conflict
from services.common.values.versions import Versioned

_REPLAYED_HEADER = {"Idempotency-Replayed": "true"}


class IdempotencyKeyReusedError(ValidationError):
    """The key was sent with a different request before."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        detail = "was sent before with a different method, path, query or body"
        super().__init__(errors=(FieldError(detail, header="Idempotency-Key"),))


class IdempotencyInProgressError(ConflictError):
    """An earlier request with this key is still in progress."""

    code = "idempotency_in_progress"
    detail = "A request with this Idempotency-Key is still in progress. Try again in a moment."


@dataclass(frozen=True, slots=True)
class RequestKey:
    """The Idempotency-Key of a request, and a fingerprint of its method, path, query and body.

    `derivation_key` is the key with which the secrets of the response are derived.
    """

    key: str
    fingerprint: str
    derivation_key: bytes


class Attempt:
    """One attempt to execute a request.

    `is_retry` is true when an earlier attempt ended without a response: it may have done all of the work, a
    part of it or none. `subject_id` is the time entry that the earlier attempt was going to end, and
    `completed_parts` holds the results of the parts that it completed.
    """

    def __init__(self, locked: Row | None = None, *, derivation_key: bytes | None = None) -> None:
        self._locked = locked
        self._derivation_key = derivation_key
        self.is_retry = locked is not None and locked["taken_at"] != locked["created_at"]
        self.subject_id: ObjectId | None = locked["subject"] if locked else None
        self.completed_parts: list[Any] = locked["done"] if locked else []

    @cached_property
    def secret(self) -> bytes:
        """32 random bytes for a secret in the response. All attempts of a request with a key get the same ones."""
        if self._locked is None or self._derivation_key is None:
            return secrets.token_bytes(SECRET_BYTES)
        return derive_secret(self._derivation_key, self._locked["seed"])

    def new_id(self, part: int = 0) -> ObjectId:
        """Return the id for a document to create. All attempts of a request with a key get the same id."""
        if self._locked is None:
            return new_ordered_id()
        suffix = hashlib.blake2b(f"{self._locked['seed']}/{part}".encode(), digest_size=SUFFIX_BYTES).digest()
        return object_id_of(aware_utc(self._locked["created_at"]), suffix)

    async def save_subject(self, entry_id: ObjectId) -> None:
        """Store the id of the entry that this attempt is going to end, for a retry to continue with."""
        if self._locked is not None:
            await IdempotencyKey.save_subject(self._locked, entry_id)

    async def save_part(self, part: Any) -> None:
        """Store the result of the next part of the work. A retry continues after it.

        Each call also renews the lock, so that a request with many parts is not taken over. Raises
        IdempotencyInProgressError when another attempt has taken the work over, because a part took too long.
        """
        if self._locked is not None and not await IdempotencyKey.save_part(self._locked, part):
            raise IdempotencyInProgressError

    async def save_response(self, response: Versioned) -> None:
        """Store the response in the transaction that does the work, so that both are committed or neither.

        Raises IdempotencyInProgressError when another attempt has taken the work over.
        """
        if self._locked is not None and not await IdempotencyKey.save_response(self._locked, _to_stored(response)):
            raise IdempotencyInProgressError


async def run_once(
    user: ActingUser, request_key: RequestKey | None, do: Callable[[Attempt], Awaitable[Versioned]]
) -> Versioned:
    """Call `do` and return its response. If a response is stored under the request's key, return that one.

    Responses and conflicts (409) are stored for 24 hours, other client errors are not.
    Raises IdempotencyKeyReusedError, IdempotencyInProgressError, and any exception of `do`.
    """
    _, response = await _run(user, request_key, do)
    return response


async def run_once_with_secret(
    user: ActingUser,
    request_key: RequestKey | None,
    do: Callable[[Attempt], Awaitable[Versioned]],
    *,
    add_secret: Callable[[Any, bytes], Any],
) -> Versioned:
    """Do the same as `run_once` for a response that shows a secret.

    The response of `do` is stored without it. `add_secret` returns the body with it, from the `secret` of the attempt.
    """
    attempt, response = await _run(user, request_key, do)
    return replace(response, body=add_secret(response.body, attempt.secret))


async def _run(
    user: ActingUser, request_key: RequestKey | None, do: Callable[[Attempt], Awaitable[Versioned]]
) -> tuple[Attempt, Versioned]:
    """Return the attempt, and its response or the stored one."""
    if request_key is None:
        attempt = Attempt()
        return attempt, await do(attempt)
    locked = await _lock(user, request_key)
    attempt = Attempt(locked, derivation_key=request_key.derivation_key)
    return attempt, await _run_attempt(locked, attempt, do)


async def _run_attempt(locked: Row, attempt: Attempt, do: Callable[[Attempt], Awaitable[Versioned]]) -> Versioned:
    if locked["answer"] is not None:
        return _replay(locked["answer"])
    try:
        response = await do(attempt)
    except ServiceError as error:
        await _store_error(locked, error)
        raise
    except Exception:
        await _release(locked)
        raise
    await IdempotencyKey.save_response(locked, _to_stored(response))
    return response


def _to_stored(response: Versioned) -> Row:
    return {"body": response.body, "version": response.version, "created": response.created}


async def _lock(user: ActingUser, request_key: RequestKey) -> Row:
    """Lock the key for this request, and return it. If it holds a response already, return it without a lock."""

    async def attempt() -> Row | None:
        try:
            return await IdempotencyKey.new(user.id, key=request_key.key, fingerprint=request_key.fingerprint).add()
        except DuplicateError:
            stored = await IdempotencyKey.find_by_key(user.id, request_key.key)
        if stored is None:
            return None
        if IdempotencyKey.is_expired(stored):
            await IdempotencyKey.discard(stored)
            return None
        if stored["fingerprint"] != request_key.fingerprint:
            raise IdempotencyKeyReusedError
        if IdempotencyKey.is_in_progress(stored):
            raise IdempotencyInProgressError
        return stored if stored["answer"] is not None else await IdempotencyKey.acquire(stored)

    return await retry_on_conflict((user.id, request_key.key), attempt)


def _replay(stored: Row) -> Versioned:
    """Return the stored response, or raise the stored conflict."""
    if "code" not in stored:
        return Versioned(stored["body"], stored["version"], created=stored["created"], replayed=True)
    error = next(error for error in ConflictError.__subclasses__() if error.code == stored["code"])
    raise error(stored["detail"], headers=_REPLAYED_HEADER, **stored["extra"])


async def _store_error(locked: Row, error: ServiceError) -> None:
    if isinstance(error, ConflictError):
        stored = {"code": error.code, "detail": str(error), "extra": error.extra}
        await IdempotencyKey.save_response(locked, stored)
    elif error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        await IdempotencyKey.discard(locked)
    else:
        await _release(locked)


async def _release(locked: Row) -> None:
    # If the release fails too, the lock times out and a retry takes it over.
    with suppress(Exception):
        await IdempotencyKey.release(locked)
