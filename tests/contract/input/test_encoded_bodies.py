"""Bodies in a form that is not read here, and booleans as programs write them."""

import gzip
import zlib
from typing import Any

import pytest
from fastapi import FastAPI

from tests.conftest import Database
from tests.contract.operations import REQUESTS, everything, filled, operations, some_of_everything
from tests.support.http import API, Client, Json, problem

JSON = {"Content-Type": "application/json"}


def with_bodies(app: FastAPI) -> list[tuple[str, str, str, str]]:
    """The operations that take a body: id, method, path, media type."""
    paths = app.openapi()["paths"]
    return [
        (said["operationId"], method, path, next(iter(said["requestBody"]["content"])))
        for path, methods in paths.items()
        for method, said in methods.items()
        if "requestBody" in said
    ]


class TestABodyWithAContentEncoding:
    @pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "x-unknown", "GZIP", "identity, gzip"])
    async def test_is_415_and_never_unpacked(self, alice: Client, coding: str) -> None:
        packed = zlib.compress(b'{"title": "x"}') if coding == "deflate" else gzip.compress(b'{"title": "x"}')
        for content in (packed, b'{"title": "x"}'):
            response = await alice.post("/tasks", content=content, headers={**JSON, "Content-Encoding": coding})
            body = problem(response, 415, "unsupported_media_type")
            assert "Content-Encoding" in body["detail"]
            assert response.headers["accept-encoding"] == "identity"
        assert (await alice.list())["items"] == []

    async def test_is_415_for_every_operation_that_takes_one(
        self, app: FastAPI, alice: Client, database: Database
    ) -> None:
        names = await some_of_everything(alice, "word")
        before = await everything(database)
        found = with_bodies(app)
        assert len(found) >= 25
        for operation_id, method, path, media_type in found:
            headers = {"Content-Type": media_type, "Content-Encoding": "gzip"}
            response = await alice.request(
                method,
                alice.base_url.join(path.format_map(names)),
                content=gzip.compress(b"{}"),
                headers=headers,
            )
            assert response.status_code == 415, operation_id
            problem(response, 415, "unsupported_media_type")
        after = await everything(database)
        assert {**after, "audit_events": []} == {**before, "audit_events": []}

    async def test_comes_after_401_and_403(self, anonymous: Client, alice: Client) -> None:
        headers = {**JSON, "Content-Encoding": "gzip"}
        problem(await anonymous.post("/tasks", content=b"x", headers=headers), 401, "not_authenticated")
        made = await alice.post("/auth/api-tokens", json={"name": "x", "scopes": ["read"]})
        headers["Authorization"] = f"Bearer {made.json()['token']}"
        problem(await anonymous.post("/tasks", content=b"x", headers=headers), 403, "insufficient_scope")

    @pytest.mark.parametrize("coding", ["identity", "Identity", ""])
    async def test_is_read_when_the_coding_is_none(self, alice: Client, coding: str) -> None:
        response = await alice.post("/tasks", content=b'{"title": "x"}', headers={**JSON, "Content-Encoding": coding})
        assert response.status_code == 201

    async def test_is_no_matter_where_there_is_no_body(self, alice: Client) -> None:
        await alice.start(await alice.make_task())
        headers = {"Content-Encoding": "gzip"}
        assert (await alice.get("/tasks", headers=headers)).status_code == 200
        assert (await alice.post("/timer/stop", headers=headers)).status_code == 200


class TestAJsonMergePatch:
    async def test_may_be_called_so(self, alice: Client) -> None:
        task, headers = await alice.make_task(), {"Content-Type": "application/merge-patch+json; charset=utf-8"}
        response = await alice.patch(f"/tasks/{task['id']}", content=b'{"title": "y"}', headers=headers)
        assert (response.status_code, response.json()["title"]) == (200, "y")

    async def test_may_be_called_so_by_every_change(self, app: FastAPI, alice: Client) -> None:
        names = await some_of_everything(alice, "word")
        await alice.start({"id": names["task_id"]})
        changes = [found for found in with_bodies(app) if found[1] == "patch"]
        assert len(changes) >= 5
        for operation_id, _, path, _ in changes:
            sent: Json = filled(REQUESTS[operation_id], names)
            response = await alice.patch(
                alice.base_url.join(path.format_map(names)),
                **sent,
                headers={"Content-Type": "application/merge-patch+json"},
            )
            assert response.status_code == 200, (operation_id, response.text)

    async def test_is_nothing_but_a_change(self, alice: Client) -> None:
        headers = {"Content-Type": "application/merge-patch+json"}
        response = await alice.post("/tasks", content=b'{"title": "x"}', headers=headers)
        problem(response, 415, "unsupported_media_type")


def booleans(app: FastAPI) -> list[tuple[str, str, str]]:
    """Every boolean query parameter: operation id, path, name."""
    return [
        (operation.id, operation.path, parameter["name"])
        for operation in operations(app)
        for parameter in app.openapi()["paths"][operation.path][operation.method.lower()].get("parameters", [])
        if parameter["in"] == "query" and "boolean" in str(parameter["schema"])
    ]


class TestABoolean:
    async def test_is_true_or_false_in_any_case_in_every_query(self, app: FastAPI, alice: Client) -> None:
        names = await some_of_everything(alice, "word")
        found = booleans(app)
        assert len(found) >= 15
        methods = {operation.id: operation.method for operation in operations(app)}
        for operation_id, path, name in found:
            sent: Json = filled(REQUESTS.get(operation_id, {}), names)
            answers = {}
            for said in ("true", "True", "TRUE", "false", "False", "FALSE", "1", "0", "yes", "", "t", " true"):
                asked: Any = {**sent, "params": {**sent.get("params", {}), name: said}}
                address = alice.base_url.join(path.format_map(names))
                answers[said] = (await alice.request(methods[operation_id], address, **asked)).status_code
            understood = {answers.pop(said) for said in ("true", "True", "TRUE", "false", "False", "FALSE")}
            assert understood <= {200, 201, 202}, (operation_id, name)
            assert set(answers.values()) == {422}, (operation_id, name)

    async def test_means_what_it_says_in_any_case(self, alice: Client) -> None:
        task = await alice.make_task()
        await alice.delete(f"/tasks/{task['id']}")
        assert [len((await alice.list(deleted=said))["items"]) for said in ("True", "FALSE")] == [1, 0]

    @pytest.mark.parametrize(("said", "made"), [("True", 0), ("FALSE", 1), ("False", 1)])
    async def test_is_so_in_a_form(self, alice: Client, said: str, made: int) -> None:
        await alice.read_in("2026-11-02 09:00,2026-11-02 10:00,Mail", dry_run=said, strict="True")
        assert len((await alice.list())["items"]) == made

    async def test_is_true_or_false_in_any_case_in_every_form(self, app: FastAPI, alice: Client) -> None:
        (shape,) = (
            next(iter(said["requestBody"]["content"].values()))["schema"]["$ref"].rpartition("/")[2]
            for said in app.openapi()["paths"][f"{API}/imports"].values()
            if "requestBody" in said
        )
        fields = app.openapi()["components"]["schemas"][shape]["properties"]
        found = [name for name, said in fields.items() if said.get("type") == "boolean"]
        assert set(found) >= {"dry_run", "strict"}
        file = {"file": ("x.csv", b"Start,End,Task\n2026-11-02 09:00,2026-11-02 10:00,Mail")}
        for name in found:
            for said in ("True", "FALSE", "false", "yes", "1"):
                form = {"format": "csv", "timezone": "UTC", "dry_run": "True", name: said}
                response = await alice.post("/imports", data=form, files=file)
                assert response.is_success == (said.lower() in {"true", "false"}), (name, said, response.text)

    async def test_is_a_json_boolean_in_a_body(self, alice: Client) -> None:
        for wrong in ("true", "True", 1, 0, "false"):
            response = await alice.post("/tasks", json={"title": "x", "billable": wrong})
            problem(response, 422, "invalid_request")
