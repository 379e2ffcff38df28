"""What is sent to be taken for something else, or to cost much: operators for values, patterns for texts, bombs."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI

import app as app_package
import documents
import routes
import services
from tests.conftest import Database, MakeUser
from tests.contract.input.test_bad_input import Place, bodies
from tests.contract.operations import REQUESTS, create_one_of_each, operations, stored_documents
from tests.contract.test_access_matrix import operations_in_table_order, send_request
from tests.support.http import API, LONG, Client, parameters, pointers, problem

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
OPERATORS = ("[$ne]", "[$gt]", "[]", ".$where", "[$regex]")
TEXTS = {"title", "description", "note", "tags", "name", "client_name", "full_name"}


def multipart(*parts: tuple[str, str]) -> bytes:
    """A form of these fields, after the file that it needs."""
    sent = [('name="file"; filename="x.csv"', "Start,End,Task\r\n2026-11-02 09:00,2026-11-02 10:00,x"), *parts]
    return b"".join(f"--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{body}\r\n".encode() for head, body in sent)


async def send(client: Client, *parts: tuple[str, str], charset: str = "utf-8") -> Any:
    """The answer to an import of such a form."""
    media_type = {"Content-Type": f"multipart/form-data; boundary=b; charset={charset}"}
    return await client.post("/imports", content=multipart(*parts) + b"--b--\r\n", headers=media_type)


class TestAnOperator:
    async def test_is_no_query_parameter(self, app: FastAPI, alice: Client) -> None:
        place = await Place.of(alice)
        for operation in operations(app):
            if operation.scope == "open":
                continue
            said = app.openapi()["paths"][operation.path][operation.method.lower()]
            known = [said["name"] for said in said.get("parameters", []) if said["in"] == "query"]
            for name in known or ["q"]:
                sent = {f"{name}{operator}": "x" for operator in OPERATORS}
                response = await send_request(alice, operation, place.ids, {"params": sent})
                assert parameters(response) == set(sent), operation.id

    async def test_is_no_field_of_a_body(self, app: FastAPI, alice: Client, database: Database) -> None:
        place = await Place.of(alice)
        before = await stored_documents(database)
        names = ("$set", "$where", "title.$ne", "time_entries.0.note", "user_id", "_id", "__proto__", "constructor")
        for operation_id, method, path, _ in bodies(app):
            good = place.bodies.get(operation_id, {})
            for name in names:
                response = await alice.request(method, path.format(**place.ids), json={**good, name: {"$gt": ""}})
                assert f"#/{name}" in pointers(response), operation_id
        assert await stored_documents(database) == before

    async def test_is_nothing_that_a_bulk_does(self, alice: Client, database: Database) -> None:
        task = await alice.make_task()
        before = await stored_documents(database)
        for field in ("op", "task_id", "body"):
            operation = {"op": "update", "task_id": task["id"], "body": {"title": "x"}, field: {"$gt": ""}}
            response = await alice.post("/tasks/bulk", json={"operations": [operation]})
            found = (
                response.json()["results"][0]["problem"]["errors"] if response.is_success else response.json()["errors"]
            )
            assert found[0]["pointer"].startswith(f"#/operations/0/{field}"), response.text
        for body in ({"$set": {"title": "x"}}, {"user_id": "x"}, {"title": {"$gt": ""}}, {"time_entries.0.note": "x"}):
            operation = {"op": "update", "task_id": task["id"], "body": body}
            problem(
                await alice.post("/tasks/bulk", json={"operations": [operation], "atomic": True}),
                422,
                "invalid_request",
            )
        assert await stored_documents(database) == before

    async def test_is_no_field_of_a_form(self, alice: Client, anonymous: Client, database: Database) -> None:
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

    async def test_is_neither_a_version_nor_a_cursor_nor_a_password(self, alice: Client, anonymous: Client) -> None:
        task = await alice.make_task()
        operator = '{"$gt": ""}'
        response = await alice.patch(f"/tasks/{task['id']}", json={"title": "x"}, headers={"If-Match": operator})
        problem(response, 422, "invalid_request")
        assert parameters(await alice.get("/tasks", params={"cursor": operator})) == {"cursor"}
        form = {"username": "alice@example.com", "password": operator}
        problem(await anonymous.post("/auth/token", data=form), 401, "invalid_credentials")
        assert (await alice.read(task))["version"] == 1

    async def test_is_a_text_like_any_other_wherever_one_may_stand(
        self, app: FastAPI, make_user: MakeUser, database: Database
    ) -> None:
        """A pipeline would take $user_id for the field of that name, and $$root for the whole document."""
        kept: dict[str, list[str]] = {}
        for mark, word in {
            "-": "-user_id",
            "$": "$user_id",
            **({"$$": "$$root", "{": '{"$ne": 1}'} if LONG else {}),
        }.items():
            client = await make_user(f"user-{len(kept)}@example.com")
            names = await create_one_of_each(client, word)
            for operation in operations_in_table_order(app):
                if operation.id == "resume_timer":
                    continue  # of two tasks tracked up to the same second it may take either, and so either's note
                if operation.scope not in {"open", "account"} and operation.method != "DELETE":
                    answer = await send_request(client, operation, names, REQUESTS.get(operation.id, {}))
                    assert answer.is_success, (operation.id, word, answer.text)
            renamed = await client.post("/tags/rename", json={"from": word, "to": f"{word}!"})
            assert renamed.json()["tasks"] > 0
            hers = client.user["_id"]
            rows = [
                row
                for rows in (await stored_documents(database)).values()
                for row in rows
                if row.get("user_id") == hers
            ]
            kept[mark] = sorted(text.replace(word, "*") for row in rows for text in texts_in(row))
        assert kept["-"].count("Changed *") >= 2
        for mark, texts in kept.items():
            assert Counter(texts) == Counter(kept["-"]), mark


def texts_in(stored: Any, name: str = "") -> Iterator[str]:
    """Every text that a user wrote, of what is stored."""
    if isinstance(stored, str) and name in TEXTS:
        yield stored
    if isinstance(stored, list):
        for inner in stored:
            yield from texts_in(inner, name)
    if isinstance(stored, dict):
        for key, inner in stored.items():
            yield from texts_in(inner, key)


class TestATextThatLooksLikeAPattern:
    async def test_is_searched_for_literally(self, alice: Client) -> None:
        patterns = [
            ".*",
            "(a+)+$",
            "^",
            "$",
            "a|b",
            "[a-z]",
            "\\",
            "\\\\",
            "\\d",
            "(?i)x",
            "a{2}",
            "#",
            "(",
            "?",
            "é",
        ]
        tasks = [await alice.make_task(title=f"x{pattern}y") for pattern in patterns]
        for task in tasks[:3]:
            await alice.write(task)
        plain = await alice.make_task(title="plain aaa")
        await alice.write(plain, note="aaa")
        for pattern in patterns:
            found = {task["title"] for task in (await alice.list(q=pattern))["items"]}
            assert found == {f"x{other}y" for other in patterns if pattern in other}, pattern
            entries = (await alice.get("/time-entries", params={"q": pattern})).json()["items"]
            assert {entry["task_id"] for entry in entries} == {
                task["id"] for task in tasks[:3] if pattern in task["title"]
            }, pattern

    async def test_is_bounded_and_never_costs_more_than_its_length(self, alice: Client) -> None:
        """A pattern that is tried in too many ways would not come to an end here."""
        task = await alice.make_task(title="a" * 200, description="a" * 20_000)
        await alice.write(task, note="a" * 5_000)
        for path in ("/tasks", "/time-entries"):
            for pattern in ("(a+)+$", "(a*)*b", "(a|aa)+$", "(.*.*.*.*)*x", "\\" * 199, "a" * 199 + "b", "[" * 200):
                response = await alice.get(path, params={"q": pattern})
                assert response.json()["items"] == [], pattern
            for pattern in ("x" * 201, "x" * 10_000, "\\" * 10_000):
                assert parameters(await alice.get(path, params={"q": pattern})) == {"q"}


def patterns() -> dict[re.Pattern[Any], str]:
    """Every pattern of the product, and where it stands."""
    found = {}
    for package in (app_package, documents, services, routes):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            for name, value in vars(import_module(module.name)).items():
                if isinstance(value, re.Pattern):
                    found[value] = f"{module.name}.{name}"
    return found


NEARLY = [
    "1",
    "12:",
    "0 ",
    "1h ",
    "1 m",
    ",000",
    "1.",
    " ",
    "_",
    "\t",
    "a",
    "ab",
    '"',
    '"x",',
    'W/"',
    "+00:00",
    "-11",
    "z",
    "pt1h",
]
"""What the patterns are made to find, in part: again and again, with something else at the end."""


class TestThePatterns:
    def test_take_no_more_time_than_their_texts_are_long(self) -> None:
        """One that tries a text in too many ways would not come to an end here."""
        found = patterns()
        assert len(found) >= 15
        for pattern in found:
            for part in NEARLY:
                text = part * (20_000 // len(part))
                for whole in (text, text + "\0"):
                    tried = whole.encode() if isinstance(pattern.pattern, bytes) else whole
                    repeats = set("+*") & set(str(pattern.pattern))
                    assert pattern.fullmatch(tried) is None or repeats
                    pattern.search(tried)

    async def test_come_to_an_end_with_all_that_a_body_may_hold(self, app: FastAPI, alice: Client) -> None:
        place = await Place.of(alice)
        for operation_id, method, path, shape in bodies(app):
            for field, said in shape["properties"].items():
                if "string" not in str(said) or operation_id == "stop_timer" or said.get("type") in {"array", "object"}:
                    continue
                raw = '"' + "1:" * 400_000 + '"'
                response = await alice.request(
                    method, path.format(**place.ids), content=place.body(operation_id, field, raw), headers=JSON
                )
                assert response.status_code in {404, 422}, (operation_id, field)

    async def test_come_to_an_end_with_all_that_a_cell_may_hold(self, alice: Client) -> None:
        columns = ["Start", "End", "Duration", "Task", "Tags", "Billable", "Rate", "Currency", "Timezone"]
        good = ["2026-11-02 09:00", "2026-11-02 10:00", "1:00", "x", "x", "yes", "1", "EUR", "UTC"]
        rows = [",".join(columns)]
        for place in range(len(columns)):
            rows += [",".join([*good[:place], part * 40_000, *good[place + 1 :]]) for part in ("1:", "1 ", "1.", "0-")]
        content = "\n".join(rows).encode()
        form = {"format": "csv", "timezone": "UTC", "dry_run": "true"}
        response = await alice.post("/imports", data=form, files={"file": ("x.csv", content)})
        assert response.status_code == 200, response.text
        assert {error["column"] for error in response.json()["errors"]} >= {"Start", "End", "Timezone"}

    async def test_come_to_an_end_with_all_that_a_header_may_hold(self, alice: Client) -> None:
        address = f"/tasks/{(await alice.make_task())['id']}"
        for part in ('"', '",', 'W/"', '"a"', '"a" ', ",", " ,", "W/", "a"):
            value = (part * (50_000 // len(part))).strip()
            response = await alice.patch(address, json={"title": "x"}, headers={"If-Match": value + "x"})
            assert response.status_code in {412, 422}
            response = await alice.post("/tasks", json={"title": "x"}, headers={"Idempotency-Key": value})
            problem(response, 422, "invalid_request")
            assert len((await alice.get(address, headers={"X-Request-ID": value})).headers["x-request-id"]) == 32


DEEP = [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 50_000 + b"]" * 50_000, b'{"a":' * 5_000 + b"1" + b"}" * 5_000]
NUMBERS = [b"9" * 10_000, b"-" + b"9" * 100_000, b"1e400", b"-1e400", b"NaN", b"Infinity", b"1e" + b"9" * 5_000]
NO_TEXTS = [
    b'"\xff"',
    b'"\xc0\x80"',
    b'"\xed\xa0\x80"',
    rb'"\ud800"',
    rb'"\udfff\ud800"',
    b'"a\0b"',
    b'{"a": 1, "a": 2}',
]


class TestABodyThatIsABomb:
    async def test_is_refused_by_every_operation(self, app: FastAPI, alice: Client, database: Database) -> None:
        place = await Place.of(alice)
        before = await stored_documents(database)
        for operation_id, method, path, shape in bodies(app):
            field = next(iter(shape["properties"]))
            for value in (*DEEP, *NUMBERS, *NO_TEXTS):
                for body in (b'{"%s": %s}' % (field.encode(), value), *([value] if LONG else [])):
                    response = await alice.request(method, path.format(**place.ids), content=body, headers=JSON)
                    problem(response, 422, "invalid_request")
                    assert len(response.content) < 2_000, operation_id
        assert await stored_documents(database) == before

    async def test_is_refused_among_the_preferences(self, alice: Client) -> None:
        before = (await alice.get("/users/me")).json()
        for value in (*DEEP, *NUMBERS, *NO_TEXTS):
            for part in (b"%s" % value, b'{"timer_cap_hours": %s}' % value, b'{"overlap_policy": %s}' % value):
                response = await alice.patch("/users/me", content=b'{"preferences": %s}' % part, headers=JSON)
                problem(response, 422, "invalid_request")
        assert (await alice.get("/users/me")).json() == before

    async def test_is_refused_as_a_part_of_a_bulk(self, alice: Client, database: Database) -> None:
        before = await stored_documents(database)
        for value in (*DEEP, *NUMBERS, *NO_TEXTS):
            for part in (b'{"title": "x", "priority": %s}' % value, b'{"title": %s}' % value, b"%s" % value):
                body = b'{"operations": [{"op": "create", "body": %s}], "atomic": true}' % part
                problem(await alice.post("/tasks/bulk", content=body, headers=JSON), 422, "invalid_request")
        assert await stored_documents(database) == before

    async def test_is_refused_as_a_form(self, alice: Client, anonymous: Client) -> None:
        many = "&".join(f"field{number}=x" for number in range(50_000))
        for form in (many, "&" * 500_000, "username=" + "%41" * 300_000, "username=%ff&password=x", "username=a&" * 50):
            problem(await anonymous.post("/auth/token", content=form, headers=FORM), 422, "invalid_request")
        heads = ["form-data" + ";" * 500_000, *(f'name="field{number}"' for number in range(5_000))]
        for parts in (heads[:1], heads[1:], ['name="format"; x="' + "y" * 500_000 + '"'], ['name="a"\r\nX: y' * 5_000]):
            problem(await send(alice, *((head, "x") for head in parts)), 422, "invalid_request")

    async def test_is_refused_in_a_charset_that_is_not_one_for_texts(self, alice: Client) -> None:
        for charset in ("undefined", "punycode", "zlib", "idna", "utf-16", "nonsense", "utf-8" + ";" * 50_000):
            problem(await send(alice, ('name="format"', "csv\xe9"), charset=charset), 415, "unsupported_media_type")
        for charset in ("utf-8", "UTF-8", '"utf-8"'):
            response = await send(alice, ('name="format"', "csv"), ('name="timezone"', "UTC"), charset=charset)
            assert response.status_code == 201, response.text


async def raw(address: str, head: bytes) -> int:
    """The status of the answer to these bytes, over a connection of their own."""
    url = urlsplit(address)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    try:
        writer.write(head)
        await writer.drain()
        return int((await reader.readline()).split()[1])
    finally:
        writer.close()


class TestAQueryThatIsABomb:
    async def test_is_refused_and_others_are_served(self, address: str, alice: Client) -> None:
        bearer = alice.headers["authorization"].encode()
        bombs = {
            b"limit=" + b"9" * 10_000: 422,
            b"&".join([b"tag=a"] * 10_000): 422,
            b"&".join(b"a%d" % number for number in range(8_000)): 422,
            b"&" * 60_000 + b"x=1": 422,
            b"q=" + b"%41" * 20_000: 422,
            b"&".join(b"a%d" % number for number in range(100_000)): 431,
            b"q=" + b"x" * 1024 * 1024: 431,
        }

        async def meanwhile() -> None:
            for _ in bombs:
                assert (await alice.get("/tasks")).status_code == 200

        sent = [
            raw(
                address,
                b"GET %s/tasks?%s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n\r\n" % (API.encode(), query, bearer),
            )
            for query in bombs
        ]
        *answers, _ = await asyncio.gather(*sent, meanwhile())
        assert answers == [*bombs.values()]
