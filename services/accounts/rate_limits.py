"""Rate limits for sign-in, registration, token refresh, the requests of a user, and requests without a token."""

from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Generic, TypeVar

from bson import ObjectId
from cachetools import TTLCache

from app.clock import aware_utc, utc_now
from app.config import Settings
from app.errors import RateLimitError
from app.request_context import current_request
from documents.accounts.rate_counters import RateCounter

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
MAX_COUNTERS = 100_000

Subject = TypeVar("Subject")


@dataclass(frozen=True, slots=True)
class Limit:
    """The maximum number of actions in a period."""

    action: str
    maximum: int
    period: timedelta


class _WorkerLimit(Generic[Subject]):
    """The maximum number of requests of a subject in a minute, counted in the memory of this process."""

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._counters: TTLCache[Subject, list[float]] = TTLCache(MAX_COUNTERS, MINUTE.total_seconds())

    def admit(self, subject: Subject) -> None:
        """Count a request. Raises RateLimitError."""
        counter = self._counters.get(subject)
        if counter is None:
            self._counters[subject] = [1, monotonic()]
            return
        counter[0] += 1
        if counter[0] > self._maximum:
            remaining = MINUTE - timedelta(seconds=monotonic() - counter[1])
            raise _rate_limit_error(self._maximum, remaining)


class RateLimiter:
    """The rate limits of the service.

    The limits of sign-in, registration and refresh hold across all workers, the others per worker.
    """

    def __init__(self, settings: Settings) -> None:
        self._enabled = settings.rate_limits_enabled
        self._sign_in_by_email = Limit("sign-in by e-mail", settings.sign_ins_per_minute_by_email, MINUTE)
        self._sign_in_by_address = Limit("sign-in by address", settings.sign_ins_per_minute_by_address, MINUTE)
        self._registration = Limit("registration by address", settings.registrations_per_hour_by_address, HOUR)
        self._refresh = Limit("refresh by address", settings.refreshes_per_minute_by_address, MINUTE)
        self._requests = _WorkerLimit[ObjectId](settings.requests_per_minute_by_user)
        self._public_reads = _WorkerLimit[str](settings.public_reads_per_minute_by_address)

    async def admit_sign_in(self, *, email: str) -> None:
        """Count a sign-in. Raises RateLimitError, or DatabaseUnavailableError when the database fails."""
        await self._admit(self._sign_in_by_address, current_request().address)
        await self._admit(self._sign_in_by_email, email)

    async def admit_registration(self) -> None:
        """Count a registration. Raises RateLimitError, or DatabaseUnavailableError when the database fails."""
        await self._admit(self._registration, current_request().address)

    async def admit_refresh(self) -> None:
        """Count a token refresh. Raises RateLimitError, or DatabaseUnavailableError when the database fails."""
        await self._admit(self._refresh, current_request().address)

    def admit_request(self, user_id: ObjectId) -> None:
        """Count a request of an authenticated user. Raises RateLimitError."""
        if self._enabled:
            self._requests.admit(user_id)

    def admit_public_read(self) -> None:
        """Count a request with a secret instead of a token, by its address. Raises RateLimitError."""
        if self._enabled:
            self._public_reads.admit(current_request().address)

    async def _admit(self, limit: Limit, subject: str) -> None:
        if not self._enabled:
            return
        ends = await RateCounter.count_action(limit.action, subject, limit=limit.maximum, period=limit.period)
        if ends is not None:
            raise _rate_limit_error(limit.maximum, aware_utc(ends) - utc_now())


def _rate_limit_error(maximum: int, remaining: timedelta) -> RateLimitError:
    seconds = str(max(1, -(-remaining // timedelta(seconds=1))))  # rounded up
    return RateLimitError(
        f"Too many requests. Try again in {seconds} seconds.",
        headers={
            "Retry-After": seconds,
            "RateLimit-Limit": str(maximum),
            "RateLimit-Remaining": "0",
            "RateLimit-Reset": seconds,
        },
    )
