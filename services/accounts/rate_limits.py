"""How often things may be asked for."""

from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

from bson import ObjectId
from cachetools import TTLCache

from app.clock import aware_utc, utc_now
from app.config import Settings
from app.errors import RateLimitError
from app.request_context import current_request
from documents.accounts.rate_counters import RateCounter

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
COUNTED_USERS = 100_000


@dataclass(frozen=True, slots=True)
class Limit:
    """So many of something within that time."""

    what: str
    most: int
    within: timedelta


class RateLimiter:
    """The limits of a service: those of signing in hold across all workers, that of a user's requests in each."""

    def __init__(self, settings: Settings) -> None:
        self._enabled = settings.rate_limits_enabled
        self._sign_in_by_email = Limit("sign-in by e-mail", settings.sign_ins_per_minute_by_email, MINUTE)
        self._sign_in_by_address = Limit("sign-in by address", settings.sign_ins_per_minute_by_address, MINUTE)
        self._registration = Limit("registration by address", settings.registrations_per_hour_by_address, HOUR)
        self._refresh = Limit("refresh by address", settings.refreshes_per_minute_by_address, MINUTE)
        self._requests = settings.requests_per_minute_by_user
        self._counts: TTLCache[ObjectId, list[float]] = TTLCache(COUNTED_USERS, MINUTE.total_seconds())

    async def admit_sign_in(self, *, email: str) -> None:
        """Raises RateLimitError, or DatabaseUnavailableError when nobody can tell."""
        await self._admit(self._sign_in_by_address, current_request().address)
        await self._admit(self._sign_in_by_email, email)

    async def admit_registration(self) -> None:
        """Raises RateLimitError, or DatabaseUnavailableError when nobody can tell."""
        await self._admit(self._registration, current_request().address)

    async def admit_refresh(self) -> None:
        """Raises RateLimitError, or DatabaseUnavailableError when nobody can tell."""
        await self._admit(self._refresh, current_request().address)

    def admit_request(self, user_id: ObjectId) -> None:
        """Counts a request of a signed-in user in the memory of this process. Raises RateLimitError."""
        if not self._enabled:
            return
        counted = self._counts.get(user_id)
        if counted is None:
            self._counts[user_id] = [1, monotonic()]
            return
        counted[0] += 1
        if counted[0] > self._requests:
            left = MINUTE - timedelta(seconds=monotonic() - counted[1])
            raise _refusal(self._requests, left)

    async def _admit(self, limit: Limit, whose: str) -> None:
        if not self._enabled:
            return
        ends = await RateCounter.take(limit.what, whose, most=limit.most, within=limit.within)
        if ends is not None:
            raise _refusal(limit.most, aware_utc(ends) - utc_now())


def _refusal(most: int, left: timedelta) -> RateLimitError:
    seconds = str(max(1, -(-left // timedelta(seconds=1))))  # rounded up
    return RateLimitError(
        f"Too many of these: try again in {seconds} seconds.",
        headers={
            "Retry-After": seconds,
            "RateLimit-Limit": str(most),
            "RateLimit-Remaining": "0",
            "RateLimit-Reset": seconds,
        },
    )
