"""The columns of a file, and the users and breaks in it."""

import pytest

from services.transfer.import_formats.results import RowMessage
from services.transfer.import_formats.tables.fields import ColumnMapping
from tests.support.import_reading import duration_seconds, file_error, file_notices, read, read_row, summary


class TestColumns:
    file = "Begin,End,Was gemacht,Ort\n2024-03-04 09:00,2024-03-04 10:00,Draw,Berlin\n"

    def test_missing_description_column_requires_a_mapping(self) -> None:
        error = file_error(self.file)
        assert error.pointer == "#/columns"
        assert "the columns are Was gemacht, Ort" in error.detail

    @pytest.mark.parametrize(
        "words",
        [
            "id, key, uuid, guid, status, state, source, type, kind, color, colour, exported, locked",
            "approved, invoiced, employee, week, month, year, weekday, day, created, updated, number",
        ],
    )
    def test_headers_that_do_not_describe_the_work_are_ignored(self, words: str) -> None:
        for word in words.split(", "):
            for header in (f"{word} of work", f"work {word}"):
                result = read(f"start,hours,{header}\n2024-03-04 09:00,1.0,x\n", format="csv")
                assert result.ignored_columns == [header]

    @pytest.mark.parametrize("header", ["synced at", "sent on"])
    def test_header_of_an_instant_does_not_describe_the_work(self, header: str) -> None:
        assert read(f"start,hours,{header}\n2024-03-04 09:00,1.0,x\n", format="csv").ignored_columns == [header]

    def test_start_can_be_the_last_column(self) -> None:
        row = read_row("task,hours,start\nMail,1.0,2024-03-04 09:00\n")
        assert (row.title, duration_seconds(row)) == ("Mail", 3600)

    def test_mapping_is_applied(self) -> None:
        result = read(self.file, columns={"task": "was GEMACHT ", "project": "Ort"})
        assert [summary(row)[2:5] for row in result.rows] == [("Draw", None, "Berlin")]
        assert result.ignored_columns == []
        assert result.columns["task"].header == "Was gemacht"

    def test_field_mapped_to_null_is_empty(self) -> None:
        result = read(self.file, columns={"task": None})
        assert [row.title for row in result.rows] == ["(no description)"]
        assert result.ignored_columns == ["Was gemacht", "Ort"]

    def test_mapping_overrides_recognized_headers(self) -> None:
        file = "start,end,task,project\n2024-03-04 09:00,2024-03-04 10:00,Draw,Site\n"
        result = read(file, columns={"project": "task", "task": "project"})
        assert [summary(row)[2:5] for row in result.rows] == [("Site", None, "Draw")]

    def test_mapped_application_column_keeps_its_field(self) -> None:
        file = "timestamp,duration,app,title\n2024-01-05T09:00:00+00:00,12.5,Firefox,An example\n"
        result = read(file, columns={"project": "app"})
        assert [summary(row)[2:5] for row in result.rows] == [("An example", None, "Firefox")]

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            ({"task": "What"}, "names a column that is not in the file: What; the columns are Begin, End"),
            ({"task": "Ort", "note": "Ort"}, "maps two fields to the same column: Ort"),
        ],
    )
    def test_invalid_mapping_is_refused(self, columns: ColumnMapping, message: str) -> None:
        error = file_error(self.file, columns=columns)
        assert error.pointer == "#/columns"
        assert error.detail.startswith(message)

    def test_columns_are_listed_with_their_first_values(self) -> None:
        lines = [f"2024-03-0{day},09:00,1.0,{text}" for day, text in enumerate(["a", "", "b", "c", "d"], start=1)]
        result = read("Date,From,Hours,Task\n" + "\n".join(lines))
        columns = {field: (column.header, column.values) for field, column in result.columns.items()}
        assert columns == {
            "date": ("Date", ["2024-03-01", "2024-03-02", "2024-03-03"]),
            "start": ("From", ["09:00"] * 3),
            "duration_hours": ("Hours", ["1.0"] * 3),
            "task": ("Task", ["a", "b", "c"]),
        }

    def test_second_column_of_a_field_is_ignored(self) -> None:
        result = read("Date,From,Duration,Duration,Task\n2024-03-04,09:00,1:30,1.5,x\n", format="csv")
        assert [duration_seconds(row) for row in result.rows] == [5_400]
        assert result.ignored_columns == ["Duration"]

    @pytest.mark.parametrize(
        ("text", "gives_notice"),
        [
            ('["2c5c2da7-9ef8-4410-bb8f-6e0a90f9d2c7"]', True),
            ('["2c5c2da7-9ef8-4410-bb8f-6e0a90f9d2c7", "web"]', False),
            ('["web"]', False),
            ("[]", False),
            ("2c5c2da7-9ef8-4410-bb8f-6e0a90f9d2c7", False),
        ],
    )
    def test_tag_column_of_ids_gives_a_notice(self, text: str, gives_notice: bool) -> None:
        cell = '"' + text.replace('"', '""') + '"'
        result = read(
            "start,hours,task,Tags\n" + "2024-03-04 09:00,1.0,x,[]\n" * 3 + f"2024-03-04 09:00,1.0,x,{cell}\n"
        )
        message = RowMessage(0, "Tags", "has tag ids without names: the ids became the tags")
        assert result.notices == ([message] if gives_notice else [])

    def test_filled_column_without_a_header_is_listed(self) -> None:
        assert read("start,hours,,\n2024-03-04 09:00,1.0,,\n").ignored_columns == []
        result = read("start,hours,task,,\n2024-03-04 09:00,1.0,x,,y\n")
        assert result.ignored_columns == ["(column 5)"]


class TestUsers:
    file = (
        "start,hours,task,user,email\n"
        "2024-03-04 09:00,1.0,a,Ada,ada@example.com\n"
        "2024-03-04 09:00,1.0,b,Bob,bob@example.com\n"
        "2024-03-04 09:00,1.0,c,,\n"
        "x,1.0,d,Bob,bob@example.com\n"
    )

    def test_several_users_give_a_notice(self) -> None:
        result = read(self.file)
        assert [row.user for row in result.rows] == ["Ada", "Bob", None]
        assert file_notices(result) == ["user names 2 users; the rows of all were read: Bob (2), Ada (1)"]

    @pytest.mark.parametrize("user", ["ada", "ADA@example.com", " Ada "])
    def test_rows_of_one_user_are_selected(self, user: str) -> None:
        result = read(self.file, user=user)
        assert ([row.title for row in result.rows], result.errors) == (["a"], [])
        assert file_notices(result) == ["user names 2 users; 2 rows of 1 other user ignored: Bob (2)"]

    def test_file_of_the_selected_user_alone_gives_no_notice(self) -> None:
        result = read("start,hours,task,user\n2024-03-04 09:00,1.0,a,Ada\n", user="Ada")
        assert (len(result.rows), result.notices) == (1, [])

    def test_user_is_selected_by_first_and_last_name(self) -> None:
        file = "start,hours,task,first name,last name\n" + "".join(
            f"2024-03-04 09:00,1.0,{name},Ada,{name}\n" for name in ("Byron", "Lovelace")
        )
        assert [row.title for row in read(file, user="ada lovelace").rows] == ["Lovelace"]

    def test_first_254_characters_of_a_name_are_compared(self) -> None:
        file = f"start,hours,task,user\n2024-03-04 09:00,1.0,a,{'a' * 255}\n2024-03-04 09:00,1.0,b,Bob\n"
        assert [row.title for row in read(file, user="a" * 254).rows] == ["a"]

    def test_unknown_user_is_refused(self) -> None:
        error = file_error(self.file, user="Eve")
        assert error.pointer == "#/user"
        assert error.detail == "is not a user in the file; the users are Bob (2), Ada (1)"

    @pytest.mark.parametrize(("others", "end"), [(19, "User 18 (1)"), (20, "User 18 (1) and 1 more")])
    def test_at_most_20_users_are_listed(self, others: int, end: str) -> None:
        rows = [f"2024-03-04 09:00,1.0,b,User {number},\n" for number in range(others)]
        (notice,) = file_notices(read(self.file.replace("Ada", "Bob") + "".join(rows)))
        assert notice.endswith(f"Bob (3), {', '.join(f'User {number} (1)' for number in range(18))}, {end}")


class TestApplications:
    @pytest.mark.parametrize(("header", "title"), [("title", "Editor"), ("task", "Draw")])
    def test_application_is_the_task_only_if_there_is_a_window_title(self, header: str, title: str) -> None:
        (row,) = read(f"start,hours,{header},app\n2026-11-18 09:00,1.0,Draw,Editor\n", format="csv").rows
        assert row.title == title


class TestBreaks:
    @pytest.mark.parametrize(
        "column",
        ["type,Break", "Type,pause", "type,Pausa", "break,yes", "break,True", "Pause,JA", "Pause,oui", "pausa,Sí"],
    )
    def test_break_rows_are_skipped_with_a_notice(self, column: str) -> None:
        header, break_value = column.split(",")
        text = (
            f"Start Date,Start Time,Duration (h),Description,{header}\n"
            f"2026-11-18,09:00,1:00:00,Draw,Regular\n2026-11-18,10:00,0:30:00,Lunch,{break_value}\n"
        ).replace("Regular", "Regular" if header.lower() == "type" else "no")
        result = read(text, format="csv")
        assert ([row.title for row in result.rows], result.skipped, result.errors) == (["Draw"], 1, [])
        assert [(notice.row, notice.column) for notice in result.notices] == [(2, header)]
