"""Fuzz targets for short texts: cursors, ids, secrets, field values, and cells of imported files."""

import base64
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar, get_args

from bson import ObjectId
from pydantic import TypeAdapter
from pydantic import ValidationError as PydanticError

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
from tests.fuzz.target import Target, choose, to_text

T = TypeVar("T")
Read = Callable[[str], Any]

MAX_MESSAGE_LENGTH = 500
SCOPE = b"the list of a user"
STORED_INSTANT = datetime(2026, 11, 18)  # noqa: DTZ001 -- stored instants are naive UTC
ORDERS: tuple[DateOrder, ...] = get_args(DateOrder.__value__)
SECRETS = AccessTokens(key="k" * 32, algorithm="HS256", issuer="Task Timer", lifetime=timedelta(days=36500))
TOKEN = SECRETS.issue(user_id="0" * 24, session_id="1" * 24, token_version=0)


def validator(kind: Any) -> Read:
    """Return the validation function of a type."""
    return TypeAdapter(kind).validate_python


def read_or_none(read: Read, data: bytes) -> Any:
    """Return the parsed value, or None if it is refused with a message."""
    try:
        return read(to_text(data))
    except PydanticError as error:
        message = error.errors()[0]["msg"]
    except ValueError as error:
        message = str(error)
    assert 0 < len(message) < MAX_MESSAGE_LENGTH
    return None


def round_trips(kind: Any, serialize: Callable[[Any], str] = str) -> Callable[[bytes], bool]:
    """Return a check that a value is the same after it is serialized and parsed again."""
    read = validator(kind)

    def check(data: bytes) -> bool:
        value = read_or_none(read, data)
        if value is not None:
            assert read(serialize(value)) == value
        return value is not None

    return check


def check_cursor(data: bytes) -> bool:
    """Cursors are not secret: a client can forge one with any content."""
    is_forged, content = choose(data, (False, True))
    cursor = (
        base64.urlsafe_b64encode(cursors._digest(content, SCOPE) + content).decode() if is_forged else to_text(content)
    )
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


def create_cursor(value: Any) -> bytes:
    return b"\0" + encode_cursor(Position(value, ObjectId("0" * 24)), scope=SCOPE).encode()


def check_id(data: bytes) -> bool:
    value = object_id(to_text(data))
    if value is not None:
        assert str(value) == to_text(data).lower()
    return value is not None


def check_refresh_token(data: bytes) -> bool:
    value = RefreshSecret.parse(to_text(data))
    if value is not None:
        assert str(value) == to_text(data)
    return value is not None


def check_access_token(data: bytes) -> bool:
    token = data.decode("latin-1")
    try:
        claims = SECRETS.verify(token)
    except AuthenticationError:
        return False
    assert claims == Claims("0" * 24, "1" * 24, 0, claims.expires_at)
    return True


def check_email(data: bytes) -> bool:
    """The key of an address equals the key of its normalized form, and the key of a key is itself."""
    key = email_key(to_text(data))
    value = read_or_none(validator(Email), data)
    if value is not None:
        normal = normalize_email(value)
        assert normalize_email(normal) == normal
        assert key == email_key(normal) == email_key(key)
    return value is not None


def check_instant(data: bytes) -> bool:
    value = read_or_none(validator(Instant), data)
    if value is not None:
        assert value.tzinfo is UTC
        assert MIN_YEAR <= value.year <= MAX_YEAR
        assert to_text(data)[4] == "-"
        assert validator(Instant)(rfc3339(naive_utc(value))) == value
    return value is not None


def check_instant_or_date(data: bytes) -> bool:
    value = read_or_none(validator(InstantOrDate), data)
    if value is not None:
        is_instant = isinstance(value, datetime)
        assert validator(Instant if is_instant else Day)(to_text(data)) == value
    return value is not None


def check_rounding(data: bytes) -> bool:
    value = read_or_none(validator(RoundingParameter), data)
    if value is not None:
        assert isinstance(value, Rounding)
        assert 1 <= value.minutes <= 1440
        assert validator(RoundingParameter)(str(value)) == value
    return value is not None


def check_date(data: bytes) -> bool:
    order, content = choose(data, ORDERS)
    text = to_text(content)
    date_text, rest = split_date(text)
    assert date_text + rest == text
    value = read_or_none(lambda whole: parse_date(whole, order), content)
    if value is not None:
        assert isinstance(value, date)
        assert MIN_YEAR - 1 <= value.year <= MAX_YEAR
        parts = {"d": value.day, "m": value.month, "y": value.year}
        assert parse_date("/".join(str(parts[part]) for part in order), order) == value
        assert date_text == text
    return value is not None


def check_time(data: bytes) -> bool:
    value = read_or_none(parse_time, data)
    if value is not None:
        again = parse_time(f"{value.clock_time:%H:%M:%S}")
        assert (again.clock_time, again.folded) == (value.clock_time, value.folded)
        assert again.has_seconds
        assert value.offset is None or abs(value.offset) < timedelta(days=1)
    return value is not None


def check_duration(data: bytes) -> bool:
    unit, content = choose(data, (None, SECOND, MINUTE, HOUR))
    value = read_or_none(lambda text: parse_duration(text, unit), content)
    if value is not None:
        assert timedelta(seconds=value.seconds) >= timedelta(0)
        assert 1 <= value.precision <= HOUR
        hours, minutes = divmod(value.seconds // MINUTE, MINUTE)
        if hours < 10**6:
            assert parse_duration(f"{hours}:{minutes:02}:{value.seconds % MINUTE:02}", None).seconds == value.seconds
    return value is not None


def check_amount(data: bytes) -> bool:
    currency, content = choose(data, ("EUR", "JPY", "KWD", "CLF"))
    value = read_or_none(parse_amount, content)
    if value is None:
        return False
    number, _ = value
    assert parse_amount(f"{number:f}"[:40]) == (number, "") or "." not in f"{number:f}"
    with suppress(ValueError):
        minor = to_minor_units(number, currency)
        assert 0 <= minor <= MAX_AMOUNT
        rate = rate_from_amount(number, 3_600, currency)
        assert rate == (minor or None) or minor * 2 > MAX_AMOUNT
    return True


def check_boolean(data: bytes) -> bool:
    return read_or_none(parse_boolean, data) is not None


def check_tags(data: bytes) -> bool:
    value = read_or_none(lambda text: parse_tags(text.strip()), data)
    if value is None:
        return False
    tags, message = value
    assert len(set(tags)) == len(tags) <= 10
    assert [validator(Tag)(tag) for tag in tags] == [*tags]
    assert message is None or len(message) < MAX_MESSAGE_LENGTH
    return True


def check_title_and_note(data: bytes) -> bool:
    value = read_or_none(lambda text: to_title_and_note(text.split("|")), data)
    if value is None:
        return False
    title, note = value
    assert validator(Title)(title) == title
    assert note is None or normalize_lines(note) == note
    return True


TEXTS: dict[str, Target] = {
    "cursor": Target(
        check_cursor,
        (
            *map(create_cursor, (None, 7, "Write the offer", STORED_INSTANT, ObjectId("0" * 24))),
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
    "id": Target(check_id, (b"6920a3f1c2d4e5f607182930",)),
    "refresh token": Target(check_refresh_token, (str(RefreshSecret("0" * 24, "f" * 64)).encode(),)),
    "access token": Target(check_access_token, (TOKEN.encode(),), (b".", b"eyJhbGciOiJub25lIn0", b"e30", b"W10")),
    "e-mail": Target(
        check_email,
        (b"ada@example.com", b"Ada.L+x@Example.COM", "größe@straße.example".encode()),
        (b"@", b".", b"xn--", b"[IPv6:::1]", "ß".encode(), "İ".encode(), "ﬀ".encode(), "Σ".encode(), b"%"),
    ),
    "instant": Target(
        check_instant,
        (b"2026-11-18T09:00:00Z", b"1970-01-02T00:00:00.999999+14:00", b"9998-12-31t23:59:59.123456789+23:59"),
        (b"0000", b"9999", b"24:00:00", b":60", b"+24:00", b"-00:00", b".", b" "),
    ),
    "instant or date": Target(
        check_instant_or_date, (b"2026-11-18T09:00:00Z", b"2026-02-28"), (b"00", b"29", b"-", b"T", b"Z")
    ),
    "day": Target(round_trips(Day), (b"2026-11-18", b"2024-02-29"), (b"00", b"0000", b"9999", b"-")),
    "flag": Target(round_trips(BooleanFlag, lambda flag: str(flag).lower()), (b"true", b"false"), (b"1", b"on")),
    "limit": Target(round_trips(Limit), (b"1", b"200"), (b"0", b"-", b"_", b"9" * 5000)),
    "week start": Target(round_trips(FirstDayOfWeek), (b"0", b"6")),
    "rounding": Target(check_rounding, (b"up:15", b"nearest:1440", b"down:1"), (b":", b"0", b"9" * 5000)),
    "groups": Target(round_trips(Groups, ",".join), (b"day", b"project,task"), (b",", b"tag", b"billable")),
    "zone": Target(round_trips(Zone), (b"Europe/Berlin", b"UTC"), (b"..", b"/", b"localtime", b"posixrules")),
    "color": Target(round_trips(Color), (b"#2f6fde",), (b"#",)),
    "currency": Target(round_trips(CurrencyCode), (b"EUR",)),
    "project filter": Target(round_trips(ProjectFilter), (b"none", b"6920a3f1c2d4e5f607182930")),
    "title": Target(round_trips(Title), (b"Write the offer", b" x "), (b"\x1c", b"\xc2\x85", b" ", b"x" * 200)),
    "tag": Target(round_trips(Tag), (b"Web", "GRÖẞE".encode()), ("İ".encode() * 25, "Σ".encode(), b"x" * 50, b" ")),
    "note": Target(round_trips(Note), (b"First draft\n",), (b"x" * 5000,)),
    "project name": Target(round_trips(ProjectName), (b"Website",), (b"x" * 200, b"\x1f")),
    "imported date": Target(
        check_date,
        (b"\x0018/11/2026", b"\x0111.18.2026", b"\x022026-11-18"),
        (b"/", b"-", b".", b"0000", b"9999", b"29", b"02", b"T"),
    ),
    "imported time": Target(
        check_time,
        (b"09:00", b"9:00:59.999 PM", b"12:00 a.m.", b"23:59:59+05:45", b"10:00 UTC", b"10:00-00:44:30"),
        (b":", b"pm", b"AM", b"z", b"gmt", b"+24:00", b"24", b"60", b","),
        (b"13:00 PM", b"0:30 am", b"24:01", b"09:60", b"9:00+24:00"),
    ),
    "imported duration": Target(
        check_duration,
        (b"\x001:30:00", b"\x001h 30m 5s", b"\x00PT1H30M", b"\x001,5", b"\x0290", b"\x0047:06 min", b"\x030.50 h"),
        (b":", b"h", b"min", b"sec", b"PT", b".", b",", b"9999999999", b"-", "\N{MINUS SIGN}".encode()),
    ),
    "imported amount": Target(
        check_amount,
        (b"\x0085.50", b"\x011,250.00", b"\x0212.345", b"\x0085,50", b"\x031.0001"),
        (b",", b".", b"000", b"9" * 15, b"1e9", b"NaN"),
    ),
    "imported boolean": Target(check_boolean, (b"Yes", b"non-billable", b"0")),
    "imported tags": Target(
        check_tags,
        (b"Web, Urgent", b'"a, b", c', "Größe,web,web".encode(), b"x" * 49 + b" y"),
        (b",", b'"', b'""', b"\n", "İ".encode() * 25, "Σ".encode(), b"x" * 51, b"a,b,c,d,e,f,g,h,i,j,k"),
    ),
    "imported title": Target(
        check_title_and_note,
        (b"Design|Draw the header", b"||it"),
        (b"|", b"x" * 200, b" ", b"\t", unicodedata.lookup("NO-BREAK SPACE").encode()),
    ),
}
