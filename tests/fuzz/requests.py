"""What stands in a request: its headers, its query, its body."""

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
from app.http.middleware import RequestLog
from app.http.uploads import FormWithFile
from app.request_context import current_request, request_context
from routes.dependencies import IdempotencyHeader, PreconditionHeader
from services.accounts.schemas.api_tokens import ApiTokenCreate
from services.accounts.schemas.users import SignIn, UserCreate, UserUpdate
from services.reporting.schemas import SummaryQuery, TimesheetQuery
from services.tracking.schemas.bulk import BulkRequest
from services.tracking.schemas.entries import EntryQuery
from services.tracking.schemas.entry_changes import EntryCreate, EntryUpdate
from services.tracking.schemas.projects import ProjectCreate
from services.tracking.schemas.tags import TagRename
from services.tracking.schemas.tasks import TaskCreate, TaskQuery, TaskUpdate
from services.tracking.schemas.timer import TimerStop
from services.transfer.schemas.imports import ImportForm
from tests.fuzz.target import Target, chosen, text_of

T = TypeVar("T")
Header = tuple[bytes, bytes]

JSON: tuple[type[BaseModel], ...] = (
    *(TaskCreate, TaskUpdate, BulkRequest, EntryCreate, EntryUpdate, ProjectCreate, TagRename, TimerStop),
    *(UserCreate, UserUpdate, ApiTokenCreate),
)
QUERIES: tuple[type[BaseModel], ...] = (SummaryQuery, TimesheetQuery, TaskQuery, EntryQuery)
TRUSTED = ("127.0.0.1", "10.0.0.0/8")
OUTSIDE = "203.0.113.9"
FORM = (
    b"--b\r\nContent-Disposition: form-data; name=format\r\n\r\ncsv\r\n"
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="time.csv"\r\n\r\nstart,hours\n\r\n--b--\r\n'
)


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """What it answers; it waits for nothing."""
    try:
        work.send(None)
    except StopIteration as ended:
        value: T = ended.value
        return value
    finally:
        work.close()
    raise AssertionError("it waits")


def request(*headers: Header, query: bytes = b"", body: bytes = b"") -> Request:
    """A request of these parts."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request(scope_of(headers, query), receive)


def scope_of(headers: tuple[Header, ...], query: bytes = b"", client: str = OUTSIDE) -> Scope:
    return {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/tasks",
        "query_string": query,
        "headers": list(headers),
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "client": (client, 50_000),
    }


def look_at_a_refusal(refused: ValidationError) -> None:
    """It is an answer that can be sent, and says where in the request each thing is that is wrong."""
    assert orjson.dumps(problem_members(refused))
    for wrong in refused.errors:
        assert sum(place is not None for place in (wrong.pointer, wrong.parameter, wrong.header)) == 1


def argument_of(argument: Argument[T], sent: Request) -> T | None:
    """The argument, or None where the request is refused, with what is wrong of it told."""
    try:
        return at_once(argument(sent))
    except UnsupportedMediaTypeError:
        return None
    except ValidationError as refused:
        look_at_a_refusal(refused)
        return None


_MEMBER = re.compile(r'[ \t]*((?:W/)?"[\x21\x23-\x7e\x80-\xff]*")?[ \t]*(?:,|$)')


def tags_in(sent: str) -> list[str] | None:
    """The entity tags of a list (RFC 9110 sections 5.6.1 and 8.8.3), one member after the other; None if it is none."""
    tags: list[str] = []
    at = 0
    while at < len(sent):
        found = _MEMBER.match(sent, at)
        if found is None:
            return None
        tags += filter(None, found.groups())
        at = found.end()
    return tags or None


def look_at_versions(data: bytes) -> bool:
    """If-Match and If-None-Match: those that a grammar of its own finds, and no others."""
    weak, sent = chosen(data, (False, True))
    lines = sent.split(b"\n")
    named = "If-None-Match" if weak else "If-Match"
    condition = argument_of(
        PreconditionHeader(named, "", weak=weak), request(*((named.lower().encode(), line) for line in lines))
    )
    whole = ", ".join(line.decode("latin-1") for line in lines)
    if whole.strip(" \t") == "*":
        assert condition is not None
        assert condition.any
        return True
    tags = tags_in(whole)
    if tags is None:
        assert condition is None
        return False
    assert condition is not None
    counted = frozenset(tag.removeprefix("W/").strip('"') for tag in tags if weak or not tag.startswith("W/"))
    assert (condition.versions, condition.any) == (counted, False)
    return True


def look_at_an_idempotency_key(data: bytes) -> bool:
    """The key of a request; of the same key and another body, another request."""
    sent, _, body = data.partition(b"\n")
    header = (b"idempotency-key", sent)
    found = argument_of(IdempotencyHeader(), request(header, body=body))
    visible = 1 <= len(sent) <= 255 and all(0x21 <= letter <= 0x7E for letter in sent)
    assert (found is not None) == visible
    if found is None:
        return False
    assert found == argument_of(IdempotencyHeader(), request(header, body=body))
    assert found != argument_of(IdempotencyHeader(), request(header, body=body + b" "))
    assert found != argument_of(IdempotencyHeader(), request(header, query=b"a=b", body=body))
    assert argument_of(IdempotencyHeader(), request(header, header, body=body)) is None
    return True


def look_at_a_request_id(data: bytes) -> bool:
    """X-Request-ID: the client's own, or one of ours; nothing else comes into an answer or into the log."""
    answered: list[Message] = []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Message) -> None:
        answered.append(message)

    with structlog.testing.capture_logs():
        scope = scope_of(((b"x-request-id", data),))
        at_once(RequestLog(app)(scope, request().receive, send))
    ((_, told),) = answered[0]["headers"]
    assert re.fullmatch(rb"[A-Za-z0-9._:-]{1,128}", told)
    assert told.decode() == scope["request_id"]
    sane = re.fullmatch(rb"[A-Za-z0-9._:-]{1,128}", data) is not None
    assert (told == data) == sane
    return sane


def look_at_who_asks(data: bytes) -> bool:
    """X-Forwarded-For: it is believed of a trusted proxy, and of nobody else."""
    peer, sent = chosen(data, (OUTSIDE, *("127.0.0.1", "10.1.2.3")))
    seen = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        with request_context(scope, timedelta(days=1)):
            seen.append(current_request().address)

    async def send(message: Message) -> None:
        raise AssertionError(message)

    headers = tuple((b"x-forwarded-for", line) for line in sent.split(b"\n"))
    scope = scope_of((*headers, (b"user-agent", sent)), client=peer)
    at_once(ProxyHeadersMiddleware(app, list(TRUSTED))(scope, request().receive, send))  # type: ignore[arg-type]
    (address,) = seen
    if peer == OUTSIDE:
        assert address == OUTSIDE
    return True


def look_at_a_list_of_addresses(data: bytes) -> bool:
    """TRUSTED_PROXIES and CORS_ORIGINS: what stands between commas, none of it empty."""
    text = text_of(data)
    read = Settings(_env_file=None, trusted_proxies=text, cors_origins=text)  # type: ignore[arg-type]
    assert all(part == part.strip() != "" for part in read.trusted_proxies)
    assert read.trusted_proxies == read.cors_origins
    again = Settings(_env_file=None, trusted_proxies=",".join(read.trusted_proxies))  # type: ignore[arg-type]
    assert again.trusted_proxies == read.trusted_proxies
    return True


def look_at_a_query(data: bytes) -> bool:
    """The parameters of a list or a report: what is taken is known, and asked for once."""
    model, query = chosen(data, QUERIES)
    reader: QueryArgument[Any] = QueryArgument(model)
    sent = request(query=query)
    try:
        refuse_unknown_parameters(sent, reader.is_list)
    except ValidationError as refused:
        look_at_a_refusal(refused)
        return False
    found = argument_of(reader, sent)
    if found is not None:
        assert set(sent.query_params) <= reader.is_list.keys()
        assert isinstance(found, model)
    return found is not None


def look_at_json(data: bytes) -> bool:
    """A body in JSON: what was read, written and read again is the same."""
    model, body = chosen(data, JSON)
    media_type = (b"content-type", b"application/json")
    found = argument_of(JsonArgument(model), request(media_type, body=body))
    if found is not None:
        written = found.model_dump_json(exclude_unset=True, by_alias=True).encode()
        again = argument_of(JsonArgument(model), request(media_type, body=written))
        assert again is not None
        assert again.model_dump(exclude_unset=True) == found.model_dump(exclude_unset=True)
    return found is not None


def look_at_a_form(data: bytes) -> bool:
    """The form that signs in: the names and values that stand in it, each once."""
    found = argument_of(
        FormArgument(SignIn), request((b"content-type", b"application/x-www-form-urlencoded"), body=data)
    )
    if found is not None:
        assert b"username" in data or b"%" in data
    return found is not None


def look_at_a_form_with_a_file(data: bytes) -> bool:
    """An import as it is sent: one file, and the fields beside it."""
    head, _, body = data.partition(b"\n")
    found = argument_of(FormWithFile(ImportForm), request((b"content-type", head), body=body))
    if found is not None:
        with found.file as file:
            assert file.read() in body
    return found is not None


JSON_WORDS = (b"null", b"true", b"{}", b"[]", b'"', b"\\u0000", b"\\ud800", b"1e999", b"9" * 400, b"[" * 300, b"-0")
REQUESTS: dict[str, Target] = {
    "versions": Target(
        look_at_versions,
        (b'\0"3"', b'\1W/"3", "4"', b"\0*", b'\0"a,b" , ,"\xff"', b'\1"1"\n"2"'),
        (b'"', b",", b"W/", b"w/", b"*", b"tag", b" ", b"\t", b"\xa0", b'""', b"\n", b"\\"),
        (b'\0tag, "3"', b'\0"3", "', b'\1"3"\xa0', b"\0\xa0*", b'\0"3" "4"', b"\0,", b'\0w/"3"', b'\1""3"'),
    ),
    "idempotency key": Target(look_at_an_idempotency_key, (b"7d2f3a90-offer\n{}",), (b"x" * 255, b" ", b"\n", b"\x7f")),
    "request id": Target(
        look_at_a_request_id,
        (b"7d2f3a90", b"a.b:c_d-e"),
        (b"x" * 128, b"\n", b"\r\n", b"\x1b[2J"),
        (b"", b"x" * 129, b"a b"),
    ),
    "who asks": Target(
        look_at_who_asks,
        (b"\x00198.51.100.7", b"\x01198.51.100.7, 10.1.1.1", b"\x02[2001:db8::1]:443"),
        (b",", b"::1", b":", b"/8", b"10.0.0.1", b"\n", b"unknown"),
    ),
    "list of addresses": Target(
        look_at_a_list_of_addresses, (b"127.0.0.1, 10.0.0.0/8", b"*"), (b",", b" ", b"[", b"{")
    ),
    "query": Target(
        look_at_a_query,
        (
            b"\0from=2026-11-16&to=2026-11-23&group_by=project,task&rounding=up:15&timezone=Europe/Berlin&tag=a&tag=b",
            b"\1date=2026-11-18&week_start=6&status=pending",
            b"\2sort=-due_at&limit=200&q=offer&due_before=2026-11-18T09:00:00Z&running=true",
            b"\3from=2026-11-16T09:00:00%2B01:00&needs_review=false&project_id=none",
        ),
        (b"&", b"=", b"%00", b"%ff", b"%", b"+", b"[$gt]", b"tag", b"cursor=", b"&a" * 120, b";"),
    ),
    "json": Target(
        look_at_json,
        tuple(
            bytes([number]) + orjson.dumps(example)
            for number, model in enumerate(JSON)
            for example in model.model_json_schema().get("examples", [{}])
        ),
        JSON_WORDS,
    ),
    "form": Target(
        look_at_a_form,
        (b"grant_type=password&username=ada%40example.com&password=correct+horse+battery",),
        (b"&", b"=", b"%ff", b"%00", b"%", b"+", b"username=", b"&a=" * 30),
    ),
    "form with a file": Target(
        look_at_a_form_with_a_file,
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
