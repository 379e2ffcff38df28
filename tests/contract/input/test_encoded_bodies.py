"""Content encodings, the media type of a merge patch, and booleans in query strings, forms and JSON."""

import gzip
import zlib
from typing import Any

import pytest
from fastapi import FastAPI

from tests.conftest import Database
from tests.contract.operations import REQUESTS, create_one_of_each, fill_placeholders, operations, stored_documents
from tests.support.http import API, LONG, Client, Json, problem

JSON = {"Content-Type": "application/json"}


def operations_with_bodies(app: FastAPI) -> list[tuple[str, str, str, str]]:
    """Return the operations with a body: id, method, path, media type."""
    paths = app.openapi()["paths"]
    return [
        (operation["operationId"], method, path, next(iter(operation["requestBody"]["content"])))
        for path, methods in paths.items()
        for method, operation in methods.items()
        if "requestBody" in operation
    ]


class TestContentEncoding:
    @pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "x-unknown", "GZIP", "identity, gzip"])
    async def test_encoded_body_is_415(self, alice: Client, coding: str) -> None:
        packed = zlib.compress(b'{"title": "x"}') if coding == "deflate" else gzip.compress(b'{"title": "x"}')
        for content in (packed, b'{"title": "x"}'):
            response = await alice.post("/tasks", content=content, headers={**JSON, "Content-Encoding": coding})
            body = problem(response, 415, "unsupported_media_type")
            assert "Content-Encoding" in body["detail"]
            assert response.headers["accept-encoding"] == "identity"
        assert (await alice.list())["items"] == []

    async def test_encoded_body_of_every_operation_is_415(
        self, app: FastAPI, alice: Client, database: Database
    ) -> None:
        names = await create_one_of_each(alice, "word")
        before = await stored_documents(database)
        with_body = operations_with_bodies(app)
        assert len(with_body) >= 25
        for operation_id, method, path, media_type in with_body:
            headers = {"Content-Type": media_type, "Content-Encoding": "gzip"}
            response = await alice.request(
                method,
                alice.base_url.join(path.format_map(names)),
                content=gzip.compress(b"{}"),
                headers=headers,
            )
            assert response.status_code == 415, operation_id
            problem(response, 415, "unsupported_media_type")
        after = await stored_documents(database)
        assert {**after, "audit_events": []} == {**before, "audit_events": []}

    async def test_401_and_403_come_first(self, anonymous: Client, alice: Client) -> None:
        headers = {**JSON, "Content-Encoding": "gzip"}
        problem(await anonymous.post("/tasks", content=b"x", headers=headers), 401, "not_authenticated")
        created = await alice.post("/auth/api-tokens", json={"name": "x", "scopes": ["read"]})
        headers["Authorization"] = f"Bearer {created.json()['token']}"
        problem(await anonymous.post("/tasks", content=b"x", headers=headers), 403, "insufficient_scope")

    @pytest.mark.parametrize("coding", ["identity", "Identity", ""])
    async def test_identity_is_accepted(self, alice: Client, coding: str) -> None:
        response = await alice.post("/tasks", content=b'{"title": "x"}', headers={**JSON, "Content-Encoding": coding})
        assert response.status_code == 201

    async def test_header_without_a_body_is_ignored(self, alice: Client) -> None:
        await alice.start(await alice.make_task())
        headers = {"Content-Encoding": "gzip"}
        assert (await alice.get("/tasks", headers=headers)).status_code == 200
        assert (await alice.post("/timer/stop", headers=headers)).status_code == 200


class TestMergePatch:
    async def test_patch_accepts_the_media_type(self, alice: Client) -> None:
        task, headers = await alice.make_task(), {"Content-Type": "application/merge-patch+json; charset=utf-8"}
        response = await alice.patch(f"/tasks/{task['id']}", content=b'{"title": "y"}', headers=headers)
        assert (response.status_code, response.json()["title"]) == (200, "y")

    async def test_every_patch_accepts_the_media_type(self, app: FastAPI, alice: Client) -> None:
        names = await create_one_of_each(alice, "word")
        await alice.start({"id": names["task_id"]})
        changes = [operation for operation in operations_with_bodies(app) if operation[1] == "patch"]
        assert len(changes) >= 5
        for operation_id, _, path, _ in changes:
            sent: Json = fill_placeholders(REQUESTS[operation_id], names)
            response = await alice.patch(
                alice.base_url.join(path.format_map(names)),
                **sent,
                headers={"Content-Type": "application/merge-patch+json"},
            )
            assert response.status_code == 200, (operation_id, response.text)

    async def test_post_with_the_media_type_is_415(self, alice: Client) -> None:
        headers = {"Content-Type": "application/merge-patch+json"}
        response = await alice.post("/tasks", content=b'{"title": "x"}', headers=headers)
        problem(response, 415, "unsupported_media_type")


def booleans(app: FastAPI) -> list[tuple[str, str, str]]:
    """Return each boolean query parameter: operation id, path, name."""
    return [
        (operation.id, operation.path, parameter["name"])
        for operation in operations(app)
        for parameter in app.openapi()["paths"][operation.path][operation.method.lower()].get("parameters", [])
        if parameter["in"] == "query" and "boolean" in str(parameter["schema"])
    ]


VALID_BOOLEANS = ("true", "FALSE", "True", "false", "TRUE", "False")
INVALID_BOOLEANS = ("1", "0", "yes", "", "t", " true")


class TestBooleans:
    async def test_query_parameter_is_true_or_false_in_any_case(self, app: FastAPI, alice: Client) -> None:
        names = await create_one_of_each(alice, "word")
        flags = booleans(app)
        assert len(flags) >= 15
        methods = {operation.id: operation.method for operation in operations(app)}
        for number, (operation_id, path, name) in enumerate(flags):
            # The long mode sends all values to each operation, the usual one two of them in turn.
            some = slice(None) if LONG else slice(number % 3 * 2, number % 3 * 2 + 2)
            sent: Json = fill_placeholders(REQUESTS.get(operation_id, {}), names)
            statuses = {}
            for value in VALID_BOOLEANS[some] + INVALID_BOOLEANS[some]:
                arguments: Any = {**sent, "params": {**sent.get("params", {}), name: value}}
                address = alice.base_url.join(path.format_map(names))
                statuses[value] = (await alice.request(methods[operation_id], address, **arguments)).status_code
            valid = {statuses.pop(value) for value in VALID_BOOLEANS[some]}
            assert valid <= {200, 201, 202}, (operation_id, name)
            assert set(statuses.values()) == {422}, (operation_id, name)

    async def test_case_does_not_change_the_meaning(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.delete(f"/tasks/{task['id']}")
        assert [len((await alice.list(deleted=value))["items"]) for value in ("True", "FALSE")] == [1, 0]

    @pytest.mark.parametrize(("value", "task_count"), [("True", 0), ("FALSE", 1), ("False", 1)])
    async def test_case_does_not_change_the_meaning_in_a_form(self, alice: Client, value: str, task_count: int) -> None:
        await alice.import_csv("2026-11-02 09:00,2026-11-02 10:00,Mail", dry_run=value, strict="True")
        assert len((await alice.list())["items"]) == task_count

    async def test_form_field_is_true_or_false_in_any_case(self, app: FastAPI, alice: Client) -> None:
        (shape,) = (
            next(iter(operation["requestBody"]["content"].values()))["schema"]["$ref"].rpartition("/")[2]
            for operation in app.openapi()["paths"][f"{API}/imports"].values()
            if "requestBody" in operation
        )
        fields = app.openapi()["components"]["schemas"][shape]["properties"]
        flags = [name for name, schema in fields.items() if schema.get("type") == "boolean"]
        assert set(flags) >= {"dry_run", "strict"}
        file = {"file": ("x.csv", b"Start,End,Task\n2026-11-02 09:00,2026-11-02 10:00,Mail")}
        for name in flags:
            for value in ("True", "FALSE", "false", "yes", "1"):
                form = {"format": "csv", "timezone": "UTC", "dry_run": "True", name: value}
                response = await alice.post("/imports", data=form, files=file)
                assert response.is_success == (value.lower() in {"true", "false"}), (name, value, response.text)

    async def test_json_field_is_a_json_boolean(self, alice: Client) -> None:
        for wrong in ("true", "True", 1, 0, "false"):
            response = await alice.post("/tasks", json={"title": "x", "billable": wrong})
            problem(response, 422, "invalid_request")
