"""Files of Clockify. The samples hold the same entries in each format."""

from pathlib import Path

import pytest

from services.transfer.import_formats.results import RowMessage
from tests.paths import SAMPLES
from tests.support.import_reading import (
    DESIGN_ENTRY,
    MAIL_ENTRY,
    TIMES_IN_REPEATED_HOUR,
    TIMES_OVER_MIDNIGHT,
    duration_seconds,
    read,
    read_times,
    start_and_end,
    to_csv,
    without_rate_and_user,
)


class TestClockify:
    def test_duration_in_seconds_and_email_are_read(self) -> None:
        header = "Description,Email,Start Date,Start Time,Duration (h),Duration (seconds)\n"
        result = read(f"{header}x,ada@example.com,2026-11-18,09:00,0:30,1815\n", format="clockify")
        assert [duration_seconds(row) for row in result.rows] == [1_815]
        assert [row.user for row in result.rows] == ["ada@example.com"]

    @pytest.mark.parametrize("sample", sorted(SAMPLES.glob("clockify-*.csv")), ids=lambda path: path.name)
    def test_each_sample_gives_the_same_entries(self, sample: Path) -> None:
        result = read(sample.read_bytes(), format="clockify")
        assert not result.errors
        drawing, mail, deploying, changing = result.rows
        assert (drawing.hourly_rate, drawing.takes_project_rate, drawing.user) == ((8550, "EUR"), False, "Ada Byron")
        assert [without_rate_and_user(drawing), without_rate_and_user(mail)] == [DESIGN_ENTRY, MAIL_ENTRY]
        assert start_and_end(deploying) == TIMES_OVER_MIDNIGHT
        assert start_and_end(changing) == TIMES_IN_REPEATED_HOUR

    def test_breaks_are_skipped_with_a_notice(self) -> None:
        result = read((SAMPLES / "clockify-breaks-and-total.csv").read_bytes(), format="clockify")
        assert result.skipped == 1
        assert result.notices == [RowMessage(5, "Type", "is a break: the row was skipped")]

    @pytest.mark.parametrize("total", ["Total,,,,", "Total (11/01/2026 - 11/30/2026),,,01:00:00,1.00"])
    def test_total_row_is_ignored(self, total: str) -> None:
        header = "Project,Start Date,Start Time,Duration (h),Duration (decimal)"
        result = read(f"{header}\nTotal recall,11/18/2026,09:00,01:00:00,1.00\n{total}\n", format="clockify")
        assert [row.project for row in result.rows] == ["Total recall"]
        assert not result.errors

    @pytest.mark.parametrize(
        ("currency", "amount", "rate"),
        [
            ("EUR", "85.50", (8550, "EUR")),
            ("USD", "1,250.00", (125_000, "USD")),
            ("JPY", "5000.00", (5_000, "JPY")),
            ("KWD", "12.345", (12_345, "KWD")),
            ("EUR", "0.00", None),
        ],
    )
    def test_billable_rows_have_the_rate(self, currency: str, amount: str, rate: tuple[int, str] | None) -> None:
        header = ["Billable", "Start Date", "Start Time", "Duration (h)", f"Billable Rate ({currency})"]
        times = ["2026-11-18", "09:00", "1:00"]
        result = read(to_csv(header, ["Yes", *times, amount], ["No", *times, amount]), format="clockify")
        assert [row.hourly_rate for row in result.rows] == [rate, None]
        assert not result.notices

    @pytest.mark.parametrize("amount", ["33.333", "10000000000.01", "free"])
    def test_invalid_rate_is_ignored_with_a_notice(self, amount: str) -> None:
        header = ["Billable", "Start Date", "Start Time", "Duration (h)", "Billable Rate (EUR)"]
        result = read(to_csv(header, ["Yes", "2026-11-18", "09:00", "1:00", amount]), format="clockify")
        assert [row.hourly_rate for row in result.rows] == [None]
        (notice,) = result.notices
        assert (notice.row, notice.column) == (1, "Billable Rate (EUR)")
        assert notice.message.endswith(f": {amount}; it was ignored")

    def test_duration_overrides_an_end_without_seconds(self) -> None:
        header = "Start Date,Start Time,End Date,End Time,Duration (h)\n"
        file = f"{header}11/18/2026,09:00 AM,11/18/2026,10:30 AM,01:29:34\n"
        assert read_times(file, format="clockify", zone="UTC") == ("2026-11-18T09:00:00Z", "2026-11-18T10:29:34Z")
