"""Titles, notes, names and tags of a row, and the content that identifies it."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from services.transfer.import_formats.results import ImportedRow, ReadResult, RowMessage
from tests.support.import_reading import DESIGN_ENTRY, read, read_error, read_row, to_csv, utc

START = "2026-11-18 09:00"


YES = "y, t, billable, on, x, ✓, ✔, ja, wahr, abrechenbar, oui, vrai, facturable, sí, si, verdadero"
NO = (
    "n, f, non-billable, not billable, nonbillable, off, nein, falsch, nicht abrechenbar, non, faux, non facturable, "
    "falso, no facturable"
)


class TestTexts:
    def row(self, **cells: str) -> ImportedRow:
        (row,) = self.rows(**cells).rows
        return row

    def rows(self, **cells: str) -> ReadResult:
        times = {"start": "2026-11-18 09:00", "hours": "1.0"}
        return read(to_csv([*times, *cells], [*times.values(), *cells.values()]))

    @pytest.mark.parametrize(
        ("cells", "title", "note"),
        [
            ({"task": " Design ", "description": " Draw "}, "Design", "Draw"),
            ({"task": "Design"}, "Design", None),
            ({"task": "", "description": "Draw"}, "Draw", None),
            ({"task": "Design", "description": "Draw", "note": "it"}, "Design", "Draw\nit"),
            ({"note": "it"}, "it", None),
            ({"task": " ", "description": "\t"}, "(no description)", None),
        ],
    )
    def test_title_is_the_first_text_and_the_rest_is_the_note(
        self, cells: dict[str, str], title: str, note: str | None
    ) -> None:
        row = self.row(**cells)
        assert (row.title, row.note) == (title, note)

    def test_truncated_title_is_whole_in_the_note(self) -> None:
        row = self.row(description="x" * 201)
        assert (row.title, row.note) == ("x" * 200, "x" * 201)
        row = self.row(task="x" * 199 + " " + "y", description="Draw")
        assert (row.title, row.note) == ("x" * 199, "x" * 199 + " y\nDraw")

    def test_too_long_note_is_an_error(self) -> None:
        assert self.row(task="Design", description="é" * 5_000).note == "é" * 5_000
        result = self.rows(task="Design", description="é" * 5_001)
        assert result.rows == []
        assert result.errors == [RowMessage(1, "description", "gives a note of 5,001 characters; the maximum is 5,000")]

    def test_too_long_title_without_another_text_is_an_error_of_its_column(self) -> None:
        error = read_error(f"start,hours,task\n2026-11-18 09:00,1.0,{'x' * 5_001}\n")
        assert error == RowMessage(1, "task", "gives a note of 5,001 characters; the maximum is 5,000")

    def test_long_names_are_truncated_with_a_notice(self) -> None:
        result = self.rows(project="p" * 201, client="c" * 201)
        assert (result.rows[0].project, result.rows[0].client) == ("p" * 200, "c" * 200)
        assert [notice.column for notice in result.notices] == ["project", "client"]
        assert max(len(notice.message) for notice in result.notices) < 120

    def test_tags_are_lower_case_and_unique(self) -> None:
        assert self.row(tags="Web,  web , ,Größe").tags == ("web", "größe")
        assert not self.rows(tags="Web,  web , ,Größe").notices

    def test_semicolons_separate_tags_although_the_file_has_task_ids(self) -> None:
        row = read_row("start,hours,task,task id,tags\n2026-11-18 09:00,1.0,x,7,a;b\n")
        assert row.tags == ("a", "b")

    def test_quoted_tag_can_contain_a_comma(self) -> None:
        assert self.row(tags='"a, b", "say ""hi""", c').tags == ("a, b", 'say "hi"', "c")
        assert self.row(tags='17" screen, "b').tags == ('17" screen', '"b')

    def test_apostrophe_before_a_formula_is_removed(self) -> None:
        row = self.row(task="'=1+1", note="'\ttab", project="'@home", tags="'-x, 'y")
        assert (row.title, row.note, row.project, row.tags) == ("=1+1", "\ttab", "@home", ("-x", "'y"))
        assert self.row(task="'tis").title == "'tis"
        assert self.row(task="'_=1").title == "'_=1"
        assert self.row(task="''=1+1").title == "'=1+1"

    @pytest.mark.parametrize("column", ["task", "description", "note", "project", "client", "tags"])
    @pytest.mark.parametrize("control", ["\x01", "\x07", "\x1b", "\x7f", "\x9b"])
    def test_control_character_is_an_error_of_its_row_only(self, column: str, control: str) -> None:
        result = read(to_csv(["start", "hours", column], *([START, "1.0", text] for text in (f"a{control}b", "b"))))
        assert [(error.row, error.column) for error in result.errors] == [(1, column)]
        assert f"U+{ord(control):04X}" in result.errors[0].message
        assert [row.number for row in result.rows] == [2]

    def test_only_the_note_has_line_breaks(self) -> None:
        row = self.row(task="Draw\r\nthe \t header", note="one\r\ntwo\vthree\rfour\x85five", project="Web\nsite")
        assert (row.title, row.note, row.project) == ("Draw the header", "one\r\ntwo\nthree\nfour\nfive", "Web site")
        assert self.row(tags='"a\u2028b",c').tags == ("a b", "c")
        long = self.row(task="x" * 150 + "\n" + "y" * 150)
        assert (long.title, long.note) == ("x" * 150 + " " + "y" * 49, "x" * 150 + "\n" + "y" * 150)

    def test_invisible_text_is_empty(self) -> None:
        row = self.row(task="\u200b", description="Draw", project="\ufeff", client="\u00ad", tags="\u200d,a")
        assert (row.title, row.note, row.project, row.client, row.tags) == ("Draw", None, None, None, ("a",))

    def test_texts_are_normalized_to_nfc(self) -> None:
        row = self.row(task="Bu\u0308ro", note="u\u0308", project="U\u0308nix", tags="gru\u0308n,grün")
        assert (row.title, row.note, row.project, row.tags) == ("Büro", "ü", "Ünix", ("grün",))

    def test_unbalanced_direction_marks_are_removed(self) -> None:
        row = self.row(task="\u202egnp.exe", note="\u2067a", project="\u202aAcme", tags="\u2066x")
        assert (row.title, row.note, row.project, row.tags) == ("gnp.exe", "a", "Acme", ("x",))
        assert self.row(task="a \u2067b\u2069 c").title == "a \u2067b\u2069 c"

    @pytest.mark.parametrize("tags", [["a", "x" * 51], [*"abcdefghijk"], [*"abcdefghijk", "x" * 51]])
    def test_tags_beyond_the_limits_are_cut_with_a_notice(self, tags: list[str]) -> None:
        result = self.rows(tags=", ".join(tags))
        assert result.rows[0].tags == tuple(tag[:50] for tag in tags[:10])
        assert [notice.column for notice in result.notices] == ["tags"]

    @pytest.mark.parametrize(
        ("word", "billable"),
        [
            *((word, True) for word in ("Yes", "TRUE", "1", *YES.split(", "))),
            *((word, False) for word in ("No", "FALSE", "0", *NO.split(", "))),
            ("", None),
        ],
    )
    def test_billable_is_parsed(self, word: str, billable: bool | None) -> None:
        assert self.row(billable=word).billable is billable

    def test_invalid_billable_is_ignored_with_a_notice(self) -> None:
        result = self.rows(billable="maybe")
        assert result.rows[0].billable is None
        assert result.notices == [RowMessage(1, "billable", "is neither yes nor no: maybe; it was ignored")]


class TestRowContent:
    @pytest.mark.parametrize(
        "other",
        [
            {"started_at": utc("2026-11-18T08:01")},
            {"ended_at": utc("2026-11-18T09:31")},
            {"title": "Draw"},
            {"note": None},
            {"project": None},
            {"client": "Ada"},
            {"tags": ("web",)},
            {"billable": None},
            {"price": ("rate", "1", "EUR")},
            {"timezone": "UTC"},
            {"user": "ada"},
            {"laid_on": date(2026, 11, 18)},
        ],
        ids=lambda other: next(iter(other)),
    )
    def test_content_differs_if_any_field_differs(self, other: dict[str, Any]) -> None:
        assert replace(DESIGN_ENTRY, **other).content() != DESIGN_ENTRY.content()

    def test_content_does_not_depend_on_number_or_entry_id(self) -> None:
        assert replace(DESIGN_ENTRY, number=7, entry_id="x").content() == DESIGN_ENTRY.content()

    def test_content_does_not_depend_on_the_position_in_the_day(self) -> None:
        laid = replace(DESIGN_ENTRY, laid_on=date(2026, 11, 18))
        later = replace(laid, started_at=utc("2026-11-18T10:00"), ended_at=utc("2026-11-18T11:30"))
        assert later.content() == laid.content()
