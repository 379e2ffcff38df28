"""The attempts of a request with an Idempotency-Key."""

from datetime import datetime, timedelta

from bson import ObjectId

from documents.common.base import Row
from services.common.idempotency import Attempt

CREATED_AT = datetime(2026, 11, 18, 9, 0)  # noqa: DTZ001 -- stored instants are naive UTC


def stored_key(**fields: object) -> Row:
    """The fields of a stored key that an attempt reads."""
    times = {"created_at": CREATED_AT, "taken_at": CREATED_AT}
    return {**times, "seed": ObjectId(), "subject": None, "done": [], **fields}


class TestNewId:
    def test_each_attempt_of_a_request_gets_the_same_id(self) -> None:
        key = stored_key()
        retry = {**key, "taken_at": CREATED_AT + timedelta(minutes=2)}
        assert Attempt(key).new_id() == Attempt(retry).new_id()

    def test_each_part_gets_another_id(self) -> None:
        attempt = Attempt(stored_key())
        assert len({attempt.new_id(part) for part in range(100)}) == 100

    def test_requests_get_different_ids(self) -> None:
        assert Attempt(stored_key()).new_id() != Attempt(stored_key()).new_id()
        assert Attempt().new_id() != Attempt().new_id()

    def test_id_contains_the_time_of_the_first_attempt(self) -> None:
        attempt = Attempt(stored_key(taken_at=CREATED_AT + timedelta(hours=1)))
        assert attempt.new_id().generation_time.replace(tzinfo=None) == CREATED_AT


class TestRetry:
    def test_attempt_is_a_retry_after_the_lock_was_taken_over(self) -> None:
        assert not Attempt(stored_key()).is_retry
        assert Attempt(stored_key(taken_at=CREATED_AT + timedelta(milliseconds=1))).is_retry

    def test_request_without_a_key_is_never_a_retry(self) -> None:
        attempt = Attempt()
        assert (attempt.is_retry, attempt.subject_id, attempt.completed_parts) == (False, None, [])
