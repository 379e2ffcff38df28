"""Ids whose order is that of the creation of their documents."""

from datetime import UTC, datetime, timedelta

from documents.common.ordered_ids import new_ordered_id, object_id_of

NOW = datetime(2026, 11, 18, 9, 0, 0, 999_000, tzinfo=UTC)


class TestOrderedIds:
    def test_later_millisecond_is_a_greater_id_in_any_process(self) -> None:
        instants = [NOW + timedelta(milliseconds=number) for number in range(-3, 4)]
        ids = [object_id_of(instant, bytes([255 - number]) * 6) for number, instant in enumerate(instants)]
        assert ids == sorted(ids)

    def test_id_contains_the_second(self) -> None:
        assert object_id_of(NOW, bytes(6)).generation_time == NOW.replace(microsecond=0)

    def test_new_ids_are_different_and_in_order(self) -> None:
        ids = [new_ordered_id() for _ in range(20)]
        assert len(set(ids)) == 20
        assert ids == sorted(ids)
