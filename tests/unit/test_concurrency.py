import pytest

from app.errors import DatabaseUnavailableError
from services.common.concurrency import retry_on_conflict


class TestRetryOnConflict:
    async def test_attempt_is_retried_until_it_succeeds(self) -> None:
        results = iter([None, None, "done"])

        async def attempt() -> str | None:
            return next(results)

        assert await retry_on_conflict("resource", attempt) == "done"

    async def test_retries_end_after_the_time_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("services.common.concurrency.CONTENTION_SECONDS", 0.5)
        tries = 0

        async def attempt() -> None:
            nonlocal tries
            tries += 1

        with pytest.raises(DatabaseUnavailableError, match="Too many concurrent changes"):
            await retry_on_conflict("resource", attempt)
        assert tries > 1

    async def test_exception_of_an_attempt_is_raised(self) -> None:
        async def attempt() -> None:
            raise KeyError

        with pytest.raises(KeyError):
            await retry_on_conflict("resource", attempt)
