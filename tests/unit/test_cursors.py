import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import assume, given
from hypothesis import strategies as st

from app.clock import naive_utc, truncate_to_milliseconds
from services.common.cursors import InvalidCursorError, Position, _digest, decode_cursor, encode_cursor
from services.tracking.schemas.tasks import TaskQuery

SCOPE = b"the list of a user"
# hypothesis wants its bounds naive
EARLIEST, LATEST = datetime(1970, 1, 2), datetime(9998, 12, 30)  # noqa: DTZ001
moments = st.datetimes(EARLIEST, LATEST, timezones=st.just(UTC))
ids = st.binary(min_size=12, max_size=12).map(ObjectId)
values = st.one_of(
    st.none(),
    st.integers(-(2**53), 2**53),
    st.text(max_size=200),
    moments.map(truncate_to_milliseconds).map(naive_utc),
)
positions = st.builds(Position, values | ids, ids | st.none())


class TestCursor:
    @given(positions, st.binary(max_size=64))
    def test_decoding_returns_the_encoded_position(self, position: Position, scope: bytes) -> None:
        decoded = decode_cursor(encode_cursor(position, scope=scope), scope=scope)
        assert decoded == position
        assert type(decoded.value) is type(position.value)

    @given(positions)
    def test_cursor_needs_no_escaping_in_a_url(self, position: Position) -> None:
        cursor = encode_cursor(position, scope=SCOPE)
        assert set(cursor) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=")

    @given(positions, st.binary(max_size=64), st.binary(max_size=64))
    def test_cursor_of_another_list_is_refused(self, position: Position, scope: bytes, other: bytes) -> None:
        assume(scope != other)
        with pytest.raises(InvalidCursorError):
            decode_cursor(encode_cursor(position, scope=scope), scope=other)

    @given(positions, st.data())
    def test_altered_cursor_is_refused(self, position: Position, data: st.DataObject) -> None:
        cursor = encode_cursor(position, scope=SCOPE)
        place = data.draw(st.integers(0, len(cursor)))
        put = data.draw(st.text(max_size=3))
        changed = cursor[:place] + put + cursor[place + data.draw(st.integers(0, 3)) :]
        assume(changed != cursor)
        with pytest.raises(InvalidCursorError):
            decode_cursor(changed, scope=SCOPE)

    @given(st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
    def test_arbitrary_text_is_refused(self, cursor: str) -> None:
        with pytest.raises(InvalidCursorError) as refused:
            decode_cursor(cursor, scope=SCOPE)
        (wrong,) = refused.value.errors
        assert wrong.parameter == "cursor"

    def test_other_encoding_of_the_same_position_is_refused(self) -> None:
        payload = b'["plain", 1, null]'  # a cursor contains no space
        cursor = base64.urlsafe_b64encode(_digest(payload, SCOPE) + payload).decode()
        with pytest.raises(InvalidCursorError):
            decode_cursor(cursor, scope=SCOPE)

    @pytest.mark.parametrize("title", ["x" * 200, "é" * 200, "🦉" * 200, "\x01" * 200, '"\\' * 100])
    def test_cursor_of_the_longest_title_is_within_the_limit(self, title: str) -> None:
        cursor = encode_cursor(Position(title, ObjectId()), scope=SCOPE)
        assert TaskQuery(cursor=cursor).cursor == cursor

    @pytest.mark.parametrize("value", [True])
    def test_plain_values_are_preserved(self, value: Any) -> None:
        position = Position(value, ObjectId())
        assert decode_cursor(encode_cursor(position, scope=SCOPE), scope=SCOPE) == position
