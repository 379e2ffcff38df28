"""Exports of solidtime."""

import pytest

from tests.support.import_reading import (
    SOLIDTIME_ENTRIES,
    SOLIDTIME_TABLES,
    file_error,
    file_notices,
    read,
    read_row,
    summary,
    to_zip,
)


class TestSolidtime:
    def test_ids_are_replaced_by_names(self) -> None:
        result = read(to_zip(time_entries=SOLIDTIME_ENTRIES, **SOLIDTIME_TABLES))
        assert (result.errors, result.notices) == ([], [])
        first, second = result.rows
        assert summary(first) == ("2024-03-04T09:23:00Z", 3_601, "Design", "Draw", "Site", ("web", "ink, red"))
        assert (first.client, first.user, first.billable, first.hourly_rate) == (
            "Acme",
            "Ada Byron",
            True,
            (10_050, "EUR"),
        )
        assert summary(second) == ("2024-03-05T09:23:52Z", 0, "(no description)", None, "Inner", ())

    def test_rate_in_an_unknown_currency_is_left_out(self) -> None:
        organizations = SOLIDTIME_TABLES["organizations"].replace("EUR", "XBT")
        result = read(to_zip(time_entries=SOLIDTIME_ENTRIES, **{**SOLIDTIME_TABLES, "organizations": organizations}))
        assert (len(result.rows), result.rows[0].hourly_rate, result.errors) == (2, None, [])

    def test_ids_without_a_name_give_a_notice(self) -> None:
        result = read(to_zip(time_entries=SOLIDTIME_ENTRIES, organizations=SOLIDTIME_TABLES["organizations"]))
        assert len(result.rows) == 2
        assert file_notices(result) == ["None has 7 ids without a name in any of its files: they were ignored"]

    def test_rows_of_one_user_are_selected_by_email(self) -> None:
        assert len(read(to_zip(time_entries=SOLIDTIME_ENTRIES, **SOLIDTIME_TABLES), user="ADA@example.com").rows) == 2

    @pytest.mark.parametrize(
        ("file", "message"),
        [
            (to_zip(projects="id,name\n"), "without time_entries.csv"),
            (to_zip(time_entries="")[:-30], "cannot be unpacked"),
            (to_zip(time_entries=""), "is empty"),
            (to_zip(time_entries="id,description\n1,x\n"), "has no column start"),
        ],
        ids=["another archive", "cut off", "empty", "another table"],
    )
    def test_other_archive_is_refused(self, file: bytes, message: str) -> None:
        assert message in file_error(file).detail

    def test_too_large_archive_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        limit = "services.transfer.import_formats.programs.solidtime.MAX_BYTES"
        monkeypatch.setattr(limit, len(SOLIDTIME_ENTRIES))
        assert len(read(to_zip(time_entries=SOLIDTIME_ENTRIES)).rows) == 2
        monkeypatch.setattr(limit, len(SOLIDTIME_ENTRIES) - 1)
        assert "unpacks to more than" in file_error(to_zip(time_entries=SOLIDTIME_ENTRIES)).detail

    def test_entry_table_alone_gives_notices_about_ids(self) -> None:
        result = read(SOLIDTIME_ENTRIES, format="csv", currency="EUR")
        assert [row.tags for row in result.rows] == [("g1", "g2"), ()]
        assert result.rows[0].hourly_rate == (10_050, "EUR")
        assert [column.split()[0] for column in file_notices(result)] == ["client_id", "project_id", "task_id"]

    def test_detailed_report_is_read_as_csv(self) -> None:
        row = read_row(
            "Description,Task,Project,Client,User,Start,End,Duration,Duration (decimal),Billable,Tags\n"
            'Draw,Design,Site,Acme,Ada,2024-03-04 10:23:00,2024-03-04 11:23:01,01:00:01,1.0002777777777778,No,"A, B"\n'
        )
        assert summary(row) == ("2024-03-04T09:23:00Z", 3_601, "Design", "Draw", "Site", ("a", "b"))
