from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from app.clock import aware_utc, naive_utc, rfc3339, truncate_to_milliseconds, truncate_to_seconds, utc_now

offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
# hypothesis wants its bounds naive
EARLIEST, LATEST = datetime(1970, 1, 2), datetime(9998, 12, 30)  # noqa: DTZ001
instants = st.datetimes(EARLIEST, LATEST, timezones=offsets)


class TestUtcNow:
    def test_now_is_aware_and_has_milliseconds(self) -> None:
        now = utc_now()
        assert now.tzinfo is UTC
        assert now.microsecond % 1000 == 0

    def test_now_advances(self) -> None:
        assert utc_now() <= utc_now() <= datetime.now(UTC)


class TestTruncate:
    @given(instants)
    def test_truncation_removes_less_than_a_unit(self, instant: datetime) -> None:
        assert timedelta(0) <= instant - truncate_to_milliseconds(instant) < timedelta(milliseconds=1)
        assert timedelta(0) <= instant - truncate_to_seconds(instant) < timedelta(seconds=1)

    @given(instants)
    def test_truncation_is_idempotent(self, instant: datetime) -> None:
        assert truncate_to_milliseconds(truncate_to_milliseconds(instant)) == truncate_to_milliseconds(instant)
        assert (
            truncate_to_seconds(truncate_to_milliseconds(instant))
            == truncate_to_seconds(truncate_to_seconds(instant))
            == truncate_to_seconds(instant)
        )

    @given(instants, instants)
    def test_truncation_preserves_the_order(self, one: datetime, other: datetime) -> None:
        first, last = sorted((one, other))
        assert truncate_to_seconds(first.astimezone(UTC)) <= truncate_to_seconds(last.astimezone(UTC))


class TestStoredForm:
    @given(instants)
    def test_stored_form_is_the_same_instant(self, instant: datetime) -> None:
        assert naive_utc(instant).tzinfo is None
        assert aware_utc(naive_utc(instant)) == instant

    @given(instants, offsets)
    def test_stored_form_does_not_depend_on_the_offset(self, instant: datetime, offset: timezone) -> None:
        assert naive_utc(instant.astimezone(offset)) == naive_utc(instant)


class TestRfc3339:
    @given(instants.map(truncate_to_milliseconds))
    def test_text_parses_to_the_same_instant(self, instant: datetime) -> None:
        text = rfc3339(naive_utc(instant))
        assert text.endswith("Z")
        assert datetime.fromisoformat(text) == instant

    @given(instants.map(truncate_to_milliseconds))
    def test_naive_and_aware_instants_have_the_same_text(self, instant: datetime) -> None:
        assert rfc3339(instant.astimezone(UTC)) == rfc3339(naive_utc(instant))

    @given(instants.map(truncate_to_milliseconds))
    def test_fraction_has_three_digits_or_is_absent(self, instant: datetime) -> None:
        assert len(rfc3339(naive_utc(instant))) == (24 if instant.microsecond else 20)

    def test_text_is_rfc_3339(self) -> None:
        assert rfc3339(datetime(2026, 11, 18, 9, tzinfo=UTC)) == "2026-11-18T09:00:00Z"
        assert rfc3339(datetime(2026, 11, 18, 9, 0, 0, 50_000, tzinfo=UTC)) == "2026-11-18T09:00:00.050Z"
