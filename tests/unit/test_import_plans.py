"""What is to be written of a file: properties of the plan, whatever the file says and whatever is there."""

from datetime import UTC, datetime, timedelta

from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from app.clock import stored
from services.import_formats.rows import ImportedRow
from services.import_plans import ROOM, Known, Name, Place, Plan, import_key, plan

USER = ObjectId()
MONDAY = datetime(2026, 11, 2, tzinfo=UTC)

names = st.sampled_from(["Mail", "Offer", "x" * 200])
projects = st.sampled_from([None, "Website", "Sales"])


@st.composite
def files(draw: st.DrawFn) -> list[ImportedRow]:
    """The rows of a file."""
    found = draw(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), names, projects), max_size=30))
    return [
        ImportedRow(
            number, MONDAY + timedelta(hours=start), MONDAY + timedelta(hours=start + length), title, project=name
        )
        for number, (start, length, title, name) in enumerate(found, 1)
    ]


def key_of(row: ImportedRow) -> str:
    return import_key(USER, (row.project, row.title), stored(row.started_at), stored(row.ended_at), row.note)


def after(known: Known, made: Plan) -> Known:
    """What is known once the plan has been carried out."""
    keys = known.keys | {entry.key for entry in made.entries}
    tasks = {
        name: Place(place.project, place.title, place.task_id, taken=place.taken, new=False)
        for name, place in known.tasks.items()
    }
    return Known(keys=keys, tasks=tasks)


class TestAPlan:
    @given(rows=files(), by_time=...)
    def test_writes_each_entry_once_and_counts_the_rest(self, rows: list[ImportedRow], by_time: bool) -> None:
        made = plan(USER, rows, Known(), by_time=by_time)
        assert sorted(entry.key for entry in made.entries) == sorted({key_of(row) for row in rows})
        assert len(made.entries) + made.duplicates == len(rows)

    @given(rows=files(), more=files(), by_time=...)
    def test_of_a_file_that_has_grown_holds_what_is_new(
        self, rows: list[ImportedRow], more: list[ImportedRow], by_time: bool
    ) -> None:
        known = Known()
        known = after(known, plan(USER, rows, known, by_time=by_time))
        again = plan(USER, [*rows, *more], known, by_time=by_time)
        assert {entry.key for entry in again.entries} == {key_of(row) for row in more} - {key_of(row) for row in rows}
        assert not plan(USER, rows, after(known, again), by_time=by_time).entries

    @given(rows=files(), done=st.integers(0, 30), by_time=...)
    def test_that_was_interrupted_anywhere_comes_to_the_same(
        self, rows: list[ImportedRow], done: int, by_time: bool
    ) -> None:
        whole = plan(USER, rows, Known(), by_time=by_time)
        written = {entry.key for entry in whole.entries[:done]}
        rest = plan(USER, rows, Known(keys=set(written), own=set(written)), by_time=by_time)
        assert sorted([*written, *(entry.key for entry in rest.entries)]) == sorted(
            entry.key for entry in whole.entries
        )
        assert rest.duplicates == whole.duplicates

    @given(counts=st.lists(st.integers(0, 2000), min_size=1, max_size=4), rows=st.integers(1, 40))
    def test_leaves_room_for_a_timer_in_each_task(self, counts: list[int], rows: int) -> None:
        titles = ["Mail", *(f"Mail ({number})" for number in range(2, len(counts) + 1))]
        tasks: dict[Name, Place] = {
            (None, title): Place(None, title, ObjectId(), taken, new=False)
            for title, taken in zip(titles, counts, strict=True)
        }
        before = {place.task_id: place.taken for place in tasks.values()}
        minutes = [MONDAY + timedelta(minutes=number) for number in range(rows)]
        file = [ImportedRow(1, start, start + timedelta(minutes=1), "Mail") for start in minutes]
        made = plan(USER, file, Known(tasks=tasks), by_time=False)
        assert len(made.entries) == rows
        for entry in made.entries:
            assert entry.place.taken <= max(ROOM, before.get(entry.place.task_id, 0))
            assert len(entry.place.title) <= 200
