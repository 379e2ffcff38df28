"""Who gets what answer from every operation: the table is tests/cases/access.yaml.

And no answer holds a byte of what is another user's, nor of how the service is built.
"""

import gzip
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import chain
from typing import Any

import httpx
import pytest
import yaml
from bson import ObjectId
from fastapi import FastAPI

from app.config import Settings
from app.security.tokens import AccessTokens, Claims
from tests.conftest import Database, MakeUser
from tests.contract.operations import (
    NOT_FOUND,
    REQUESTS,
    TIME,
    Operation,
    everything,
    filled,
    operations,
    refresh_token_of,
    some_of_everything,
)
from tests.paths import CASES
from tests.support.http import PASSWORD, Client, Json, problem

TABLE = yaml.safe_load((CASES / "access.yaml").read_text())
ROWS: dict[str, Json] = {name: dict(zip(TABLE["columns"], cells, strict=True)) for name, cells in TABLE["rows"].items()}
REFUSED = ("nobody", "forged", "expired", "gone", "lacking")
SCOPES = {"read", "write", "timer", "reports", "exports"}
ENDING = {"sign_out", "change_password", "delete_me"}
"""Each is asked for by a user who is needed for nothing else."""

CANARY = "canary7f3a"
INSIDES = (
    b"traceback",
    b"site-packages",
    b"uvicorn",
    b"python",
    b"starlette",
    b"pydantic",
    b"mongodb",
    b"pymongo",
    b"/tmp",
)

WRONG_IN_EVERY_WAY: Json = {
    "content": b"{",
    "headers": {"Content-Type": "text/plain", "If-Match": "nonsense", "Idempotency-Key": "a b"},
    "params": {"nonsense": "1"},
}

OF_OTHERS: dict[str, Json] = {
    "register": {"json": {"email": "{others_email}", "password": PASSWORD}},
    "sign_in": {"data": {"username": "{others_email}", "password": "not the one of theirs"}},
    "change_me": {"json": {"email": "{others_email}", "current_password": PASSWORD}},
    "stop_timer": {"json": {"entry_id": "{entry_id}"}},  # a task_id beside it is a hint, no more
}
"""What is sent about another's things where it is not what is sent about one's own."""


class Ear:
    """Hears every answer that its clients get."""

    def __init__(self) -> None:
        self.heard: list[httpx.Response] = []

    async def _hear(self, response: httpx.Response) -> None:
        await response.aread()
        self.heard.append(response)

    def at(self, client: Client) -> Client:
        client.event_hooks = {"response": [self._hear]}
        client.headers["User-Agent"] = "Somebody"
        return client


def row_of(operation: Operation) -> Json:
    return ROWS[operation.id]


async def ask(client: Client, operation: Operation, names: Json, sent: Json, **headers: str) -> httpx.Response:
    """The answer to this request about the things that the names stand for."""
    path = client.base_url.join(operation.path.format_map(names))
    return await client.request(operation.method, path, headers=headers, **filled(sent, names))


def hold(response: httpx.Response, operation: Operation, column: str) -> None:
    """Fails, and names the cell, unless the answer is what the table says."""
    status, _, code = str(row_of(operation)[column]).partition(" ")
    cell = f"{operation.id}, {column}: {response.status_code} {response.text[:300]}"
    assert response.status_code == int(status), cell
    code = code or TABLE["codes"].get(column, {}).get(response.status_code, "")
    if response.status_code == 403:
        code = "insufficient_scope"
        assert 'error="insufficient_scope"' in response.headers["www-authenticate"], cell
    if code:
        assert response.json()["code"] == code, cell
        problem(response, int(status), code)


async def token_of(client: Client, *scopes: str) -> str:
    """The secret of a new API token."""
    made = await client.post("/auth/api-tokens", json={"name": "Program", "scopes": [*scopes]})
    secret: str = made.json()["token"]
    return secret


def bearer_of(client: Client) -> str:
    return str(client.headers["authorization"]).removeprefix("Bearer ")


def issued(tokens: AccessTokens, claims: Claims) -> str:
    """A token that says the same."""
    return tokens.issue(user_id=claims.user_id, session_id=claims.session_id, token_version=claims.token_version)


def token_of_the_past(settings: Settings, client: Client) -> str:
    """An access token that was good once. An API token of the past is gone as soon as the database looks after it."""
    assert settings.secret_key is not None
    past = AccessTokens(
        key=settings.secret_key.get_secret_value(),
        algorithm=settings.algorithm,
        issuer=settings.app_name,
        lifetime=timedelta(seconds=-1),
    )
    return issued(past, AccessTokens.of(settings).verify(bearer_of(client)))


def forged_tokens(settings: Settings, client: Client) -> list[str]:
    """What looks like a token: cut, signed with another key, made up."""
    claims = AccessTokens.of(settings).verify(bearer_of(client))
    other = AccessTokens(key="x" * 32, algorithm="HS256", issuer=settings.app_name, lifetime=timedelta(days=1))
    return [bearer_of(client)[:-1], issued(other, claims), f"task_timer_api_{'0' * 64}"]


async def tokens_of_the_deleted(make_user: MakeUser) -> list[str]:
    """A session's and an API token of an account that is no more, and one that was revoked before."""
    client = await make_user("gone@example.com")
    revoked = await token_of(client, *sorted(SCOPES))
    (listed,) = (await client.get("/auth/api-tokens")).json()["items"]
    assert (await client.delete(f"/auth/api-tokens/{listed['id']}")).status_code == 204
    tokens = [bearer_of(client), await token_of(client, *sorted(SCOPES)), revoked]
    assert (await client.get("/tasks")).status_code == 200
    response = await client.request("DELETE", "/users/me", json={"password": PASSWORD})
    assert response.status_code == 204
    return tokens


def in_order(app: FastAPI) -> list[Operation]:
    """The operations as the rows have them, one after the other."""
    found = {operation.id: operation for operation in operations(app)}
    return [found[name] for name in ROWS]


async def play(client: Client, app: FastAPI, names: Json, *, column: str, make_user: MakeUser) -> None:
    """A day's work: every operation, in the order of the rows, about one's own things."""
    for operation in in_order(app):
        player = client
        if column == "owner" and operation.id in ENDING:
            player = await make_user(f"{operation.id.replace('_', '-')}@example.com")
        hold(await ask(player, operation, names, REQUESTS.get(operation.id, {})), operation, column)


def unpacked(response: httpx.Response) -> bytes:
    """Every byte of an answer, headers too, and of the files in it, in lower case; but for the address asked for."""
    content = response.content
    if content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(content)) as book:
            content = b"\n".join(chain.from_iterable((name.encode(), book.read(name)) for name in book.namelist()))
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    if response.is_error:
        content = content.replace(response.request.url.raw_path.partition(b"?")[0], b"")
    headers = b"\n".join(name + b": " + value for name, value in response.headers.raw)
    return (headers + b"\n\n" + content).lower()


def ids_in(value: Any) -> Iterator[bytes]:
    """Every id that stands somewhere in what is stored."""
    if isinstance(value, ObjectId):
        yield str(value).encode()
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from ids_in(inner)


def of_user(stored: dict[str, list[Json]], user_id: ObjectId) -> dict[str, list[Json]]:
    """What is this user's of all that is stored."""
    return {name: [row for row in rows if user_id in (row["_id"], row.get("user_id"))] for name, rows in stored.items()}


@pytest.fixture
async def canary(make_user: MakeUser) -> tuple[Client, Json]:
    """A user of whom everything is called the same, and what the names in a request stand for there."""
    client = await make_user(f"{CANARY}@example.com", full_name=CANARY)
    client.headers["User-Agent"] = CANARY
    names = await some_of_everything(client, CANARY)
    await client.post("/tasks", json={"title": "The same"}, headers={"Idempotency-Key": "the-same"})
    discarded = await client.start({"id": names["other_task_id"]}, note=CANARY, tags=[CANARY])
    assert discarded["entry"]["note"] == CANARY
    await client.delete("/timer")
    await client.start({"id": names["task_id"]}, note=CANARY, tags=[CANARY])
    await client.get("/exports/account.ndjson.gz")
    return client, names


def ids_among(operation: Operation, sent: Json) -> list[str]:
    """The names of the ids that this request is about, if it is about several."""
    named = sorted(set(re.findall(r"\{(\w+_id)\}", operation.path + str(sent))))
    return named if len(named) > 1 else []


async def look_everywhere(client: Client, owner: Client, app: FastAPI, names: Json) -> None:
    """Asks for all lists, reports and files once more as they are, and with what the owner has sent and was told."""
    cursor = (await owner.list(limit=1))["next_cursor"]
    assert cursor is not None
    for operation in operations(app):
        if operation.method == "GET" and operation.scope != "open":
            needed = {**TIME} if "exports/time" in operation.path or "summary" in operation.path else {}
            needed |= {"date": "2026-11-18"} if "timesheet" in operation.path else {}
            assert (await ask(client, operation, names, {"params": needed})).status_code in {200, 204}, operation.id
            for name, value in (("q", CANARY), ("tag", CANARY), ("cursor", cursor)):
                answer = await ask(client, operation, names, {"params": {**needed, name: value}})
                assert answer.status_code in {200, 422}, (operation.id, name)
    made = await client.post("/tasks", json={"title": "The same"}, headers={"Idempotency-Key": "the-same"})
    assert made.status_code == 201
    assert "idempotency-replayed" not in made.headers
    for wrong in ({"name": {"$gt": ""}}, {"name": "word"}):
        assert (await client.post("/projects", json=wrong)).is_client_error


def tells_nothing_of(ear: Ear, words: tuple[bytes, ...]) -> None:
    """Fails when a word stands anywhere in what was heard."""
    assert len(ear.heard) >= len(ROWS)
    for answer in ear.heard:
        told = unpacked(answer)
        for word in words:
            assert word not in told, (word, answer.request.method, answer.request.url, answer.text[:500])


class TestTheMatrix:
    def test_has_a_row_for_every_operation_and_no_other(self, app: FastAPI) -> None:
        found = {operation.id: operation for operation in operations(app)}
        assert set(ROWS) == set(found)
        assert set(REQUESTS) | set(OF_OTHERS) <= set(found)
        assert {name: row["scope"] for name, row in ROWS.items()} == {name: said.scope for name, said in found.items()}

    async def test_holds_for_whoever_may_not(
        self, app: FastAPI, settings: Settings, make_user: MakeUser, anonymous: Client, bob: Client, database: Database
    ) -> None:
        names, ear = await some_of_everything(bob, "word"), Ear()
        bearers: dict[str, Sequence[str | None]] = {
            "nobody": [None],
            "forged": forged_tokens(settings, bob),
            "expired": [token_of_the_past(settings, bob)],
            "gone": await tokens_of_the_deleted(make_user),
        }
        lacking: dict[str, Sequence[str | None]] = {
            scope: [await token_of(bob, *sorted(SCOPES - set(scope.split())))]
            for scope in sorted({row["scope"] for row in ROWS.values()})
        }
        before, client = await everything(database), ear.at(anonymous)
        for operation in in_order(app):
            for column in REFUSED:
                for token in bearers.get(column) or lacking[row_of(operation)["scope"]]:
                    sent = {**WRONG_IN_EVERY_WAY, "headers": dict(WRONG_IN_EVERY_WAY["headers"])}
                    if token is not None:
                        sent["headers"]["Authorization"] = f"Bearer {token}"
                    path = client.base_url.join(operation.path.format_map(names))
                    hold(await client.request(operation.method, path, **sent), operation, column)
        after = await everything(database)
        assert {**after, "api_tokens": []} == {**before, "api_tokens": []}  # but for when each was used last
        assert len(after["api_tokens"]) == len(before["api_tokens"])
        tells_nothing_of(ear, INSIDES)

    async def test_holds_for_whoever_may(
        self, app: FastAPI, make_user: MakeUser, canary: tuple[Client, Json], database: Database
    ) -> None:
        hers, ear = canary[0].user["_id"], Ear()
        before = of_user(await everything(database), hers)
        for column in ("reader", "holder", "owner"):
            client = ear.at(await make_user(f"{column}@example.com"))
            names = await some_of_everything(client, "word")
            names["refresh_token"] = await refresh_token_of(client)
            if column != "owner":
                scopes = ["read"] if column == "reader" else sorted(SCOPES)
                client.headers["Authorization"] = f"Bearer {await token_of(client, *scopes)}"
            await play(client, app, names, column=column, make_user=make_user)
        assert of_user(await everything(database), hers) == before
        tells_nothing_of(ear, (*INSIDES, CANARY.encode(), *ids_in(before)))
        files = [answer for answer in ear.heard if "/exports/" in answer.request.url.path and answer.is_success]
        assert len(files) == 10
        assert all(b"word" in unpacked(answer) for answer in files), "what is searched for would be found"


class TestWhatIsAnothers:
    async def test_is_neither_changed_nor_told_of(
        self, app: FastAPI, bob: Client, canary: tuple[Client, Json], database: Database
    ) -> None:
        (alice, hers), ear = canary, Ear()
        mine = await some_of_everything(ear.at(bob), "word")
        hers = {**hers, "others_email": hers["email"], "email": mine["email"]}
        nobodys = dict.fromkeys([*NOT_FOUND, "other_task_id"], "0" * 24)
        nobodys |= {"word": "word", "others_email": "nobody"}
        before = of_user(await everything(database), alice.user["_id"])
        for operation in in_order(app):
            if row_of(operation)["others"] == "-":
                continue
            sent = OF_OTHERS.get(operation.id, REQUESTS.get(operation.id, {}))
            answer = await ask(bob, operation, hers, sent)
            hold(answer, operation, "others")
            if answer.status_code == 404:
                never = await ask(bob, operation, nobodys, sent)
                assert never.status_code == 404
                assert never.json()["detail"] == answer.json()["detail"], "it was told that there is such a thing"
            for name in ids_among(operation, sent):
                mixed = await ask(bob, operation, {**mine, name: hers[name]}, sent)
                assert mixed.status_code == answer.status_code, (operation.id, name, mixed.text)
        await look_everywhere(bob, alice, app, mine)
        after = of_user(await everything(database), alice.user["_id"])
        (told,) = after["audit_events"][len(before["audit_events"]) :]
        assert told["event"] == "sign_in_failed"
        assert {**after, "audit_events": []} == {**before, "audit_events": []}
        tells_nothing_of(ear, (*INSIDES, CANARY.encode(), *ids_in(before)))
