"""The plan of an import: properties that hold for any file and any existing entries."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from services.transfer.import_formats.results import ImportedRow
from services.transfer.imports.identity import legacy_key, row_key
from services.transfer.imports.matching import HAS_ENTRY_ID, ExistingEntries, possible_entry_ids
from services.transfer.imports.plan import (
    MAX_BYTES_PER_BATCH,
    MAX_ROWS_PER_BATCH,
    MAX_TASKS_PER_BATCH,
    Existing,
    Plan,
    plan,
)

USER = ObjectId()
MONDAY = datetime(2026, 11, 2, tzinfo=UTC)

names = st.sampled_from(["Mail", "Offer", "x" * 200])
projects = st.sampled_from([None, "Website", "Sales"])
tags = st.sampled_from([(), ("a",), ("a", "b")])


@st.composite
def files(draw: st.DrawFn) -> list[ImportedRow]:
    """Generate the rows of a file, some of them equal."""
    values = draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), names, projects, tags), max_size=30))
    return [
        ImportedRow(
            number,
            MONDAY + timedelta(hours=start),
            MONDAY + timedelta(hours=start + length),
            title,
            project=name,
            tags=row_tags,
        )
        for number, (start, length, title, name, row_tags) in enumerate(values, 1)
    ]


def keys_of(planned: Plan) -> list[str]:
    return [entry.key for entry in planned.entries]


def existing_with(*keys: str, own: tuple[str, ...] = ()) -> Existing:
    """Existing entries with these keys; `own` are from an earlier attempt of the same import."""
    entries = ExistingEntries({ObjectId(): key for key in keys}, {ObjectId(): key for key in own})
    return Existing(entries=entries)


class TestPlan:
    @given(rows=files(), by_time=...)
    def test_new_file_is_planned_completely(self, rows: list[ImportedRow], by_time: bool) -> None:
        planned = plan(USER, rows, Existing(), by_time=by_time)
        assert sorted(entry.row.number for entry in planned.entries) == [row.number for row in rows]
        assert planned.left_out == []

    @given(rows=files(), more=files(), again=st.randoms(use_true_random=False), by_time=...)
    def test_grown_file_adds_only_new_rows(
        self, rows: list[ImportedRow], more: list[ImportedRow], again: Random, by_time: bool
    ) -> None:
        known = map(row_key, rows)
        grown = [*rows, *more]
        again.shuffle(grown)
        planned = plan(USER, grown, existing_with(*known), by_time=by_time)
        assert Counter(keys_of(planned)) == Counter(map(row_key, more))
        assert len(planned.left_out) == len(rows)
        assert Counter(entry.row.number for entry in planned.entries) + Counter(
            left.row for left in planned.left_out
        ) == Counter(row.number for row in grown)

    @given(rows=files(), before=st.integers(0, 30), done=st.integers(0, 30), by_time=...)
    def test_interrupted_import_is_completed_by_the_next_attempt(
        self, rows: list[ImportedRow], before: int, done: int, by_time: bool
    ) -> None:
        existing = [row_key(row) for row in rows[:before]]
        whole = plan(USER, rows, existing_with(*existing), by_time=by_time)
        written = keys_of(whole)[:done]
        rest = plan(USER, rows, existing_with(*existing, own=tuple(written)), by_time=by_time)
        assert Counter([*written, *keys_of(rest)]) == Counter(keys_of(whole))
        assert rest.left_out == whole.left_out

    @pytest.mark.parametrize(
        ("titles", "note", "most"),
        [
            (1, None, MAX_ROWS_PER_BATCH),
            (2_500, None, MAX_TASKS_PER_BATCH),
            (1, "x" * 5_000, MAX_BYTES_PER_BATCH // 5_400),
        ],
    )
    def test_batches_are_limited_in_rows_tasks_and_bytes(self, titles: int, note: str | None, most: int) -> None:
        minutes = [MONDAY + timedelta(minutes=number) for number in range(2_500)]
        rows = [
            ImportedRow(number, start, start, str(number % titles), note=note) for number, start in enumerate(minutes)
        ]
        planned = plan(USER, rows, Existing(), by_time=True)
        parts = list(planned.batches())
        assert [entry for part in parts for entry in part] == planned.entries
        assert {len(part) for part in parts[:-1]} == {most}

    @given(rows=files(), by_time=...)
    def test_rows_of_one_name_go_to_one_task_in_order_of_their_start(
        self, rows: list[ImportedRow], by_time: bool
    ) -> None:
        planned = plan(USER, rows, Existing(), by_time=by_time)
        tasks: dict[ObjectId, list[ImportedRow]] = {}
        for entry in planned.entries:
            tasks.setdefault(entry.target.task_id, []).append(entry.row)
        for same_task in tasks.values():
            assert len({(row.project, row.title) for row in same_task}) == 1
            assert same_task == sorted(same_task, key=lambda row: (row.started_at, row.number))
        assert len(tasks) == len({(row.project, row.title) for row in rows})


ROW = ImportedRow(1, MONDAY, MONDAY + timedelta(hours=1), "Mail", note="n", project="Website", tags=("a",))
EXPORTED = replace(ROW, entry_id="a" * 24)


def left_out(rows: list[ImportedRow], *known: str) -> list[int]:
    """The numbers of the rows that are left out if imports created entries with these keys."""
    return [left.row for left in plan(USER, rows, existing_with(*known), by_time=False).left_out]


def moved(row: ImportedRow, hours: float, length: float = 1) -> ImportedRow:
    start = MONDAY + timedelta(hours=hours)
    return replace(row, started_at=start, ended_at=start + timedelta(hours=length))


class TestEarlierImportKeys:
    @pytest.mark.parametrize(
        ("project", "note", "key"),
        [
            ("Website", "first draft", "06e66d9f6211615855bb9457bbe15635"),
            (None, None, "162c4f17acdcf842874c84a37ebb4c6c"),
        ],
    )
    def test_key_of_the_earlier_version_is_stable(self, project: str | None, note: str | None, key: str) -> None:
        """Databases contain such keys: the first one was created by the earlier version."""
        row = ImportedRow(1, MONDAY, MONDAY + timedelta(hours=1), "Mail", project=project, note=note)
        assert legacy_key(ObjectId("6920a3f1c2d4e5f607182930"), row) == key

    def test_earlier_key_matches_one_of_several_rows(self) -> None:
        rows = [ROW, replace(ROW, number=2, tags=("b",)), replace(ROW, number=3)]
        assert left_out(rows, legacy_key(USER, ROW)) == [1]

    def test_row_with_its_own_key_does_not_use_the_earlier_key(self) -> None:
        rows = [replace(ROW, number=1, tags=("b",)), replace(ROW, number=2)]
        assert left_out(rows, legacy_key(USER, ROW), row_key(rows[1])) == [1, 2]

    def test_earlier_key_has_1000_characters_of_the_note(self) -> None:
        shortened = replace(ROW, note="x" * 1_000)
        assert left_out([replace(ROW, note="x" * 1_001)], legacy_key(USER, shortened)) == [1]

    def test_earlier_key_ignores_the_entry_id(self) -> None:
        assert left_out([EXPORTED], legacy_key(USER, ROW)) == [1]


class TestRowsOfOwnExport:
    def test_row_is_identified_by_its_entry_id(self) -> None:
        changed = replace(moved(EXPORTED, 30), title="Other", note=None, tags=("b",))
        assert left_out([changed], row_key(EXPORTED)) == [1]
        assert left_out([replace(EXPORTED, entry_id="b" * 24)], row_key(EXPORTED)) == []
        assert left_out([EXPORTED], row_key(ROW)) == []

    def test_equal_rows_in_one_file_are_separate_entries(self) -> None:
        assert left_out([EXPORTED, replace(EXPORTED, number=2)]) == []
        assert left_out([EXPORTED, replace(EXPORTED, number=2)], row_key(EXPORTED)) == [1]

    def test_parts_of_a_cut_entry_are_separate_entries(self) -> None:
        first, second, third = (moved(EXPORTED, hours) for hours in range(3))
        assert left_out([second], row_key(first)) == []
        assert left_out([third], row_key(first), row_key(second)) == []
        assert left_out([first], row_key(second), row_key(first)) == [1]
        assert left_out([moved(EXPORTED, 0, 3)], row_key(first), row_key(second)) == [1]

    def test_row_of_an_existing_entry_is_left_out(self) -> None:
        for entry_id in possible_entry_ids(USER, [EXPORTED]):
            known = Existing(entries=ExistingEntries(ids={possible_entry_ids(USER, [EXPORTED])[entry_id]}))
            (left,) = plan(USER, [EXPORTED], known, by_time=False).left_out
            assert left.reason == HAS_ENTRY_ID

    def test_invalid_entry_id_is_ignored(self) -> None:
        assert row_key(replace(ROW, entry_id="7")) == row_key(ROW)
        assert possible_entry_ids(USER, [replace(ROW, entry_id="7")]) == {}
