"""Fuzz targets for requests: headers, queries and bodies."""

import re
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

import orjson
import structlog
from pydantic import BaseModel
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.config import Settings
from app.errors import UnsupportedMediaTypeError, ValidationError, problem_members
from app.http.endpoint import Argument, FormArgument, JsonArgument, QueryArgument, refuse_unknown_parameters
from app.http.middleware import RequestLayer
from app.http.uploads import FormWithFile
from app.request_context import current_request, request_context
from routes.dependencies import IdempotencyHeader, PreconditionHeader
from services.accounts.schemas.api_tokens import ApiTokenCreate
from services.accounts.schemas.users import SignIn, UserCreate, UserUpdate
from services.reporting.schemas import SummaryQuery, TimesheetQuery
from services.sharing.schemas.calendar_feeds import CalendarFeedCreate
from services.sharing.schemas.shares import ShareCreate
from services.tracking.schemas.bulk import BulkRequest
from services.tracking.schemas.entries import EntryQuery
from services.tracking.schemas.entry_changes import EntryCreate, EntryUpdate
from services.tracking.schemas.projects import ProjectCreate
from services.tracking.schemas.tags import TagRename
from services.tracking.schemas.tasks import TaskCreate, TaskQuery, TaskUpdate
from services.tracking.schemas.timer import TimerStop
from services.transfer.schemas.imports import ImportForm
from tests.fuzz.target import Target, choose, to_text

T = TypeVar("T")
Header = tuple[bytes, bytes]

JSON: tuple[type[BaseModel], ...] = (
    *(TaskCreate, TaskUpdate, BulkRequest, EntryCreate, EntryUpdate, ProjectCreate, TagRename, TimerStop),
    *(UserCreate, UserUpdate, ApiTokenCreate, CalendarFeedCreate, ShareCreate),
)
QUERIES: tuple[type[BaseModel], ...] = (SummaryQuery, TimesheetQuery, TaskQuery, EntryQuery)
TRUSTED_ADDRESSES = ("127.0.0.1", "10.0.0.0/8")
UNTRUSTED_ADDRESS = "203.0.113.9"
FORM = (
    b"--b\r\nContent-Disposition: form-data; name=format\r\n\r\ncsv\r\n"
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="time.csv"\r\n\r\nstart,hours\n\r\n--b--\r\n'
)


def run_sync(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine that never suspends."""
    try:
        work.send(None)
    except StopIteration as ended:
        value: T = ended.value
        return value
    finally:
        work.close()
    raise AssertionError("the coroutine suspended")


def request(*headers: Header, query: bytes = b"", body: bytes = b"") -> Request:
    """A request with these headers, this query and this body."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request(create_scope(headers, query), receive)


def create_scope(headers: tuple[Header, ...], query: bytes = b"", client: str = UNTRUSTED_ADDRESS) -> Scope:
    return {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/tasks",
        "query_string": query,
        "headers": list(headers),
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "client": (client, 50_000),
        "state": {"derivation_key": bytes(32)},
    }


def check_refusal(refused: ValidationError) -> None:
    """The error can be serialized, and each of its parts names one place in the request."""
    assert orjson.dumps(problem_members(refused))
    for error in refused.errors:
        assert sum(place is not None for place in (error.pointer, error.parameter, error.header)) == 1


def parse_argument(argument: Argument[T], sent: Request) -> T | None:
    """Parse an argument of the request. Returns None if it is refused."""
    try:
        return run_sync(argument(sent))
    except UnsupportedMediaTypeError:
        return None
    except ValidationError as error:
        check_refusal(error)
        return None


_LIST_MEMBER = re.compile(r'[ \t]*((?:W/)?"[\x21\x23-\x7e\x80-\xff]*")?[ \t]*(?:,|$)')


def parse_entity_tags(sent: str) -> list[str] | None:
    """Parse a list of entity tags (RFC 9110 sections 5.6.1 and 8.8.3). Returns None if it is not one."""
    tags: list[str] = []
    at = 0
    while at < len(sent):
        match = _LIST_MEMBER.match(sent, at)
        if match is None:
            return None
        tags += filter(None, match.groups())
        at = match.end()
    return tags or None


def check_versions(data: bytes) -> bool:
    """If-Match and If-None-Match accept the same entity tags as an independent parser."""
    weak, sent = choose(data, (False, True))
    lines = sent.split(b"\n")
    name = "If-None-Match" if weak else "If-Match"
    condition = parse_argument(
        PreconditionHeader(name, "", weak=weak), request(*((name.lower().encode(), line) for line in lines))
    )
    whole = ", ".join(line.decode("latin-1") for line in lines)
    if whole.strip(" \t") == "*":
        assert condition is not None
        assert condition.any
        return True
    tags = parse_entity_tags(whole)
    if tags is None:
        assert condition is None
        return False
    assert condition is not None
    counted = frozenset(tag.removeprefix("W/").strip('"') for tag in tags if weak or not tag.startswith("W/"))
    assert (condition.versions, condition.any) == (counted, False)
    return True


def check_idempotency_key(data: bytes) -> bool:
    """Idempotency-Key: equal requests give equal arguments; another body or query gives another."""
    sent, _, body = data.partition(b"\n")
    header = (b"idempotency-key", sent)
    key = parse_argument(IdempotencyHeader(), request(header, body=body))
    is_valid = 1 <= len(sent) <= 255 and all(0x21 <= letter <= 0x7E for letter in sent)
    assert (key is not None) == is_valid
    if key is None:
        return False
    assert key == parse_argument(IdempotencyHeader(), request(header, body=body))
    assert key != parse_argument(IdempotencyHeader(), request(header, body=body + b" "))
    assert key != parse_argument(IdempotencyHeader(), request(header, query=b"a=b", body=body))
    assert parse_argument(IdempotencyHeader(), request(header, header, body=body)) is None
    return True


def check_request_id(data: bytes) -> bool:
    """X-Request-ID: the id of the client if it is valid, else a generated one, in the response and the log."""
    messages: list[Message] = []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Message) -> None:
        messages.append(message)

    with structlog.testing.capture_logs():
        scope = create_scope(((b"x-request-id", data),))
        layer = RequestLayer(app, root_path="", audit_retention=timedelta(days=1))
        run_sync(layer(scope, request().receive, send))
    (request_id,) = [value for name, value in messages[0]["headers"] if name == b"x-request-id"]
    assert re.fullmatch(rb"[A-Za-z0-9._:-]{1,128}", request_id)
    is_valid = re.fullmatch(rb"[A-Za-z0-9._:-]{1,128}", data) is not None
    assert (request_id == data) == is_valid
    return is_valid


def check_client_address(data: bytes) -> bool:
    """X-Forwarded-For is used from a trusted proxy only."""
    peer, sent = choose(data, (UNTRUSTED_ADDRESS, *("127.0.0.1", "10.1.2.3")))
    addresses = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        with request_context(scope, timedelta(days=1)):
            addresses.append(current_request().address)

    async def send(message: Message) -> None:
        raise AssertionError(message)

    headers = tuple((b"x-forwarded-for", line) for line in sent.split(b"\n"))
    scope = create_scope((*headers, (b"user-agent", sent)), client=peer)
    run_sync(ProxyHeadersMiddleware(app, list(TRUSTED_ADDRESSES))(scope, request().receive, send))  # type: ignore[arg-type]
    (address,) = addresses
    if peer == UNTRUSTED_ADDRESS:
        assert address == UNTRUSTED_ADDRESS
    return True


def check_address_list(data: bytes) -> bool:
    """TRUSTED_PROXIES and CORS_ORIGINS: lists separated by commas, without empty members."""
    text = to_text(data)
    settings = Settings(_env_file=None, trusted_proxies=text, cors_origins=text)  # type: ignore[arg-type]
    assert all(part == part.strip() != "" for part in settings.trusted_proxies)
    assert settings.trusted_proxies == settings.cors_origins
    again = Settings(_env_file=None, trusted_proxies=",".join(settings.trusted_proxies))  # type: ignore[arg-type]
    assert again.trusted_proxies == settings.trusted_proxies
    return True


def check_query(data: bytes) -> bool:
    """The parameters of a list or a report: only known ones are accepted."""
    model, query = choose(data, QUERIES)
    reader: QueryArgument[Any] = QueryArgument(model)
    sent = request(query=query)
    try:
        refuse_unknown_parameters(sent, reader.is_list)
    except ValidationError as error:
        check_refusal(error)
        return False
    query_model = parse_argument(reader, sent)
    if query_model is not None:
        assert set(sent.query_params) <= reader.is_list.keys()
        assert isinstance(query_model, model)
    return query_model is not None


def check_json(data: bytes) -> bool:
    """A JSON body gives the same model after it is serialized and parsed again."""
    model, body = choose(data, JSON)
    media_type = (b"content-type", b"application/json")
    parsed = parse_argument(JsonArgument(model), request(media_type, body=body))
    if parsed is not None:
        written = parsed.model_dump_json(exclude_unset=True, by_alias=True).encode()
        again = parse_argument(JsonArgument(model), request(media_type, body=written))
        assert again is not None
        assert again.model_dump(exclude_unset=True) == parsed.model_dump(exclude_unset=True)
    return parsed is not None


def check_form(data: bytes) -> bool:
    """The form of a sign-in."""
    form = parse_argument(
        FormArgument(SignIn), request((b"content-type", b"application/x-www-form-urlencoded"), body=data)
    )
    if form is not None:
        assert b"username" in data or b"%" in data
    return form is not None


def check_form_with_file(data: bytes) -> bool:
    """The multipart form of an import: a file and fields."""
    head, _, body = data.partition(b"\n")
    form = parse_argument(FormWithFile(ImportForm), request((b"content-type", head), body=body))
    if form is not None:
        with form.file as file:
            assert file.read() in body
    return form is not None


JSON_WORDS = (b"null", b"true", b"{}", b"[]", b'"', b"\\u0000", b"\\ud800", b"1e999", b"9" * 400, b"[" * 300, b"-0")
REQUESTS: dict[str, Target] = {
    "versions": Target(
        check_versions,
        (b'\0"3"', b'\1W/"3", "4"', b"\0*", b'\0"a,b" , ,"\xff"', b'\1"1"\n"2"'),
        (b'"', b",", b"W/", b"w/", b"*", b"tag", b" ", b"\t", b"\xa0", b'""', b"\n", b"\\"),
        (b'\0tag, "3"', b'\0"3", "', b'\1"3"\xa0', b"\0\xa0*", b'\0"3" "4"', b"\0,", b'\0w/"3"', b'\1""3"'),
    ),
    "idempotency key": Target(check_idempotency_key, (b"7d2f3a90-offer\n{}",), (b"x" * 255, b" ", b"\n", b"\x7f")),
    "request id": Target(
        check_request_id,
        (b"7d2f3a90", b"a.b:c_d-e"),
        (b"x" * 128, b"\n", b"\r\n", b"\x1b[2J"),
        (b"", b"x" * 129, b"a b"),
    ),
    "client address": Target(
        check_client_address,
        (b"\x00198.51.100.7", b"\x01198.51.100.7, 10.1.1.1", b"\x02[2001:db8::1]:443"),
        (b",", b"::1", b":", b"/8", b"10.0.0.1", b"\n", b"unknown"),
    ),
    "address list": Target(check_address_list, (b"127.0.0.1, 10.0.0.0/8", b"*"), (b",", b" ", b"[", b"{")),
    "query": Target(
        check_query,
        (
            b"\0from=2026-11-16&to=2026-11-23&group_by=project,task&rounding=up:15&timezone=Europe/Berlin&tag=a&tag=b",
            b"\1date=2026-11-18&week_start=6&status=pending",
            b"\2sort=-due_at&limit=200&q=offer&due_before=2026-11-18T09:00:00Z&running=true",
            b"\3from=2026-11-16T09:00:00%2B01:00&needs_review=false&project_id=none",
        ),
        (b"&", b"=", b"%00", b"%ff", b"%", b"+", b"[$gt]", b"tag", b"cursor=", b"&a" * 120, b";"),
    ),
    "json": Target(
        check_json,
        tuple(
            bytes([number]) + orjson.dumps(example)
            for number, model in enumerate(JSON)
            for example in model.model_json_schema().get("examples", [{}])
        ),
        JSON_WORDS,
    ),
    "form": Target(
        check_form,
        (b"grant_type=password&username=ada%40example.com&password=correct+horse+battery",),
        (b"&", b"=", b"%ff", b"%00", b"%", b"+", b"username=", b"&a=" * 30),
    ),
    "form with file": Target(
        check_form_with_file,
        (b"multipart/form-data; boundary=b\n" + FORM,),
        (
            b"--b",
            b"--b--",
            b"\r\n",
            b"\r\n\r\n",
            b'filename="',
            b"name=",
            b"; charset=utf-9",
            b"Content-Type: x",
            b"\0",
        ),
        (
            b"multipart/form-data; boundary=b; charset=undefined\n" + FORM,
            b"multipart/form-data; boundary=b; charset=idna\n" + FORM.replace(b"csv", b"xn--\xff"),
            b"multipart/form-data; boundary=b; charset=\0\n" + FORM,
        ),
    ),
}
