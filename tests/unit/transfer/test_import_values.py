"""What stands in the columns of a list of hours: whose, when, how long, what it costs, however it is written."""

import pytest

from app.clock import rfc3339
from services.transfer.import_formats.results import RowMessage
from services.transfer.import_formats.tables.fields import ColumnMapping
from tests.support.import_reading import CLOCKIFY, about, only, read, refused, seconds, told


class TestColumns:
    file = "Begin,End,Was gemacht,Ort\n2024-03-04 09:00,2024-03-04 10:00,Draw,Berlin\n"

    def test_are_asked_for_where_none_says_what_was_done(self) -> None:
        wrong = refused(self.file)
        assert wrong.pointer == "#/columns"
        assert "the columns are Was gemacht, Ort" in wrong.detail

    def test_are_mapped_as_the_form_says(self) -> None:
        got = read(self.file, columns={"task": "was GEMACHT ", "project": "Ort"})
        assert [told(row)[2:5] for row in got.rows] == [("Draw", None, "Berlin")]
        assert got.ignored_columns == []
        assert got.columns["task"].header == "Was gemacht"

    def test_can_be_read_from_nowhere(self) -> None:
        got = read(self.file, columns={"task": None})
        assert [row.title for row in got.rows] == ["(no description)"]
        assert got.ignored_columns == ["Was gemacht", "Ort"]

    def test_take_a_header_away_from_another_field(self) -> None:
        file = "start,end,task,project\n2024-03-04 09:00,2024-03-04 10:00,Draw,Site\n"
        got = read(file, columns={"project": "task", "task": "project"})
        assert [told(row)[2:5] for row in got.rows] == [("Site", None, "Draw")]

    @pytest.mark.parametrize(
        ("columns", "said"),
        [
            ({"task": "What"}, "names a column that is not in the file: What; the columns are Begin, End"),
            ({"task": "Ort", "note": "Ort"}, "maps two fields to the same column: Ort"),
        ],
    )
    def test_are_refused_where_they_are_wrong(self, columns: ColumnMapping, said: str) -> None:
        wrong = refused(self.file, columns=columns)
        assert wrong.pointer == "#/columns"
        assert wrong.detail.startswith(said)

    def test_are_shown_with_their_first_values(self) -> None:
        lines = [f"2024-03-0{day},09:00,1.0,{text}" for day, text in enumerate(["a", "", "b", "c", "d"], start=1)]
        got = read("Date,From,Hours,Task\n" + "\n".join(lines))
        found = {field: (column.header, column.values) for field, column in got.columns.items()}
        assert found == {
            "date": ("Date", ["2024-03-01", "2024-03-02", "2024-03-03"]),
            "start": ("From", ["09:00"] * 3),
            "duration_hours": ("Hours", ["1.0"] * 3),
            "task": ("Task", ["a", "b", "c"]),
        }

    def test_that_say_the_same_are_passed_over_and_named(self) -> None:
        got = read("Date,From,Duration,Duration,Task\n2024-03-04,09:00,1:30,1.5,x\n", as_csv=True)
        assert [seconds(row) for row in got.rows] == [5_400]
        assert got.ignored_columns == ["Duration"]

    @pytest.mark.parametrize(
        ("written", "is_told"),
        [
            ('["2c5c2da7-9ef8-4410-bb8f-6e0a90f9d2c7"]', True),
            ('["2c5c2da7-9ef8-4410-bb8f-6e0a90f9d2c7", "web"]', False),
            ('["web"]', False),
            ("[]", False),
            ("2c5c2da7-9ef8-4410-bb8f-6e0a90f9d2c7", False),
        ],
    )
    def test_of_tags_are_told_of_where_they_have_ids_alone(self, written: str, is_told: bool) -> None:
        cell = '"' + written.replace('"', '""') + '"'
        got = read("start,hours,task,Tags\n" + "2024-03-04 09:00,1.0,x,[]\n" * 3 + f"2024-03-04 09:00,1.0,x,{cell}\n")
        said = RowMessage(0, "Tags", "has tag ids without names: the ids became the tags")
        assert got.notices == ([said] if is_told else [])

    def test_without_a_header_are_named_where_they_hold_something(self) -> None:
        assert read("start,hours,,\n2024-03-04 09:00,1.0,,\n").ignored_columns == []
        got = read("start,hours,task,,\n2024-03-04 09:00,1.0,x,,y\n")
        assert got.ignored_columns == ["(column 5)"]


class TestPeople:
    file = (
        "start,hours,task,user,email\n"
        "2024-03-04 09:00,1.0,a,Ada,ada@example.com\n"
        "2024-03-04 09:00,1.0,b,Bob,bob@example.com\n"
        "2024-03-04 09:00,1.0,c,,\n"
        "x,1.0,d,Bob,bob@example.com\n"
    )

    def test_are_counted(self) -> None:
        got = read(self.file)
        assert [row.user for row in got.rows] == ["Ada", "Bob", None]
        assert about(got) == ["user names 2 users; the rows of all were read: Bob (2), Ada (1)"]

    @pytest.mark.parametrize("user", ["ada", "ADA@example.com", " Ada "])
    def test_may_be_one_alone(self, user: str) -> None:
        got = read(self.file, user=user)
        assert ([row.title for row in got.rows], got.errors) == (["a"], [])
        assert about(got) == ["user names 2 users; 2 rows of 1 other user ignored: Bob (2)"]

    def test_of_another_name_are_refused(self) -> None:
        wrong = refused(self.file, user="Eve")
        assert wrong.pointer == "#/user"
        assert wrong.detail == "is not a user in the file; the users are Bob (2), Ada (1)"


class TestMoney:
    @pytest.mark.parametrize(
        ("written", "currency"),
        [
            ("EURO", "EUR"),
            ("€", "EUR"),
            ("eur ", "EUR"),
            ("Euro - EUR", "EUR"),
            ("US$", "USD"),
            ("USD $", "USD"),
            ("CHF ", "CHF"),
            ("Kč", "CZK"),
            ("zł", "PLN"),
            ("£", "GBP"),
        ],
    )
    def test_is_of_the_currency_that_is_meant(self, written: str, currency: str) -> None:
        assert only(CLOCKIFY.format(written)).hourly_rate == (2_625, currency)
        in_a_column = f"start,hours,task,billable,rate per hour,currency\n2024-03-04 09:00,1.0,x,yes,26.25,{written}\n"
        assert only(in_a_column).hourly_rate == (2_625, currency)
        beside_the_number = f'start,hours,task,billable,rate per hour\n2024-03-04 09:00,1.0,x,yes,"26,25 {written}"\n'
        assert only(beside_the_number).hourly_rate == (2_625, currency)

    @pytest.mark.parametrize("written", ["$", "", "kr", "XXQ", "points"])
    def test_is_of_none_where_it_cannot_be_told(self, written: str) -> None:
        got = read(CLOCKIFY.format(written))
        assert [(row.hourly_rate, row.takes_project_rate) for row in got.rows] == [(None, False)]
        assert [(notice.row, notice.column) for notice in got.notices] == [
            (0, f"Billable Rate ({written})"),
            (0, f"Billable Amount ({written})"),
        ]
        assert only(CLOCKIFY.format(written), currency="CAD").hourly_rate == (2_625, "CAD")

    def test_is_of_the_file_before_it_is_of_the_form(self) -> None:
        assert only(CLOCKIFY.format("EUR"), currency="CAD").hourly_rate == (2_625, "EUR")

    @pytest.mark.parametrize(
        ("written", "amount"),
        [
            ("1.234,50", 123_450),
            ("1,234.50", 123_450),
            ("1 234,5", 123_450),
            ("1'234.50", 123_450),
            ("1.234.567", 123_456_700),
            ("60.0000", 6_000),
            ("60", 6_000),
            ("€60/h", 6_000),
            ("60,00 € pro Stunde", 6_000),
        ],
    )
    def test_is_read_as_it_is_written(self, written: str, amount: int) -> None:
        file = f'start,hours,task,billable,hourly rate,currency\n2024-03-04 09:00,1.0,x,yes,"{written}",EUR\n'
        assert only(file).hourly_rate == (amount, "EUR")

    @pytest.mark.parametrize("written", ["1,234", "-5", "about 60", "free", "5 %", "(5)", "1e5"])
    def test_that_is_no_amount_leaves_no_rate_rather_than_another(self, written: str) -> None:
        got = read(f'start,hours,task,billable,hourly rate,currency\n2024-03-04 09:00,1.0,x,yes,"{written}",EUR\n')
        assert [(row.hourly_rate, row.takes_project_rate) for row in got.rows] == [(None, False)]
        assert [(notice.row, notice.column) for notice in got.notices] == [(1, "hourly rate")]

    @pytest.mark.parametrize(
        ("duration", "amount", "rate"),
        [
            ("1:30:00", "128.25", 8_550),
            ("0:45:00", "64.12", 8_550),
            ("0:45:00", "64.13", 8_550),
            ("0:10:00", "14.25", 8_550),
        ],
    )
    def test_of_a_row_makes_the_rate_of_an_hour(self, duration: str, amount: str, rate: int) -> None:
        header = "Description,Email,Billable,Start date,Start time,Duration,Amount (EUR)\n"
        got = read(f"{header}x,ada@example.com,Yes,2026-11-18,09:00:00,{duration},{amount}\n")
        assert [row.hourly_rate for row in got.rows] == [(rate, "EUR")]

    def test_of_a_row_that_no_rate_makes_is_told_of(self) -> None:
        header = "Description,Email,Billable,Start date,Start time,Duration,Amount (EUR)\n"
        got = read(f"{header}x,ada@example.com,Yes,2026-11-18,09:00:00,0:00:00,5.00\n")
        assert [row.hourly_rate for row in got.rows] == [None]
        assert [notice.column for notice in got.notices] == ["Amount (EUR)"]

    def test_that_says_two_things_is_told_of(self) -> None:
        got = read(CLOCKIFY.format("EUR").replace("13.13", "99.00"))
        assert [row.hourly_rate for row in got.rows] == [(2_625, "EUR")]
        assert got.notices == [
            RowMessage(
                1,
                "Billable Amount (EUR)",
                "is 99.00, which is not 1,800 seconds at 26.25 per hour: the hourly rate was used",
            )
        ]

    def test_makes_billable_what_does_not_say(self) -> None:
        got = read("start,hours,task,hourly rate,currency\n2024-03-04 09:00,1.0,x,60,EUR\n2024-03-05 09:00,1.0,x,,\n")
        assert [row.billable for row in got.rows] == [True, None]
        assert about(got) == ["hourly rate makes 1 row billable: the file does not say whether they are"]

    def test_says_how_it_has_read_a_rate_that_may_be_an_amount(self) -> None:
        got = read("start,hours,task,billable,rate,currency\n2024-03-04 09:00,1.0,x,yes,60,EUR\n")
        assert about(got) == ["rate was read as an hourly rate"]


class TestValues:
    @pytest.mark.parametrize(
        ("written", "length"),
        [
            ("0:19:9", 1_149),
            ("0:0:31", 31),
            ("1:0:0", 3_600),
            ("1h30", 5_400),
            ("1.5 hours", 5_400),
            ("1 Std. 30 Min.", 5_400),
            ("2 h, 5 min", 7_500),
            ("PT1H30M", 5_400),
            ("P0Y0M0DT7H30M0S", 27_000),
            ("1.0002777777777778", 3_601),
            ("2.7777777777778E-4", 1),
            ("1,25", 4_500),
        ],
    )
    def test_are_durations(self, written: str, length: int) -> None:
        assert seconds(only(f'start,duration,task\n2024-03-04 09:00:00,"{written}",x\n')) == length

    @pytest.mark.parametrize(
        ("start", "end"),
        [
            ("2024-03-04 08.37", "2024-03-04 10.00"),
            ("20240304T083700", "20240304T1000"),
            ("20240304T073700Z", "2024-03-04T10:00:00+01"),
            ("04 Mar 2024 8:37 AM", "March 4, 2024 10 am"),
            ("Mo., 4. März 2024 8h37", "Monday, 4 March 2024 10:00 Uhr"),
            ("4 mars 2024 08:37", "4 de marzo de 2024 10:00"),
            ("1709537820", "1709542800000"),
        ],
    )
    def test_are_instants(self, start: str, end: str) -> None:
        row = only(f'start,end,task\n"{start}","{end}",x\n')
        assert (rfc3339(row.started_at), seconds(row)) == ("2024-03-04T07:37:00Z", 4_980)

    def test_are_times_with_dots_beside_a_date(self) -> None:
        row = only("date,start,end,task\n2024-03-04,08.37.15,09.00.00,x\n")
        assert (rfc3339(row.started_at), seconds(row)) == ("2024-03-04T07:37:15Z", 1_365)

    @pytest.mark.parametrize("end", ["24:00", "2024-03-04 24:00:00", "2024-03-05 00:00"])
    def test_end_with_the_day_at_24(self, end: str) -> None:
        row = only(f"date,start,end,task\n2024-03-04,22:00,{end},x\n")
        assert rfc3339(row.ended_at) == "2024-03-04T23:00:00Z"

    def test_may_be_an_end_and_a_duration(self) -> None:
        row = only("date,end,hours,task\n2024-03-04,10:00,1.5,x\n")
        assert (rfc3339(row.started_at), seconds(row)) == ("2024-03-04T07:30:00Z", 5_400)

    @pytest.mark.parametrize(
        ("written", "tags"),
        [
            ('["a","b, c"]', ("a", "b, c")),
            ("['a', \"b's\"]", ("a", "b's")),
            ("[]", ()),
            ("[a]", ("[a]",)),
            ("[1]", ("[1]",)),
            ("a;b", ("a", "b")),
            ("a|b", ("a", "b")),
            ("#a #b", ("a", "b")),
            ("a b", ("a b",)),
            ("a;b, c", ("a;b", "c")),
        ],
    )
    def test_are_tags(self, written: str, tags: tuple[str, ...]) -> None:
        cell = written.replace('"', '""')
        assert only(f'start,hours,task,tags\n2024-03-04 09:00,1.0,x,"{cell}"\n').tags == tags

    @pytest.mark.parametrize(
        ("said", "is_billable"),
        [("JA", True), ("nein", False), ("Oui", True), ("non", False), ("sí", True), ("x", True)],
    )
    def test_are_yes_and_no(self, said: str, is_billable: bool) -> None:
        assert only(f"start,hours,task,billable\n2024-03-04 09:00,1.0,x,{said}\n").billable is is_billable

    @pytest.mark.parametrize("cell", ["Total", "TBD", "Tuesday", "Today 9:00", "T", "t9"])
    def test_that_are_none_are_quoted_as_they_stand(self, cell: str) -> None:
        got = read(f"Start,End,Task\n{cell},,x\n")
        assert got.errors == [RowMessage(1, "Start", f"is not a time of day: {cell}")]


class TestBreaks:
    @pytest.mark.parametrize("column", ["type,Break", "Type,pause", "break,yes", "Pause,JA"])
    def test_are_left_out_and_this_is_said(self, column: str) -> None:
        header, said = column.split(",")
        text = (
            f"Start Date,Start Time,Duration (h),Description,{header}\n"
            f"2026-11-18,09:00,1:00:00,Draw,Regular\n2026-11-18,10:00,0:30:00,Lunch,{said}\n"
        ).replace("Regular", "Regular" if header.lower() == "type" else "no")
        got = read(text, as_csv=True)
        assert ([row.title for row in got.rows], got.skipped, got.errors) == (["Draw"], 1, [])
        assert [(notice.row, notice.column) for notice in got.notices] == [(2, header)]


class TestAFirstLine:
    @pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;;;"])
    def test_may_say_what_divides_the_cells(self, first: str) -> None:
        row = only(f"{first}\r\nstart;hours;task, or so\r\n2024-03-04 09:00;1.0;x\r\n", columns={"task": "task, or so"})
        assert row.title == "x"

    def test_is_not_counted(self) -> None:
        assert read("sep=,\nstart,hours,task\nx,1.0,x\n").errors[0].row == 1

    def test_needs_a_header_behind_it(self) -> None:
        assert refused("sep=;\n").pointer == "#/file"


class TestWindows1252:
    def test_is_read_and_said(self) -> None:
        got = read("start;hours;Tätigkeit\n2024-03-04 09:00;1,0;Größe, „Maß“ €\n".encode("cp1252"))
        assert [row.title for row in got.rows] == ["Größe, „Maß“ €"]
        assert about(got) == ["None is not UTF-8 and was read as Windows-1252: check that accented letters are right"]
