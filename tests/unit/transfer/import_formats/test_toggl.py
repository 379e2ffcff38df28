"""Files of Toggl Track. The samples hold the same entries in each format."""

from pathlib import Path

import pytest

from app.errors import FieldError
from tests.paths import SAMPLES
from tests.support.import_reading import (
    DESIGN_ENTRY,
    MAIL_ENTRY,
    TIMES_IN_REPEATED_HOUR,
    TIMES_OVER_MIDNIGHT,
    file_error,
    read,
    read_error,
    read_times,
    start_and_end,
    without_rate_and_user,
)


class TestToggl:
    @pytest.mark.parametrize("sample", sorted(SAMPLES.glob("toggl-*.csv")), ids=lambda path: path.name)
    def test_each_sample_gives_the_same_entries(self, sample: Path) -> None:
        result = read(sample.read_bytes(), format="toggl")
        assert (result.errors, result.skipped) == ([], 0)
        drawing, mail, deploying, changing = result.rows
        assert [without_rate_and_user(drawing), without_rate_and_user(mail)] == [DESIGN_ENTRY, MAIL_ENTRY]
        assert start_and_end(deploying) == TIMES_OVER_MIDNIGHT
        assert start_and_end(changing) == TIMES_IN_REPEATED_HOUR

    @pytest.mark.parametrize("times", ["10:00:00,-1763456400", "10:00:00,-00:10:00", "10:00:00,", "10:00:00,-"])
    def test_running_timer_is_an_error(self, times: str) -> None:
        error = read_error(f"Description,Start date,Start time,Duration\nWork,2026-11-18,{times}\n", format="toggl")
        assert error.row == 1
        assert "still running" in error.message

    def test_duration_shorter_than_the_time_from_start_to_end_is_an_error(self) -> None:
        header = "Description,Start date,Start time,End date,End time,Duration"
        error = read_error(f"{header}\nWork,2026-11-18,09:00:00,2026-11-18,10:00:00,0:30:00\n", format="toggl")
        assert (error.column, error.message) == (
            "Duration",
            "is 1800 seconds, but the time from start to end is 3600 seconds",
        )

    @pytest.mark.parametrize(
        ("duration", "end"),
        [("47:06 min", "09:47:06Z"), ("33 sec", "09:00:33Z"), ("0.50 h", "09:30:00Z"), ("1.25", "10:15:00Z")],
    )
    def test_each_duration_format_is_read(self, duration: str, end: str) -> None:
        file = f"Start date,Start time,Duration\n2026-11-18,09:00:00,{duration}\n"
        assert read_times(file, format="toggl", zone="UTC")[1] == f"2026-11-18T{end}"

    @pytest.mark.parametrize(
        ("header", "missing"),
        [
            ("Start time,Duration", "Start date"),
            ("Start date,Duration", "Start time"),
            ("Start date,Start time", "Duration or End time"),
        ],
    )
    def test_missing_required_column_is_refused(self, header: str, missing: str) -> None:
        assert file_error(f"{header}\n1,2\n", format="toggl") == FieldError(
            f"has no column {missing}; the columns are {', '.join(header.split(','))}", pointer="#/file"
        )
