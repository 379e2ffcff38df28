"""The exports of many programs: every row of time in, every amount as it was, and every omission said."""

import io
import json
import zipfile
from datetime import date, time
from io import BytesIO
from typing import ClassVar

import pytest

from app.clock import rfc3339
from services.transfer.import_formats.programs.detection import detect_format
from tests.support.import_reading import CLOCKIFY, about, only, read, refused, seconds, told

KIMAI = (
    "Date,From,To,Duration,Currency,Price,Internal price,Hourly price,Fixed price,Name,User,Staff number,Customer,"
    "Project,Activity,Description,Billable,Tags\n"
    '2024-03-04,09:00,17:00,07:30,EUR,750.00,300.00,100.00,,Anna,anna,,Acme,Site,Design,Cover,Yes,"a, b"\n'
    "2024-03-05,22:00,02:00,04:00,EUR,400.00,160.00,100.00,,Anna,anna,,Acme,Site,Design,Night,Yes,\n"
)
HARVEST = (
    "Date,Client,Project,Project Code,Task,Notes,Hours,Billable?,Invoiced?,Approved?,First Name,Last Name,Roles,"
    "Employee?,Billable Rate,Billable Amount,Cost Rate,Cost Amount,Currency,External Reference URL\n"
    '2024-03-04,Acme,Site,,Design,Draw,"1,5",Yes,No,No,Ada,Byron,,Yes,"100,0","150,0","0,0","0,0",Euro - EUR,\n'
    '2024-03-04,Acme,Site,,Design,Draw,"1,5",Yes,No,No,Ada,Byron,,Yes,"100,0","150,0","0,0","0,0",Euro - EUR,\n'
    '2024-03-04,,Inner,,Mail,,"0,01",No,No,No,Bob,Hope,,Yes,"0,0","0,0","0,0","0,0",Euro - EUR,\n'
    '2024-03-05,Acme,Site,,Design,,"1,25",Yes,No,No,Ada,Byron,,Yes,"1.000,5","1.250,63","0,0","0,0",Euro - EUR,\n'
)


class TestKimai:
    def test_leaves_breaks_out_and_says_so(self) -> None:
        got = read(KIMAI)
        assert not got.errors
        assert [told(row) for row in got.rows] == [
            ("2024-03-04T08:00:00Z", 27_000, "Design", "Cover", "Site", ("a", "b")),
            ("2024-03-05T21:00:00Z", 14_400, "Design", "Night", "Site", ()),
        ]
        assert [(notice.row, notice.column) for notice in got.notices] == [(1, "Duration")]
        assert "excludes a break of 1,800 seconds" in got.notices[0].message

    def test_has_hourly_rates_and_says_which_columns_are_passed_over(self) -> None:
        got = read(KIMAI)
        assert [row.hourly_rate for row in got.rows] == [(10_000, "EUR")] * 2
        assert [row.user for row in got.rows] == ["anna", "anna"]
        assert got.ignored_columns == ["Internal price", "Fixed price", "Name", "Staff number"]

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
    def test_is_read_in_other_languages(self, header: str, billable: str) -> None:
        cells = f"2024-03-04;09:00;10:30;01:30;EUR;150,00;100,00;anna;Acme;Site;Design;Cover;{billable};a, b"
        row = only(f"{header}\n{cells}\n")
        assert told(row) == ("2024-03-04T08:00:00Z", 5_400, "Design", "Cover", "Site", ("a", "b"))
        assert (row.client, row.billable, row.hourly_rate) == ("Acme", True, (10_000, "EUR"))

    def test_tells_the_amount_of_a_row_from_the_rate_of_an_hour(self) -> None:
        got = read(
            "Date,Begin,End,Duration,Rate,Currency,Customer,Project,Activity,Billable\n"
            "2019-04-25,09:00,13:00,4:00,400.00,EUR,Acme,Site,Design,yes\n"
        )
        assert [row.hourly_rate for row in got.rows] == [(10_000, "EUR")]
        assert about(got) == ["Rate is an amount per row: the hourly rate of 1 row was computed from it"]

    @pytest.mark.parametrize(
        ("pause", "duration", "worked"), [("0:30", "", 27_000), ("0:30", "7:30", 27_000), ("30", "", 27_000)]
    )
    def test_knows_a_column_of_breaks(self, pause: str, duration: str, worked: int) -> None:
        got = read(f"Date,From,To,Duration,Break,Activity\n2024-03-04,09:00,17:00,{duration},{pause},x\n", as_csv=True)
        assert [seconds(row) for row in got.rows] == [worked]
        assert len(got.notices) == 1


class TestHarvest:
    def test_lays_its_rows_one_after_the_other_on_their_day(self) -> None:
        got = read(HARVEST)
        assert not got.errors
        assert [told(row)[:4] for row in got.rows] == [
            ("2024-03-04T08:00:00Z", 5_400, "Design", "Draw"),
            ("2024-03-04T09:30:00Z", 5_400, "Design", "Draw"),
            ("2024-03-04T08:00:00Z", 36, "Mail", None),  # of somebody else
            ("2024-03-05T08:00:00Z", 4_500, "Design", None),
        ]
        assert {row.laid_on for row in got.rows} == {date(2024, 3, 4), date(2024, 3, 5)}

    def test_says_the_same_of_a_row_wherever_it_is_laid(self) -> None:
        header, first, *others = HARVEST.splitlines(keepends=True)
        later = read("".join([header, *others])).rows[0]
        assert first == others[0]
        assert later.content() == read(HARVEST).rows[1].content()

    def test_begins_its_days_where_the_form_says(self) -> None:
        assert rfc3339(read(HARVEST, day_start=time(7, 30)).rows[0].started_at) == "2024-03-04T06:30:00Z"

    def test_says_which_rows_go_on_after_midnight(self) -> None:
        row = "2024-03-04,Acme,Site,,Design,{},8,No,No,No,Ada,Byron,,Yes,,,,,,\n"
        got = read(HARVEST.splitlines(keepends=True)[0] + row.format("a") + row.format("b"))
        assert [seconds(row) for row in got.rows] == [28_800, 28_800]
        assert [(notice.row, notice.column) for notice in got.notices] == [(2, "Hours")]

    def test_has_rates_with_decimal_commas_and_names_of_currencies(self) -> None:
        got = read(HARVEST)
        assert [row.hourly_rate for row in got.rows] == [(10_000, "EUR"), (10_000, "EUR"), None, (100_050, "EUR")]
        assert [row.billable for row in got.rows] == [True, True, False, True]

    def test_names_its_people(self) -> None:
        got = read(HARVEST)
        assert [row.user for row in got.rows] == ["Ada Byron", "Ada Byron", "Bob Hope", "Ada Byron"]
        assert about(got) == ["First Name names 2 users; the rows of all were read: Ada Byron (3), Bob Hope (1)"]

    def test_uses_times_of_day_where_it_has_them(self) -> None:
        got = read(
            "Date,Client,Project,Task,Notes,Hours,Started At,Ended At,First Name\n"
            "2024-03-04,Acme,Site,Design,Draw,1.5,9:15am,10:45am,Ada\n"
        )
        assert [told(row)[:2] for row in got.rows] == [("2024-03-04T08:15:00Z", 5_400)]
        assert got.rows[0].laid_on is None


class TestTimewarrior:
    intervals: ClassVar = [
        {"id": 3, "start": "20231001T103000Z", "end": "20231001T120000Z", "tags": ["Site", "a, b"], "annotation": "Go"},
        {"id": 2, "start": "20231001T090000Z", "end": "20231001T100000Z", "tags": ["Site", "mail"]},
        {"id": 1, "start": "20231001T130000Z", "tags": ["Site"]},
    ]

    def test_has_annotations_and_tags(self) -> None:
        got = read(json.dumps(self.intervals))
        assert [told(row) for row in got.rows] == [
            ("2023-10-01T10:30:00Z", 5_400, "Go", None, None, ("site", "a, b")),
            ("2023-10-01T09:00:00Z", 3_600, "Site, mail", None, None, ("site", "mail")),
        ]
        assert [(error.row, error.column) for error in got.errors] == [(3, "end")]
        assert "still running" in got.errors[0].message
        assert got.ignored_columns == ["id"]

    def test_numbers_what_is_no_interval(self) -> None:
        assert [error.row for error in read("[1, null, {}]").errors] == [1, 2, 3]

    @pytest.mark.parametrize("file", ["[1,", '["\\ud800"]', "{}", "[" * 10_000])
    def test_is_refused_where_it_is_no_list(self, file: str) -> None:
        assert refused(file).pointer == "#/file"

    def test_is_refused_with_a_nul_character(self) -> None:
        assert "NUL" in refused('[{"start": "20231001T103000Z", "annotation": "\\u0000"}]').detail


def archive(**files: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in files.items():
            packed.writestr(f"{name}.csv", text)
    return content.getvalue()


class TestSolidtime:
    entries = (
        "id,description,start,end,billable_rate,billable,member_id,user_id,organization_id,client_id,project_id,task_id,"
        "tags,is_imported,still_active_email_sent_at,created_at,updated_at\n"
        'e1,Draw,2024-03-04T09:23:00Z,2024-03-04T10:23:01Z,10050,true,m1,u1,o1,c1,p1,t1,"[""g1"",""g2""]",false,,,\n'
        "e2,,2024-03-05T09:23:52Z,2024-03-05T09:23:52Z,,false,m1,u1,o1,,p2,,[],false,,,\n"
    )
    others: ClassVar = {
        "projects": "id,name,color,billable_rate,client_id,organization_id\np1,Site,,,c1,o1\np2,Inner,,,,o1\n",
        "clients": "id,name\nc1,Acme\n",
        "tasks": "id,name,project_id\nt1,Design,p1\nt1,Later,p1\n",
        "tags": 'id,name\ng1,Web\ng2,"Ink, red"\n',
        "members": "id,user_id,name,email\nm1,u1,Ada Byron,ada@example.com\n",
        "organizations": "id,name,billable_rate,currency\no1,Acme,,EUR\n",
    }

    def test_has_names_in_the_place_of_ids(self) -> None:
        got = read(archive(time_entries=self.entries, **self.others))
        assert (got.errors, got.notices) == ([], [])
        first, second = got.rows
        assert told(first) == ("2024-03-04T09:23:00Z", 3_601, "Design", "Draw", "Site", ("web", "ink, red"))
        assert (first.client, first.user, first.billable, first.hourly_rate) == (
            "Acme",
            "Ada Byron",
            True,
            (10_050, "EUR"),
        )
        assert told(second) == ("2024-03-05T09:23:52Z", 0, "(no description)", None, "Inner", ())

    def test_says_how_many_ids_have_no_name(self) -> None:
        got = read(archive(time_entries=self.entries, organizations=self.others["organizations"]))
        assert len(got.rows) == 2
        assert about(got) == ["None has 7 ids without a name in any of its files: they were ignored"]

    def test_lets_one_person_be_chosen_by_the_address(self) -> None:
        assert len(read(archive(time_entries=self.entries, **self.others), user="ADA@example.com").rows) == 2

    @pytest.mark.parametrize(
        ("file", "said"),
        [
            (archive(projects="id,name\n"), "without time_entries.csv"),
            (archive(time_entries="")[:-30], "cannot be unpacked"),
            (archive(time_entries=""), "is empty"),
            (archive(time_entries="id,description\n1,x\n"), "has no column start"),
        ],
        ids=["another archive", "cut off", "empty", "another table"],
    )
    def test_is_refused_where_it_is_none(self, file: bytes, said: str) -> None:
        assert said in refused(file).detail

    def test_is_refused_where_it_unpacks_to_too_much(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("services.transfer.import_formats.programs.solidtime.MAX_BYTES", 100)
        assert "unpacks to more than" in refused(archive(time_entries=self.entries)).detail

    def test_alone_as_a_table_says_that_names_are_missing(self) -> None:
        got = read(self.entries, as_csv=True, currency="EUR")
        assert [row.tags for row in got.rows] == [("g1", "g2"), ()]
        assert got.rows[0].hourly_rate == (10_050, "EUR")
        assert [column.split()[0] for column in about(got)] == ["client_id", "project_id", "task_id"]

    def test_has_a_report_of_its_own(self) -> None:
        row = only(
            "Description,Task,Project,Client,User,Start,End,Duration,Duration (decimal),Billable,Tags\n"
            'Draw,Design,Site,Acme,Ada,2024-03-04 10:23:00,2024-03-04 11:23:01,01:00:01,1.0002777777777778,No,"A, B"\n'
        )
        assert told(row) == ("2024-03-04T09:23:00Z", 3_601, "Design", "Draw", "Site", ("a", "b"))


class TestOthers:
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
            "TimeTagger",
            "a report of TimeTagger",
            "aTimeLogger",
            "the worklogs of Tempo",
            "a category alone",
            "a list of somebody's hours",
        ],
    )
    def test_are_read(self, file: str, expected: tuple[object, ...]) -> None:
        assert told(only(file)) == expected


class TestTheFormat:
    @pytest.mark.parametrize(
        ("file", "format"),
        [
            ("User,Email,Project,Description,Start date,Start time,Duration\n", "toggl"),
            ("Description,Duration,Member,Email,Start date,Start time,Stop date,Stop time\n", "toggl"),
            (CLOCKIFY, "clockify"),
            ("Project,Description,Task,User,Group,Email,Start Date,Start Time,End Date,End Time\n", "clockify"),
            (HARVEST, "harvest"),
            ("start,end,task\n", "csv"),
            (KIMAI, "csv"),
            ("\ufeff [ ]", "timewarrior"),
            (archive(), "solidtime"),
            ('{"type": "account", "schema_version": 1}\n', "account"),
            (b"\x1f\x8b\x08", "account"),
        ],
    )
    def test_is_told_by_the_file(self, file: str | bytes, format: str) -> None:  # noqa: A002 - the API's name
        assert detect_format(BytesIO(file.encode() if isinstance(file, str) else file)) == format

    def test_is_none_for_other_json(self) -> None:
        assert "is JSON, but neither Timewarrior intervals nor an account file" in refused('{"buckets": {}}').detail
