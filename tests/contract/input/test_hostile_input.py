"""Hostile input: query operators instead of values, expensive requests."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI

from tests.conftest import Database, MakeUser
from tests.contract.input.bodies import Resources, json_bodies
from tests.contract.operations import REQUESTS, create_one_of_each, operations, stored_documents
from tests.contract.test_access_matrix import operations_in_table_order, send_request
from tests.support.http import API, LONG, Client, parameters, pointers, problem

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
OPERATORS = ("[$ne]", "[$gt]", "[]", ".$where", "[$regex]")
TEXTS = {"title", "description", "note", "tags", "name", "client_name", "full_name"}


def multipart(*parts: tuple[str, str]) -> bytes:
    """Return a multipart form with a file and these fields, without its end."""
    sent = [('name="file"; filename="x.csv"', "Start,End,Task\r\n2026-11-02 09:00,2026-11-02 10:00,x"), *parts]
    return b"".join(f"--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{body}\r\n".encode() for head, body in sent)


async def send(client: Client, *parts: tuple[str, str], charset: str = "utf-8") -> Any:
    """Send an import with such a form."""
    media_type = {"Content-Type": f"multipart/form-data; boundary=b; charset={charset}"}
    return await client.post("/imports", content=multipart(*parts) + b"--b--\r\n", headers=media_type)


class TestQueryOperators:
    async def test_operator_in_a_parameter_name_is_422(self, app: FastAPI, alice: Client) -> None:
        resources = await Resources.create(alice)
        for operation in operations(app):
            if operation.scope == "open":
                continue
            operation_object = app.openapi()["paths"][operation.path][operation.method.lower()]
            known = [
                parameter["name"] for parameter in operation_object.get("parameters", []) if parameter["in"] == "query"
            ]
            for name in known or ["q"]:
                sent = {f"{name}{operator}": "x" for operator in OPERATORS}
                response = await send_request(alice, operation, resources.ids, {"params": sent})
                assert parameters(response) == set(sent), operation.id

    async def test_operator_as_a_field_is_422(self, app: FastAPI, alice: Client, database: Database) -> None:
        resources = await Resources.create(alice)
        before = await stored_documents(database)
        names = ("$set", "$where", "title.$ne", "time_entries.0.note", "user_id", "_id", "__proto__", "constructor")
        for operation_id, method, path, _ in json_bodies(app):
            good = resources.bodies.get(operation_id, {})
            for name in names:
                response = await alice.request(method, path.format(**resources.ids), json={**good, name: {"$gt": ""}})
                assert f"#/{name}" in pointers(response), operation_id
        assert await stored_documents(database) == before

    async def test_operator_in_a_bulk_request_is_422(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        before = await stored_documents(database)
        for field in ("op", "task_id", "body"):
            operation = {"op": "update", "task_id": task["id"], "body": {"title": "x"}, field: {"$gt": ""}}
            response = await alice.post("/tasks/bulk", json={"operations": [operation]})
            errors = (
                response.json()["results"][0]["problem"]["errors"] if response.is_success else response.json()["errors"]
            )
            assert errors[0]["pointer"].startswith(f"#/operations/0/{field}"), response.text
        for body in ({"$set": {"title": "x"}}, {"user_id": "x"}, {"title": {"$gt": ""}}, {"time_entries.0.note": "x"}):
            operation = {"op": "update", "task_id": task["id"], "body": body}
            problem(
                await alice.post("/tasks/bulk", json={"operations": [operation], "atomic": True}),
                422,
                "invalid_request",
            )
        assert await stored_documents(database) == before

    async def test_operator_in_a_form_is_422(self, alice: Client, anonymous: Client, database: Database) -> None:
        before = await stored_documents(database)
        for form in (
            "username[$ne]=x&password[$ne]=x",
            "username=alice@example.com&password[$ne]=x",
            "username[]=alice@example.com&password=x",
        ):
            problem(await anonymous.post("/auth/token", content=form, headers=FORM), 422, "invalid_request")
        for name in ("format[$ne]", "$where", "timezone.$gt", "dry_run[]"):
            response = await send(alice, ('name="format"', "csv"), ('name="timezone"', "UTC"), (f'name="{name}"', "x"))
            problem(response, 422, "invalid_request")
        for name in ("format", "timezone", "date_order", "dry_run"):
            fields = {"format": "csv", "timezone": "UTC", name: '{"$gt": ""}'}
            response = await send(alice, *((f'name="{field}"', value) for field, value in fields.items()))
            assert pointers(response) == {f"#/{name}"}
        assert await stored_documents(database) == before

    async def test_operator_is_not_a_version_cursor_or_password(self, alice: Client, anonymous: Client) -> None:
        task = await alice.make_task()
        operator = '{"$gt": ""}'
        response = await alice.patch(f"/tasks/{task['id']}", json={"title": "x"}, headers={"If-Match": operator})
        problem(response, 422, "invalid_request")
        assert parameters(await alice.get("/tasks", params={"cursor": operator})) == {"cursor"}
        form = {"username": "alice@example.com", "password": operator}
        problem(await anonymous.post("/auth/token", data=form), 401, "invalid_credentials")
        assert (await alice.read(task))["version"] == 1

    async def test_text_that_looks_like_an_operator_is_stored_as_text(
        self, app: FastAPI, make_user: MakeUser, database: Database
    ) -> None:
        """In a pipeline, $user_id would be the field of that name, and $$root the whole document."""
        texts_by_mark: dict[str, list[str]] = {}
        for mark, word in {
            "-": "-user_id",
            "$": "$user_id",
            **({"$$": "$$root", "{": '{"$ne": 1}'} if LONG else {}),
        }.items():
            client = await make_user(f"user-{len(texts_by_mark)}@example.com")
            names = await create_one_of_each(client, word)
            for operation in operations_in_table_order(app):
                if operation.id == "resume_timer":
                    continue  # two tasks were tracked last in the same second, so either may be resumed
                if operation.scope not in {"open", "account"} and operation.method != "DELETE":
                    response = await send_request(client, operation, names, REQUESTS.get(operation.id, {}))
                    assert response.is_success, (operation.id, word, response.text)
            renamed = await client.post("/tags/rename", json={"from": word, "to": f"{word}!"})
            assert renamed.json()["tasks"] > 0
            user_id = client.user["_id"]
            rows = [
                row
                for rows in (await stored_documents(database)).values()
                for row in rows
                if row.get("user_id") == user_id
            ]
            texts_by_mark[mark] = sorted(text.replace(word, "*") for row in rows for text in texts_in(row))
        assert texts_by_mark["-"].count("Changed *") >= 2
        for mark, texts in texts_by_mark.items():
            assert Counter(texts) == Counter(texts_by_mark["-"]), mark


def texts_in(stored: Any, name: str = "") -> Iterator[str]:
    """Yield every text of a user in a document."""
    if isinstance(stored, str) and name in TEXTS:
        yield stored
    if isinstance(stored, list):
        for inner in stored:
            yield from texts_in(inner, name)
    if isinstance(stored, dict):
        for key, inner in stored.items():
            yield from texts_in(inner, key)


DEEPLY_NESTED = [
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"[" * 50_000 + b"]" * 50_000,
    b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
]
NUMBERS = [b"9" * 10_000, b"-" + b"9" * 100_000, b"1e400", b"-1e400", b"NaN", b"Infinity", b"1e" + b"9" * 5_000]
INVALID_STRINGS = [
    b'"\xff"',
    b'"\xc0\x80"',
    b'"\xed\xa0\x80"',
    rb'"\ud800"',
    rb'"\udfff\ud800"',
    b'"a\0b"',
    b'{"a": 1, "a": 2}',
]


class TestExpensiveBodies:
    async def test_body_of_every_operation_is_422(self, app: FastAPI, alice: Client, database: Database) -> None:
        resources = await Resources.create(alice)
        before = await stored_documents(database)
        for operation_id, method, path, shape in json_bodies(app):
            field = next(iter(shape["properties"]))
            for value in (*DEEPLY_NESTED, *NUMBERS, *INVALID_STRINGS):
                for body in (b'{"%s": %s}' % (field.encode(), value), *([value] if LONG else [])):
                    response = await alice.request(method, path.format(**resources.ids), content=body, headers=JSON)
                    problem(response, 422, "invalid_request")
                    assert len(response.content) < 2_000, operation_id
        assert await stored_documents(database) == before

    async def test_preferences_are_422(self, alice: Client) -> None:
        before = (await alice.get("/users/me")).json()
        for value in (*DEEPLY_NESTED, *NUMBERS, *INVALID_STRINGS):
            for part in (b"%s" % value, b'{"timer_cap_hours": %s}' % value, b'{"overlap_policy": %s}' % value):
                response = await alice.patch("/users/me", content=b'{"preferences": %s}' % part, headers=JSON)
                problem(response, 422, "invalid_request")
        assert (await alice.get("/users/me")).json() == before

    async def test_bulk_request_is_422(self, alice: Client, database: Database) -> None:
        before = await stored_documents(database)
        for value in (*DEEPLY_NESTED, *NUMBERS, *INVALID_STRINGS):
            for part in (b'{"title": "x", "priority": %s}' % value, b'{"title": %s}' % value, b"%s" % value):
                body = b'{"operations": [{"op": "create", "body": %s}], "atomic": true}' % part
                problem(await alice.post("/tasks/bulk", content=body, headers=JSON), 422, "invalid_request")
        assert await stored_documents(database) == before

    async def test_form_is_422(self, alice: Client, anonymous: Client) -> None:
        many = "&".join(f"field{number}=x" for number in range(50_000))
        for form in (many, "&" * 500_000, "username=" + "%41" * 300_000, "username=%ff&password=x", "username=a&" * 50):
            problem(await anonymous.post("/auth/token", content=form, headers=FORM), 422, "invalid_request")
        heads = ["form-data" + ";" * 500_000, *(f'name="field{number}"' for number in range(5_000))]
        for parts in (heads[:1], heads[1:], ['name="format"; x="' + "y" * 500_000 + '"'], ['name="a"\r\nX: y' * 5_000]):
            problem(await send(alice, *((head, "x") for head in parts)), 422, "invalid_request")

    async def test_form_in_another_charset_is_415(self, alice: Client) -> None:
        for charset in ("undefined", "punycode", "zlib", "idna", "utf-16", "nonsense", "utf-8" + ";" * 50_000):
            problem(await send(alice, ('name="format"', "csv\xe9"), charset=charset), 415, "unsupported_media_type")
        for charset in ("utf-8", "UTF-8", '"utf-8"'):
            response = await send(alice, ('name="format"', "csv"), ('name="timezone"', "UTC"), charset=charset)
            assert response.status_code == 201, response.text


async def raw(address: str, head: bytes) -> int:
    """Send these bytes over a new connection, and return the status of the response."""
    url = urlsplit(address)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    try:
        writer.write(head)
        await writer.drain()
        return int((await reader.readline()).split()[1])
    finally:
        writer.close()


class TestExpensiveQueries:
    async def test_query_is_refused_while_other_requests_are_served(self, address: str, alice: Client) -> None:
        bearer = alice.headers["authorization"].encode()
        queries = {
            b"limit=" + b"9" * 10_000: 422,
            b"&".join([b"tag=a"] * 10_000): 422,
            b"&".join(b"a%d" % number for number in range(8_000)): 422,
            b"&" * 60_000 + b"x=1": 422,
            b"q=" + b"%41" * 20_000: 422,
            b"&".join(b"a%d" % number for number in range(100_000)): 431,
            b"q=" + b"x" * 1024 * 1024: 431,
        }

        async def send_other_requests() -> None:
            for _ in queries:
                assert (await alice.get("/tasks")).status_code == 200

        sent = [
            raw(
                address,
                b"GET %s/tasks?%s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n\r\n" % (API.encode(), query, bearer),
            )
            for query in queries
        ]
        *statuses, _ = await asyncio.gather(*sent, send_other_requests())
        assert statuses == [*queries.values()]
