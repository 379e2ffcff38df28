"""Short texts: cursors, ids and secrets, the values of fields, and the cells of other programs' files."""

import base64
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar, get_args

from bson import ObjectId
from pydantic import TypeAdapter
from pydantic import ValidationError as NotValidError

from app.clock import naive_utc, rfc3339
from app.errors import AuthenticationError
from app.security.bearer_secrets import RefreshSecret
from app.security.tokens import AccessTokens, Claims
from documents.common.base import object_id
from services.common import cursors
from services.common.cursors import InvalidCursorError, Position, decode_cursor, encode_cursor
from services.common.rounding import Rounding
from services.common.values.emails import email_key, normalize_email
from services.common.values.fields import (
    MAX_YEAR,
    MIN_YEAR,
    BooleanFlag,
    Color,
    CurrencyCode,
    Day,
    Email,
    FirstDayOfWeek,
    Instant,
    InstantOrDate,
    Limit,
    Note,
    ProjectFilter,
    ProjectName,
    Tag,
    Title,
    Zone,
)
from services.common.values.money import MAX_AMOUNT
from services.common.values.texts import normalize_lines
from services.reporting.schemas import Groups, RoundingParameter
from services.transfer.import_formats.values.amounts import (
    parse_amount,
    rate_from_amount,
    to_minor_units,
)
from services.transfer.import_formats.values.booleans import parse_boolean
from services.transfer.import_formats.values.dates import DateOrder, parse_date, split_date
from services.transfer.import_formats.values.durations import HOUR, MINUTE, SECOND, parse_duration
from services.transfer.import_formats.values.texts import parse_tags, to_title_and_note
from services.transfer.import_formats.values.times_of_day import parse_time
from tests.fuzz.target import Target, chosen, text_of

T = TypeVar("T")
Read = Callable[[str], Any]

MAX_MESSAGE_LENGTH = 500
SCOPE = b"the list of a user"
ORDERS: tuple[DateOrder, ...] = get_args(DateOrder.__value__)
SECRETS = AccessTokens(key="k" * 32, algorithm="HS256", issuer="Task Timer", lifetime=timedelta(days=36500))
TOKEN = SECRETS.issue(user_id="0" * 24, session_id="1" * 24, token_version=0)


def reader_of(kind: Any) -> Read:
    """What reads a value of this kind out of a query, or the string that it is in a body."""
    return TypeAdapter(kind).validate_python


def readable(read: Read, data: bytes) -> Any:
    """What is read, or None where it is refused in a sentence."""
    try:
        return read(text_of(data))
    except NotValidError as wrong:
        said = wrong.errors()[0]["msg"]
    except ValueError as wrong:
        said = str(wrong)
    assert 0 < len(said) < MAX_MESSAGE_LENGTH
    return None


def written_alike(kind: Any, written: Callable[[Any], str] = str) -> Callable[[bytes], bool]:
    """A look at a kind of value: what is read, written and read again is the same."""
    read = reader_of(kind)

    def look(data: bytes) -> bool:
        found = readable(read, data)
        if found is not None:
            assert read(written(found)) == found
        return found is not None

    return look


def look_at_a_cursor(data: bytes) -> bool:
    """The algorithm is known: anybody can make a cursor of anything."""
    forged, said = chosen(data, (False, True))
    cursor = base64.urlsafe_b64encode(cursors._digest(said, SCOPE) + said).decode() if forged else text_of(said)
    try:
        position = decode_cursor(cursor, scope=SCOPE)
    except InvalidCursorError:
        return False
    assert isinstance(position.value, str | int | datetime | ObjectId | None)
    assert isinstance(position.id, ObjectId | None)
    assert decode_cursor(encode_cursor(position, scope=SCOPE), scope=SCOPE) == position
    if isinstance(position.value, datetime):
        assert position.value.tzinfo is None
    return True


def cursor_of(value: Any) -> bytes:
    return b"\0" + encode_cursor(Position(value, ObjectId("0" * 24)), scope=SCOPE).encode()


def look_at_an_id(data: bytes) -> bool:
    found = object_id(text_of(data))
    if found is not None:
        assert str(found) == text_of(data).lower()
    return found is not None


def look_at_a_refresh_token(data: bytes) -> bool:
    found = RefreshSecret.parse(text_of(data))
    if found is not None:
        assert str(found) == text_of(data)
    return found is not None


def look_at_an_access_token(data: bytes) -> bool:
    token = data.decode("latin-1")
    try:
        claims = SECRETS.verify(token)
    except AuthenticationError:
        return False
    assert claims == Claims("0" * 24, "1" * 24, 0, claims.expires_at)
    return True


def look_at_an_email(data: bytes) -> bool:
    """The key is that of the address in its normal form, and a key's key is itself."""
    key = email_key(text_of(data))
    found = readable(reader_of(Email), data)
    if found is not None:
        normal = normalize_email(found)
        assert normalize_email(normal) == normal
        assert key == email_key(normal) == email_key(key)
    return found is not None


def look_at_an_instant(data: bytes) -> bool:
    found = readable(reader_of(Instant), data)
    if found is not None:
        assert found.tzinfo is UTC
        assert MIN_YEAR <= found.year <= MAX_YEAR
        assert text_of(data)[4] == "-"
        assert reader_of(Instant)(rfc3339(naive_utc(found))) == found
    return found is not None


def look_at_a_moment(data: bytes) -> bool:
    found = readable(reader_of(InstantOrDate), data)
    if found is not None:
        whole = isinstance(found, datetime)
        assert reader_of(Instant if whole else Day)(text_of(data)) == found
    return found is not None


def look_at_a_rounding(data: bytes) -> bool:
    found = readable(reader_of(RoundingParameter), data)
    if found is not None:
        assert isinstance(found, Rounding)
        assert 1 <= found.minutes <= 1440
        assert reader_of(RoundingParameter)(str(found)) == found
    return found is not None


def look_at_a_date(data: bytes) -> bool:
    order, said = chosen(data, ORDERS)
    text = text_of(said)
    dated, rest = split_date(text)
    assert dated + rest == text
    found = readable(lambda whole: parse_date(whole, order), said)
    if found is not None:
        assert isinstance(found, date)
        assert MIN_YEAR - 1 <= found.year <= MAX_YEAR
        parts = {"d": found.day, "m": found.month, "y": found.year}
        assert parse_date("/".join(str(parts[part]) for part in order), order) == found
        assert dated == text
    return found is not None


def look_at_a_time(data: bytes) -> bool:
    found = readable(parse_time, data)
    if found is not None:
        again = parse_time(f"{found.clock_time:%H:%M:%S}")
        assert (again.clock_time, again.folded) == (found.clock_time, found.folded)
        assert again.has_seconds
        assert found.offset is None or abs(found.offset) < timedelta(days=1)
    return found is not None


def look_at_a_duration(data: bytes) -> bool:
    unit, said = chosen(data, (None, SECOND, MINUTE, HOUR))
    found = readable(lambda text: parse_duration(text, unit), said)
    if found is not None:
        assert timedelta(seconds=found.seconds) >= timedelta(0)
        assert 1 <= found.precision <= HOUR
        hours, minutes = divmod(found.seconds // MINUTE, MINUTE)
        if hours < 10**6:
            assert parse_duration(f"{hours}:{minutes:02}:{found.seconds % MINUTE:02}", None).seconds == found.seconds
    return found is not None


def look_at_a_rate(data: bytes) -> bool:
    currency, said = chosen(data, ("EUR", "JPY", "KWD", "CLF"))
    found = readable(parse_amount, said)
    if found is None:
        return False
    number, _ = found
    assert parse_amount(f"{number:f}"[:40]) == (number, "") or "." not in f"{number:f}"
    with suppress(ValueError):
        minor = to_minor_units(number, currency)
        assert 0 <= minor <= MAX_AMOUNT
        rate = rate_from_amount(number, 3_600, currency)
        assert rate == (minor or None) or minor * 2 > MAX_AMOUNT
    return True


def look_at_a_yes(data: bytes) -> bool:
    return readable(parse_boolean, data) is not None


def look_at_tags(data: bytes) -> bool:
    found = readable(lambda text: parse_tags(text.strip()), data)
    if found is None:
        return False
    tags, said = found
    assert len(set(tags)) == len(tags) <= 10
    assert [reader_of(Tag)(tag) for tag in tags] == [*tags]
    assert said is None or len(said) < MAX_MESSAGE_LENGTH
    return True


def look_at_a_title_and_its_note(data: bytes) -> bool:
    found = readable(lambda text: to_title_and_note(text.split("|")), data)
    if found is None:
        return False
    title, note = found
    assert reader_of(Title)(title) == title
    assert note is None or normalize_lines(note) == note
    return True


TEXTS: dict[str, Target] = {
    "cursor": Target(
        look_at_a_cursor,
        (
            *(cursor_of(value) for value in (None, 7, "Write the offer", datetime(2026, 11, 18), ObjectId("0" * 24))),  # noqa: DTZ001 -- as it is stored
            b'\1["instant","2026-11-18T09:00:00Z",null]',
            b'\1["id","6920a3f1c2d4e5f607182930","6920a3f1c2d4e5f607182930"]',
            b'\1["plain",9223372036854775807,null]',
        ),
        (b'"instant"', b'"id"', b'"plain"', b"null", b"true", b"0001-01-01T00:00:00+23:59", b"9999-12-31", b"1e999"),
        (
            b'\1["instant","0001-01-01T00:00:00+23:59",null]',
            b'\1["instant","2026-11-18",null]',
            b'\1["plain", 7, null]',
            b'\1["plain",1.5,null]',
            b'\1["plain",-9223372036854775808,null]',
            b'\1["id",7,null]',
            b"\1[]",
        ),
    ),
    "id": Target(look_at_an_id, (b"6920a3f1c2d4e5f607182930",)),
    "refresh token": Target(look_at_a_refresh_token, (str(RefreshSecret("0" * 24, "f" * 64)).encode(),)),
    "access token": Target(look_at_an_access_token, (TOKEN.encode(),), (b".", b"eyJhbGciOiJub25lIn0", b"e30", b"W10")),
    "e-mail": Target(
        look_at_an_email,
        (b"ada@example.com", b"Ada.L+x@Example.COM", "größe@straße.example".encode()),
        (b"@", b".", b"xn--", b"[IPv6:::1]", "ß".encode(), "İ".encode(), "ﬀ".encode(), "Σ".encode(), b"%"),
    ),
    "instant": Target(
        look_at_an_instant,
        (b"2026-11-18T09:00:00Z", b"1970-01-02T00:00:00.999999+14:00", b"9998-12-31t23:59:59.123456789+23:59"),
        (b"0000", b"9999", b"24:00:00", b":60", b"+24:00", b"-00:00", b".", b" "),
    ),
    "moment": Target(look_at_a_moment, (b"2026-11-18T09:00:00Z", b"2026-02-28"), (b"00", b"29", b"-", b"T", b"Z")),
    "day": Target(written_alike(Day), (b"2026-11-18", b"2024-02-29"), (b"00", b"0000", b"9999", b"-")),
    "flag": Target(written_alike(BooleanFlag, lambda flag: str(flag).lower()), (b"true", b"false"), (b"1", b"on")),
    "limit": Target(written_alike(Limit), (b"1", b"200"), (b"0", b"-", b"_", b"9" * 5000)),
    "week start": Target(written_alike(FirstDayOfWeek), (b"0", b"6")),
    "rounding": Target(look_at_a_rounding, (b"up:15", b"nearest:1440", b"down:1"), (b":", b"0", b"9" * 5000)),
    "groups": Target(written_alike(Groups, ",".join), (b"day", b"project,task"), (b",", b"tag", b"billable")),
    "zone": Target(written_alike(Zone), (b"Europe/Berlin", b"UTC"), (b"..", b"/", b"localtime", b"posixrules")),
    "colour": Target(written_alike(Color), (b"#2f6fde",), (b"#",)),
    "currency": Target(written_alike(CurrencyCode), (b"EUR",)),
    "project filter": Target(written_alike(ProjectFilter), (b"none", b"6920a3f1c2d4e5f607182930")),
    "title": Target(written_alike(Title), (b"Write the offer", b" x "), (b"\x1c", b"\xc2\x85", b" ", b"x" * 200)),
    "tag": Target(written_alike(Tag), (b"Web", "GRÖẞE".encode()), ("İ".encode() * 25, "Σ".encode(), b"x" * 50, b" ")),
    "note": Target(written_alike(Note), (b"First draft\n",), (b"x" * 5000,)),
    "name of a project": Target(written_alike(ProjectName), (b"Website",), (b"x" * 200, b"\x1f")),
    "date of a file": Target(
        look_at_a_date,
        (b"\x0018/11/2026", b"\x0111.18.2026", b"\x022026-11-18"),
        (b"/", b"-", b".", b"0000", b"9999", b"29", b"02", b"T"),
    ),
    "time of a file": Target(
        look_at_a_time,
        (b"09:00", b"9:00:59.999 PM", b"12:00 a.m.", b"23:59:59+05:45", b"10:00 UTC", b"10:00-00:44:30"),
        (b":", b"pm", b"AM", b"z", b"gmt", b"+24:00", b"24", b"60", b","),
        (b"13:00 PM", b"0:30 am", b"24:01", b"09:60", b"9:00+24:00"),
    ),
    "duration of a file": Target(
        look_at_a_duration,
        (b"\x001:30:00", b"\x001h 30m 5s", b"\x00PT1H30M", b"\x001,5", b"\x0290", b"\x0047:06 min", b"\x030.50 h"),
        (b":", b"h", b"min", b"sec", b"PT", b".", b",", b"9999999999", b"-", "\N{MINUS SIGN}".encode()),
    ),
    "rate of a file": Target(
        look_at_a_rate,
        (b"\x0085.50", b"\x011,250.00", b"\x0212.345", b"\x0085,50", b"\x031.0001"),
        (b",", b".", b"000", b"9" * 15, b"1e9", b"NaN"),
    ),
    "whether a file says yes": Target(look_at_a_yes, (b"Yes", b"non-billable", b"0")),
    "tags of a file": Target(
        look_at_tags,
        (b"Web, Urgent", b'"a, b", c', "Größe,web,web".encode(), b"x" * 49 + b" y"),
        (b",", b'"', b'""', b"\n", "İ".encode() * 25, "Σ".encode(), b"x" * 51, b"a,b,c,d,e,f,g,h,i,j,k"),
    ),
    "title of a file": Target(
        look_at_a_title_and_its_note,
        (b"Design|Draw the header", b"||it"),
        (b"|", b"x" * 200, b" ", b"\t", unicodedata.lookup("NO-BREAK SPACE").encode()),
    ),
}
