"""Exports of Kimai, Harvest, Timewarrior and other programs, and the detection of formats."""

import json
from datetime import date, time
from io import BytesIO

import pytest

from app.clock import rfc3339
from services.transfer.import_formats.programs import timewarrior
from services.transfer.import_formats.programs.detection import detect_format
from tests.support.import_reading import (
    CLOCKIFY,
    HARVEST,
    KIMAI,
    TIMEWARRIOR_INTERVALS,
    duration_seconds,
    file_error,
    file_notices,
    read,
    read_row,
    summary,
    to_csv,
    to_zip,
)


class TestKimai:
    def test_breaks_are_excluded_with_a_notice(self) -> None:
        result = read(KIMAI)
        assert not result.errors
        assert [summary(row) for row in result.rows] == [
            ("2024-03-04T08:00:00Z", 27_000, "Design", "Cover", "Site", ("a", "b")),
            ("2024-03-05T21:00:00Z", 14_400, "Design", "Night", "Site", ()),
        ]
        assert [(notice.row, notice.column) for notice in result.notices] == [(1, "Duration")]
        assert "excludes a break of 1,800 seconds" in result.notices[0].message

    def test_rates_are_read_and_other_columns_ignored(self) -> None:
        result = read(KIMAI)
        assert [row.hourly_rate for row in result.rows] == [(10_000, "EUR")] * 2
        assert [row.user for row in result.rows] == ["anna", "anna"]
        assert result.ignored_columns == ["Internal price", "Fixed price", "Name", "Staff number"]

    @pytest.mark.parametrize(
        ("header", "billable"),
        [
            (("Datum;Von;Bis;Dauer;Währung;Preis;Preis pro Stunde;Benutzer;Kunde;Projekt;Tätigkeit;Beschreibung;"
             "Abrechenbar;Schlagworte"), "Ja"),
            (("Date;De;À;Durée;Devise;Taux;Taux horaire;Nom d'utilisateur;Client;Projet;Activité;Description;"
             "Facturable;Mots-clés"), "Oui"),
            (("Fecha;De;Para;Duración;Moneda;Tarifa;Tarifa por hora;Usuario;Cliente;Proyecto;Actividad;Descripción;"
             "Facturable;Etiquetas"), "Sí"),
        ],
        ids=["German", "French", "Spanish"],
    )  # fmt: skip
    def test_translated_headers_are_recognized(self, header: str, billable: str) -> None:
        cells = f"2024-03-04;09:00;10:30;01:30;EUR;150,00;100,00;anna;Acme;Site;Design;Cover;{billable};a, b"
        row = read_row(f"{header}\n{cells}\n")
        assert summary(row) == ("2024-03-04T08:00:00Z", 5_400, "Design", "Cover", "Site", ("a", "b"))
        assert (row.client, row.billable, row.hourly_rate) == ("Acme", True, (10_000, "EUR"))

    def test_rate_column_is_the_amount_of_the_row(self) -> None:
        result = read(
            "Date,Begin,End,Duration,Rate,Currency,Customer,Project,Activity,Billable\n"
            "2019-04-25,09:00,13:00,4:00,400.00,EUR,Acme,Site,Design,yes\n"
        )
        assert [row.hourly_rate for row in result.rows] == [(10_000, "EUR")]
        assert file_notices(result) == ["Rate is an amount per row: the hourly rate of 1 row was computed from it"]

    @pytest.mark.parametrize(
        ("pause", "duration", "worked"), [("0:30", "", 27_000), ("0:30", "7:30", 27_000), ("30", "", 27_000)]
    )
    def test_break_column_is_excluded(self, pause: str, duration: str, worked: int) -> None:
        result = read(
            f"Date,From,To,Duration,Break,Activity\n2024-03-04,09:00,17:00,{duration},{pause},x\n", format="csv"
        )
        assert [duration_seconds(row) for row in result.rows] == [worked]
        assert len(result.notices) == 1

    def test_rounding_is_not_a_break(self) -> None:
        result = read("Date,From,To,Duration,Activity\n2024-03-04,09:00,10:00,0:59:30,x\n", format="csv")
        assert ([duration_seconds(row) for row in result.rows], result.notices) == ([3_570], [])


class TestHarvest:
    def test_tags_are_read(self) -> None:
        header, first, *_ = HARVEST.splitlines()
        assert read_row(f"{header},Tags\n{first},web\n").tags == ("web",)

    def test_entries_of_a_day_follow_one_another(self) -> None:
        result = read(HARVEST)
        assert not result.errors
        assert [summary(row)[:4] for row in result.rows] == [
            ("2024-03-04T08:00:00Z", 5_400, "Design", "Draw"),
            ("2024-03-04T09:30:00Z", 5_400, "Design", "Draw"),
            ("2024-03-04T08:00:00Z", 36, "Mail", None),  # another user
            ("2024-03-05T08:00:00Z", 4_500, "Design", None),
        ]
        assert {row.laid_on for row in result.rows} == {date(2024, 3, 4), date(2024, 3, 5)}

    def test_row_content_does_not_depend_on_previous_rows(self) -> None:
        header, first, *others = HARVEST.splitlines(keepends=True)
        later = read("".join([header, *others])).rows[0]
        assert first == others[0]
        assert later.content() == read(HARVEST).rows[1].content()

    def test_day_start_is_applied(self) -> None:
        assert rfc3339(read(HARVEST, day_start=time(7, 30)).rows[0].started_at) == "2024-03-04T06:30:00Z"

    def test_entry_after_midnight_gives_a_notice(self) -> None:
        row = "2024-03-04,Acme,Site,,Design,{},8,No,No,No,Ada,Byron,,Yes,,,,,,\n"
        result = read(HARVEST.splitlines(keepends=True)[0] + row.format("a") + row.format("b"))
        assert [duration_seconds(row) for row in result.rows] == [28_800, 28_800]
        assert [(notice.row, notice.column) for notice in result.notices] == [(2, "Hours")]

    @pytest.mark.parametrize(
        ("header", "cell"),
        [("hours", "8.0"), ("duration", "8:00"), ("seconds", "28800"), ("minutes", "480"), ("decimal hours", "8.0")],
    )
    def test_notice_names_the_column_of_the_duration(self, header: str, cell: str) -> None:
        result = read(to_csv(["date", "task", header], *([["2024-03-04", task, cell] for task in ("a", "b")])))
        assert [(notice.row, notice.column) for notice in result.notices] == [(2, header)]

    def test_rates_with_decimal_commas_are_read(self) -> None:
        result = read(HARVEST)
        assert [row.hourly_rate for row in result.rows] == [(10_000, "EUR"), (10_000, "EUR"), None, (100_050, "EUR")]
        assert [row.billable for row in result.rows] == [True, True, False, True]

    def test_users_are_named(self) -> None:
        result = read(HARVEST)
        assert [row.user for row in result.rows] == ["Ada Byron", "Ada Byron", "Bob Hope", "Ada Byron"]
        assert file_notices(result) == [
            "First Name names 2 users; the rows of all were read: Ada Byron (3), Bob Hope (1)"
        ]

    def test_times_of_day_are_used_if_present(self) -> None:
        result = read(
            "Date,Client,Project,Task,Notes,Hours,Started At,Ended At,First Name\n"
            "2024-03-04,Acme,Site,Design,Draw,1.5,9:15am,10:45am,Ada\n"
        )
        assert [summary(row)[:2] for row in result.rows] == [("2024-03-04T08:15:00Z", 5_400)]
        assert result.rows[0].laid_on is None


class TestTimewarrior:
    def test_annotations_and_tags_are_read(self) -> None:
        result = read(json.dumps(TIMEWARRIOR_INTERVALS))
        assert [summary(row) for row in result.rows] == [
            ("2023-10-01T10:30:00Z", 5_400, "Go", None, None, ("site", "a, b")),
            ("2023-10-01T09:00:00Z", 3_600, "Site, mail", None, None, ("site", "mail")),
        ]
        assert [(error.row, error.column) for error in result.errors] == [(3, "end")]
        assert "still running" in result.errors[0].message
        assert result.ignored_columns == ["id"]

    def test_invalid_intervals_are_errors_with_their_number(self) -> None:
        assert [error.row for error in read("[1, null, {}]").errors] == [1, 2, 3]

    def test_object_is_refused(self) -> None:
        assert file_error("{}", format="timewarrior").pointer == "#/file"

    @pytest.mark.parametrize("file", ["[1,", '["\\ud800"]', "{}", "[" * 10_000])
    def test_invalid_json_is_refused(self, file: str) -> None:
        assert file_error(file).pointer == "#/file"

    def test_too_many_intervals_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(timewarrior, "MAX_ROWS", len(TIMEWARRIOR_INTERVALS) - 1)
        assert "intervals: split it" in file_error(json.dumps(TIMEWARRIOR_INTERVALS)).detail
        monkeypatch.setattr(timewarrior, "MAX_ROWS", len(TIMEWARRIOR_INTERVALS))
        assert len(read(json.dumps(TIMEWARRIOR_INTERVALS)).rows) == 2

    def test_nul_character_is_refused(self) -> None:
        assert "NUL" in file_error('[{"start": "20231001T103000Z", "annotation": "\\u0000"}]').detail


class TestOtherPrograms:
    """Each file, and what the one row of it says."""

    @pytest.mark.parametrize(
        ("file", "expected"),
        [
            (
                (
                    '"Name","Start","End","Duration","Notes"\n'
                    '"Active","1/27/2021 9:15:00 AM","1/27/2021 10:00:00 AM","0:45:00",""\n'
                ),
                ("2021-01-27T08:15:00Z", 2_700, "Active", None, None, ()),
            ),
            (
                (
                    "activity name,time started,time ended,comment,categories,record tags,duration,duration minutes\n"
                    '"Work, A",2026-09-01 10:00:00,2026-09-01 10:00:31,"one\ntwo",Work,"lab1, Admin",0:0:31,0\n'
                ),
                ("2026-09-01T08:00:00Z", 31, "Work, A", "one\ntwo", None, ("lab1", "admin", "work")),
            ),
            (
                (
                    "Issue Key,Issue summary,Hours,Work date,Username,Full name,Project Name,Work Description\n"
                    "ABC-1,Fix login,1.5,2021-03-01 08:00,jdoe,John Doe,Site,Worked on it\n"
                ),
                ("2021-03-01T07:00:00Z", 5_400, "Fix login", "Worked on it", "Site", ()),
            ),
            (
                (
                    "Date,Time Spent (seconds),Number of People,Activity,Category,Productivity\n"
                    "2024-01-05T09:00:00,1200,1,code.example,Software Development,2\n"
                ),
                ("2024-01-05T08:00:00Z", 1_200, "code.example", None, "Software Development", ()),
            ),
            (
                (
                    "activity\tstart time\tend time\tduration minutes\tcategory\tdescription\ttags\n"
                    'writing\t2024-01-05 09:00:00\t2024-01-05 09:59:59\t60\twork\tsome text\t"a, b"\n'
                ),
                ("2024-01-05T08:00:00Z", 3_599, "writing", "some text", "work", ("a", "b")),
            ),
            (
                "timestamp,duration,app,title\n2024-01-05T09:00:00.123000+00:00,12.5,Firefox,An example\n",
                ("2024-01-05T09:00:00Z", 12, "Firefox", "An example", None, ()),
            ),
            (
                "app,timestamp,duration,title\nFirefox,2024-01-05T09:00:00.123000+00:00,12.5,An example\n",
                ("2024-01-05T09:00:00Z", 12, "Firefox", "An example", None, ()),
            ),
            (
                (
                    "key\tstart\tstop\ttags\tdescription\n"
                    "abc\t1690000000\t1690003600\t#client #work\tDid it #client #work\n"
                ),
                ("2023-07-22T04:26:40Z", 3_600, "Did it #client #work", None, None, ("client", "work")),
            ),
            (
                (
                    "subtotals,tag_groups,duration,date,start,stop,description,user,tags\n\n1:30,#work,,,,,,,\n"
                    ',,1:30,2024-01-01,09:00,10:30,"did #work",ann,#work\n,,,,,,,,\n'
                ),
                ("2024-01-01T08:00:00Z", 5_400, "did #work", None, None, ("work",)),
            ),
            (
                "Activity type,Duration,From,To,Comment\nSleep,8:00,2022-01-01 22:00,2022-01-02 06:00,\n",
                ("2022-01-01T21:00:00Z", 28_800, "Sleep", None, None, ()),
            ),
            (
                "startDate,startTime,timeSpentSeconds,description,author\n2024-01-05,09:00:00,900,Fix,bob\n",
                ("2024-01-05T08:00:00Z", 900, "Fix", None, None, ()),
            ),
            (
                "Start,End,Category\n2024-01-05 09:00,2024-01-05 10:00,Reading\n",
                ("2024-01-05T08:00:00Z", 3_600, "Reading", None, None, ()),
            ),
            (
                "Name,Start,End,Description\nAda,2024-01-05 09:00,2024-01-05 10:00,Reading\n",
                ("2024-01-05T08:00:00Z", 3_600, "Reading", None, None, ()),
            ),
        ],
        ids=[
            "ManicTime",
            "Simple Time Tracker",
            "Jira Tempo",
            "RescueTime",
            "Hamster",
            "ActivityWatch",
            "ActivityWatch with another order of columns",
            "TimeTagger",
            "a report of TimeTagger",
            "aTimeLogger",
            "worklogs of Tempo",
            "a category alone",
            "a timesheet with names",
        ],
    )
    def test_export_is_read(self, file: str, expected: tuple[object, ...]) -> None:
        assert summary(read_row(file)) == expected


CLOCKIFY_HEADERS = ("Duration (h)", "Duration (decimal)", "Group", "Date of creation", "Billable Rate (EUR)")
TOGGL_HEADERS = ("Description", "Email", "User", "Member", "Stop date")


class TestFormatDetection:
    @pytest.mark.parametrize(
        ("file", "format"),
        [
            ("User,Email,Project,Description,Start date,Start time,Duration\n", "toggl"),
            ("Description,Duration,Member,Email,Start date,Start time,Stop date,Stop time\n", "toggl"),
            ("Start date,Start time,Stop date,Stop time,Duration\n", "toggl"),
            (CLOCKIFY, "clockify"),
            ("Project,Description,Task,User,Group,Email,Start Date,Start Time,End Date,End Time\n", "clockify"),
            ("Project,Description,Start Date,Start Time,End Date,End Time,Billable Rate (EUR)\n", "clockify"),
            *((f"Start Date,Start Time,{name}\n", "clockify") for name in CLOCKIFY_HEADERS),
            *((f"Start date,Start time,Duration,{name}\n", "toggl") for name in TOGGL_HEADERS),
            ("Start date,Start time,Duration\n", "csv"),
            ("Start date,Start time,Description,User,Email\n", "csv"),
            ("Start Date,Description,Task,User,Group,Email\n", "csv"),
            (HARVEST, "harvest"),
            ("Date,Client,Project,Task,Hours,Notes\n", "harvest"),
            ("Date,Client,Project,Task,Hours,First Name\n", "harvest"),
            ("Date,Client,Project,Task,Hours,Billable Rate\n", "harvest"),
            ("Date,Client,Project,Task,Hours\n", "csv"),
            ("start,end,task\n", "csv"),
            (KIMAI, "csv"),
            ("\ufeff [ ]", "timewarrior"),
            (to_zip(), "solidtime"),
            ('{"type": "account", "schema_version": 1}\n', "account"),
            (b"\x1f\x8b\x08", "account"),
        ],
    )
    def test_format_is_detected(self, file: str | bytes, format: str) -> None:  # noqa: A002 - the API's name
        assert detect_format(BytesIO(file.encode() if isinstance(file, str) else file)) == format

    def test_unknown_json_is_refused(self) -> None:
        assert "is JSON, but neither Timewarrior intervals nor an account file" in file_error('{"buckets": {}}').detail
