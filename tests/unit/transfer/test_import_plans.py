"""What is to be written of a file: properties of the plan, whatever the file says and whatever is there."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from services.transfer.import_formats.results import ImportedRow
from services.transfer.imports.identity import earlier_key, row_key
from services.transfer.imports.matching import EXPORTED_FROM_HERE, KnownEntries, wanted_ids
from services.transfer.imports.plan import (
    MAX_BYTES_PER_BATCH,
    MAX_ROWS_PER_BATCH,
    MAX_TASKS_PER_BATCH,
    ROOM,
    Known,
    Place,
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
    """The rows of a file, equal ones among them."""
    found = draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), names, projects, tags), max_size=30))
    return [
        ImportedRow(
            number,
            MONDAY + timedelta(hours=start),
            MONDAY + timedelta(hours=start + length),
            title,
            project=name,
            tags=said,
        )
        for number, (start, length, title, name, said) in enumerate(found, 1)
    ]


def keys_of(made: Plan) -> list[str]:
    return [entry.key for entry in made.entries]


def known_with(*keys: str, own: tuple[str, ...] = ()) -> Known:
    """What is known once imports have made entries of these keys, some of them by an earlier try of this one."""
    entries = KnownEntries({ObjectId(): key for key in keys}, {ObjectId(): key for key in own})
    return Known(entries=entries)


class TestAPlan:
    @given(rows=files(), by_time=...)
    def test_writes_each_row_of_a_new_file(self, rows: list[ImportedRow], by_time: bool) -> None:
        made = plan(USER, rows, Known(), by_time=by_time)
        assert sorted(entry.row.number for entry in made.entries) == [row.number for row in rows]
        assert made.left_out == []

    @given(rows=files(), more=files(), again=st.randoms(use_true_random=False), by_time=...)
    def test_of_a_file_that_has_grown_holds_what_is_new(
        self, rows: list[ImportedRow], more: list[ImportedRow], again: Random, by_time: bool
    ) -> None:
        known = map(row_key, rows)
        grown = [*rows, *more]
        again.shuffle(grown)
        made = plan(USER, grown, known_with(*known), by_time=by_time)
        assert Counter(keys_of(made)) == Counter(map(row_key, more))
        assert len(made.left_out) == len(rows)
        assert Counter(entry.row.number for entry in made.entries) + Counter(
            left.row for left in made.left_out
        ) == Counter(row.number for row in grown)

    @given(rows=files(), before=st.integers(0, 30), done=st.integers(0, 30), by_time=...)
    def test_that_was_interrupted_anywhere_comes_to_the_same(
        self, rows: list[ImportedRow], before: int, done: int, by_time: bool
    ) -> None:
        made = [row_key(row) for row in rows[:before]]
        whole = plan(USER, rows, known_with(*made), by_time=by_time)
        written = keys_of(whole)[:done]
        rest = plan(USER, rows, known_with(*made, own=tuple(written)), by_time=by_time)
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
    def test_is_written_in_parts_of_which_none_takes_long(self, titles: int, note: str | None, most: int) -> None:
        minutes = [MONDAY + timedelta(minutes=number) for number in range(2_500)]
        rows = [
            ImportedRow(number, start, start, str(number % titles), note=note) for number, start in enumerate(minutes)
        ]
        made = plan(USER, rows, Known(), by_time=True)
        parts = list(made.chunks())
        assert [entry for part in parts for entry in part] == made.entries
        assert {len(part) for part in parts[:-1]} == {most}

    @given(counts=st.lists(st.integers(0, 2000), min_size=1, max_size=4), rows=st.integers(1, 40))
    def test_leaves_room_for_a_timer_in_each_task(self, counts: list[int], rows: int) -> None:
        titles = ["Mail", *(f"Mail ({number})" for number in range(2, len(counts) + 1))]
        named: dict[tuple[ObjectId | None, str], Place] = {
            (None, title): Place(ObjectId(), found_as=(None, title), taken=taken)
            for title, taken in zip(titles, counts, strict=True)
        }
        before = {place.task_id: place.taken for place in named.values()}
        minutes = [MONDAY + timedelta(minutes=number) for number in range(rows)]
        file = [ImportedRow(1, start, start + timedelta(minutes=1), "Mail") for start in minutes]
        made = plan(USER, file, Known(named=named), by_time=False)
        assert len(made.entries) == rows
        for entry in made.entries:
            assert entry.place.taken <= max(ROOM, before.get(entry.place.task_id, 0))
            assert entry.place.new is None or len(entry.place.new[1]) <= 200


ROW = ImportedRow(1, MONDAY, MONDAY + timedelta(hours=1), "Mail", note="n", project="Website", tags=("a",))
EXPORTED = replace(ROW, entry_id="a" * 24)


def left_out(rows: list[ImportedRow], *known: str) -> list[int]:
    """The rows that make no entry where imports have made these."""
    return [left.row for left in plan(USER, rows, known_with(*known), by_time=False).left_out]


def moved(row: ImportedRow, hours: float, length: float = 1) -> ImportedRow:
    start = MONDAY + timedelta(hours=hours)
    return replace(row, started_at=start, ended_at=start + timedelta(hours=length))


class TestAnImportOfBefore:
    def test_is_known_by_the_keys_of_then(self) -> None:
        """They stand in databases: this one was made by the version before."""
        row = ImportedRow(1, MONDAY, MONDAY + timedelta(hours=1), "Mail", project="Website", note="first draft")
        user = ObjectId("6920a3f1c2d4e5f607182930")
        assert earlier_key(user, row) == "06e66d9f6211615855bb9457bbe15635"

    def test_has_made_one_entry_of_rows_that_it_took_for_equal(self) -> None:
        rows = [ROW, replace(ROW, number=2, tags=("b",)), replace(ROW, number=3)]
        assert left_out(rows, earlier_key(USER, ROW)) == [1]

    def test_is_taken_for_what_now_has_a_key_of_its_own_last(self) -> None:
        rows = [replace(ROW, number=1, tags=("b",)), replace(ROW, number=2)]
        assert left_out(rows, earlier_key(USER, ROW), row_key(rows[1])) == [1, 2]

    def test_had_notes_of_a_thousand_characters(self) -> None:
        cut = replace(ROW, note="x" * 1_000)
        assert left_out([replace(ROW, note="x" * 1_001)], earlier_key(USER, cut)) == [1]

    def test_knew_nothing_of_entry_ids(self) -> None:
        assert left_out([EXPORTED], earlier_key(USER, ROW)) == [1]


class TestARowOfOurOwnExport:
    def test_is_known_by_its_id_alone(self) -> None:
        changed = replace(moved(EXPORTED, 30), title="Other", note=None, tags=("b",))
        assert left_out([changed], row_key(EXPORTED)) == [1]
        assert left_out([replace(EXPORTED, entry_id="b" * 24)], row_key(EXPORTED)) == []
        assert left_out([EXPORTED], row_key(ROW)) == []

    def test_is_time_of_its_own_in_a_file(self) -> None:
        assert left_out([EXPORTED, replace(EXPORTED, number=2)]) == []
        assert left_out([EXPORTED, replace(EXPORTED, number=2)], row_key(EXPORTED)) == [1]

    def test_is_another_part_where_two_exports_have_cut_it(self) -> None:
        first, second, third = (moved(EXPORTED, hours) for hours in range(3))
        assert left_out([second], row_key(first)) == []
        assert left_out([third], row_key(first), row_key(second)) == []
        assert left_out([first], row_key(second), row_key(first)) == [1]
        assert left_out([moved(EXPORTED, 0, 3)], row_key(first), row_key(second)) == [1]

    def test_is_known_where_its_entry_is(self) -> None:
        for entry_id in wanted_ids(USER, [EXPORTED]):
            known = Known(entries=KnownEntries(ids={wanted_ids(USER, [EXPORTED])[entry_id]}))
            (left,) = plan(USER, [EXPORTED], known, by_time=False).left_out
            assert left.reason == EXPORTED_FROM_HERE

    def test_with_what_is_no_id_is_a_row_like_any_other(self) -> None:
        assert row_key(replace(ROW, entry_id="7")) == row_key(ROW)
        assert wanted_ids(USER, [replace(ROW, entry_id="7")]) == {}


class TestATaskOfLongNotes:
    def test_goes_on_in_another_before_it_is_too_large_for_a_document(self) -> None:
        note = "€" * 5000
        rows = [
            ImportedRow(
                number, MONDAY + timedelta(hours=number), MONDAY + timedelta(hours=number + 1), "Offer", note=note
            )
            for number in range(1, 1501)
        ]
        made = plan(USER, rows, Known(), by_time=False)
        sizes = Counter(entry.place.task_id for entry in made.entries)
        assert len(made.entries) == 1500
        assert len(sizes) == 2
        assert max(sizes.values()) * 15_000 < 16 * 1024 * 1024
