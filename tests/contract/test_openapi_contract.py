import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from openapi_spec_validator import validate
from pydantic import TypeAdapter, ValidationError

from app.security.scopes import SCOPES
from routes.health import Health
from services.accounts.schemas.users import TokenRead, UserRead
from services.reporting.schemas import (
    RecentTask,
    ReportRow,
    ReportSlice,
    SummaryRead,
    SummaryRow,
    TimesheetRead,
    TimesheetRow,
    TodayRead,
)
from services.tracking.schemas.entries import EntryPage, EntryRead
from services.tracking.schemas.projects import ProjectPage, ProjectRead
from services.tracking.schemas.tags import TagPage, TagRead, TagRenameResult
from services.tracking.schemas.tasks import TaskPage, TaskRead, TaskWithEntries
from services.tracking.schemas.timer import TimerRead, TimerStopResult
from services.transfer.schemas.imports import ImportPage, ImportRead, ImportUndoResult
from tests.conftest import MakeUser
from tests.paths import ROOT
from tests.support.http import API, PASSWORD, Client, Json, ago

PROBLEM = "application/problem+json"
METHODS = {"get", "post", "put", "patch", "delete"}
ANOTHER = {
    # What a tour through one service cannot meet: test_error_contract.py, test_signing_in.py and
    # test_imports.py meet it.
    ("register", "403"),
    ("import_file", "413"),
    # test_retries.py meets a request that is still under way, test_switching.py a task that is full.
    ("create_task", "409"),
    ("restore_task", "409"),
    ("change_tasks", "409"),
    ("rename_tag", "409"),
    ("stop_timer", "409"),
    ("switch_timer", "409"),
    # test_background_imports.py meets an import that is still running.
    ("take_back_import", "409"),
}
DATA = {"example", "examples", "default", "const", "enum"}
"""What stands below these words are values, not schemas."""

FORMATS = ("csv", "xlsx", "ndjson", "ics")
NEEDED = {
    "report_summary": {"from", "to"},
    **{f"export_time_entries_as_{form}": {"from", "to"} for form in FORMATS},
}
"""The query parameters that have no default."""


@pytest.fixture(scope="module")
def document(app: FastAPI) -> Json:
    shown: Json = json.loads(json.dumps(app.openapi()))
    return shown


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert method in METHODS
            yield path, method, operation


def contents(answer: Json) -> Json:
    found: Json = answer.get("content", {})
    return found


def validator(document: Json, schema: Json) -> OAS31Validator:
    whole = {**schema, "components": document["components"]}
    return OAS31Validator(whole, format_checker=oas31_format_checker)


def examples_of(document: Json, content: Json) -> list[Any]:
    """The examples beside a schema, or in the schema that it refers to."""
    if "examples" in content:
        return [example["value"] for example in content["examples"].values()]
    schema = content["schema"]
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    found: list[Any] = schema.get("examples", [])
    return found


def nodes(node: Any, path: str = "#") -> Iterator[tuple[str, Json]]:
    """Every object of the document that is no example, with its place."""
    if isinstance(node, dict):
        yield path, node
        for name, below in node.items():
            if name not in DATA or path.endswith("/properties"):
                yield from nodes(below, f"{path}/{name}")
    elif isinstance(node, list):
        for index, below in enumerate(node):
            yield from nodes(below, f"{path}/{index}")


def schemas(document: Json) -> Iterator[tuple[str, Json]]:
    """Every schema of the document, with its place."""
    words = {"type", "anyOf", "allOf", "oneOf", "enum", "const", "$ref", "default"}
    for path, node in nodes(document):
        if node.keys() & words and not path.endswith("/properties"):
            yield path, node


class TestTheDocument:
    def test_is_the_one_that_is_committed(self, document: Json) -> None:
        committed = json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))
        assert committed == document, "it has changed: task-timer openapi > openapi.json"

    def test_is_what_the_command_prints(self, document: Json, tmp_path: Path) -> None:
        command = [sys.executable, "-c", "from app.commands.cli import main; main()", "openapi"]
        printed = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout
        assert json.loads(printed) == document

    def test_is_valid(self, document: Json) -> None:
        validate(document)

    def test_says_where_a_token_comes_from(self, document: Json) -> None:
        scheme = document["components"]["securitySchemes"]["Password"]
        assert scheme["type"] == "oauth2"
        token_url = scheme["flows"]["password"]["tokenUrl"]
        assert document["paths"][token_url]["post"]["operationId"] == "sign_in"
        (media_type,) = document["paths"][token_url]["post"]["requestBody"]["content"]
        assert media_type == "application/x-www-form-urlencoded"

    def test_refers_to_nothing_that_is_missing_and_defines_nothing_in_vain(self, document: Json) -> None:
        named = {part.split('"')[0] for part in json.dumps(document).split('"#/components/schemas/')[1:]}
        assert named == document["components"]["schemas"].keys()


class TestAnOperation:
    def test_is_named_after_its_function(self, app: FastAPI, document: Json) -> None:
        named = {
            (route.path, method.lower()): route.endpoint.__name__
            for route in iter_route_contexts(app.routes)
            for method in route.methods or ()
            if route.endpoint
        }
        ids = [operation["operationId"] for _, _, operation in operations(document)]
        assert len(ids) == len(set(ids)) >= 16
        for path, method, operation in operations(document):
            assert operation["operationId"] == named[path, method]

    def test_has_a_summary_a_description_and_a_tag(self, document: Json) -> None:
        for path, method, operation in operations(document):
            place = f"{method} {path}"
            assert operation["summary"], place
            assert not operation["summary"].endswith("."), place
            assert operation["description"], place
            assert len(operation["tags"]) == 1, place
        summaries = [operation["summary"] for _, _, operation in operations(document)]
        assert len(summaries) == len(set(summaries))

    def test_shows_valid_examples_of_what_it_takes(self, document: Json) -> None:
        for path, method, operation in operations(document):
            for content in operation.get("requestBody", {}).get("content", {}).values():
                found = examples_of(document, content)
                assert found, f"{method} {path}"
                for example in found:
                    validator(document, content["schema"]).validate(example)

    def test_shows_valid_examples_of_what_it_answers(self, document: Json) -> None:
        for path, method, operation in operations(document):
            for status, answer in operation["responses"].items():
                for content in contents(answer).values():
                    found = examples_of(document, content)
                    assert found, f"{method} {path} {status}"
                    for example in found:
                        validator(document, content["schema"]).validate(example)

    def test_answers_errors_as_problems_alone(self, document: Json) -> None:
        for path, method, operation in operations(document):
            needs_the_database = path not in {"/health", "/health/live", f"{API}/config"}
            assert "422" in operation["responses"], f"{method} {path}"
            assert ("503" in operation["responses"]) is needs_the_database, f"{method} {path}"
            for status, answer in operation["responses"].items():
                place = f"{method} {path} {status}"
                assert answer["description"] not in {"", "Successful Response"}, place
                if status >= "400":
                    assert answer["content"].keys() == {PROBLEM}, place
                    shown = answer["content"][PROBLEM]
                    assert shown["schema"] == {"$ref": "#/components/schemas/Problem"}, place
                    for code, example in shown["examples"].items():
                        assert (example["value"]["code"], str(example["value"]["status"])) == (code, status), place
                        assert "on the server" not in example["value"]["detail"], place
                elif status in {"204", "304"}:
                    assert "content" not in answer, place
                else:
                    is_file = operation["operationId"].startswith("export_")
                    assert len(answer["content"]) == 1, place
                    assert is_file or answer["content"].keys() == {"application/json"}, place

    def test_asks_for_a_token_unless_it_is_open_to_all(self, document: Json) -> None:
        named = {operation["operationId"] for _, _, operation in operations(document) if not operation["security"]}
        assert named == {
            "health",
            "health_live",
            "health_ready",
            "get_config",
            "register",
            "sign_in",
            "refresh_session",
        }
        for _, _, operation in operations(document):
            assert bool(operation["security"]) <= ("401" in operation["responses"])

    def test_describes_each_parameter(self, document: Json) -> None:
        for path, method, operation in operations(document):
            for parameter in operation.get("parameters", ()):
                assert parameter["in"] in {"path", "query", "header"}
                place = f"{method} {path} {parameter['name']}"
                assert parameter["description"], place
                needed = parameter["in"] == "path" or parameter["name"] in NEEDED.get(operation["operationId"], ())
                assert parameter.get("required", False) == needed, place


class TestASchema:
    def test_has_no_default_of_null(self, document: Json) -> None:
        assert [path for path, schema in schemas(document) if schema.get("default", ...) is None] == []

    def test_of_a_choice_has_a_name(self, document: Json) -> None:
        inline = [path for path, schema in schemas(document) if "enum" in schema]
        assert all(re.fullmatch(r"#/components/schemas/\w+", path) for path in inline), inline

    def test_of_a_choice_stands_there_once(self, document: Json) -> None:
        named = document["components"]["schemas"]
        values = Counter(tuple(schema["enum"]) for schema in named.values() if "enum" in schema)
        assert set(values.values()) == {1}
        assert {"OverlapPolicy", "TaskStatus", "Scope", "ImportFormat", "RoundingScope"} <= named.keys()

    def test_of_a_body_has_no_default_that_would_make_a_field_required(self, document: Json) -> None:
        bodies = [
            path
            for path, schema in schemas(document)
            if path.startswith("#/components/schemas/") and "default" in schema
        ]
        assert bodies == []

    def test_of_an_object_has_a_name(self, document: Json) -> None:
        inline = [
            path
            for path, schema in schemas(document)
            if "properties" in schema and not re.fullmatch(r"#/components/schemas/\w+", path)
        ]
        assert inline == []

    def test_is_called_what_it_is(self, document: Json) -> None:
        for name, schema in document["components"]["schemas"].items():
            assert re.fullmatch(r"([A-Z][a-z]+)+", name), name
            assert schema.get("title", name) == name

    def test_shows_examples_that_are_valid(self, document: Json) -> None:
        shown = 0
        for _, schema in schemas(document):
            whole = {**schema, "components": document["components"]}
            for example in schema.get("examples", ()):
                OAS31Validator(whole, format_checker=oas31_format_checker).validate(example)
                shown += 1
        assert shown > 50


class TestAParameter:
    def test_is_never_null(self, document: Json) -> None:
        for path, method, operation in operations(document):
            for parameter in operation.get("parameters", ()):
                assert "null" not in json.dumps(parameter["schema"]), f"{method} {path} {parameter['name']}"


class TestAFile:
    def test_is_a_plain_text_where_its_media_type_is_one(self, document: Json) -> None:
        texts = {}
        for _, _, operation in operations(document):
            for answer in operation["responses"].values():
                for media_type, content in answer.get("content", {}).items():
                    if media_type.startswith("text/"):
                        texts[media_type] = content["schema"]
        assert texts.keys() == {"text/csv", "text/calendar"}
        assert all(schema["type"] == "string" and "format" not in schema for schema in texts.values())


class TestSecurity:
    def test_offers_a_password_or_a_token(self, document: Json) -> None:
        schemes = document["components"]["securitySchemes"]
        assert schemes.keys() == {"Password", "Bearer"}
        assert (schemes["Bearer"]["type"], schemes["Bearer"]["scheme"]) == ("http", "bearer")
        assert schemes["Password"]["flows"]["password"]["scopes"] == SCOPES

    def test_takes_a_token_wherever_one_of_its_scopes_is_enough(self, document: Json) -> None:
        refused = {"users", "auth"}
        for path, method, operation in operations(document):
            place, (tag,), asked = f"{method} {path}", operation["tags"], operation["security"]
            if not asked:
                continue
            if tag in refused:
                assert asked == [{"Password": []}], place
            else:
                *sessions, token = asked
                assert token == {"Bearer": []}, place
                scopes = [scope for scheme in sessions for scope in scheme["Password"]]
                assert len(scopes) == len(sessions) >= 1, place


class TestTheWhole:
    def test_says_where_it_is_served_and_on_what_terms(self, document: Json) -> None:
        assert document["servers"] == [{"url": "/"}]
        assert document["info"]["license"] == {"name": "MIT", "identifier": "MIT"}
        assert document["info"]["description"]

    def test_describes_each_tag_that_it_uses(self, document: Json) -> None:
        used = {tag for _, _, operation in operations(document) for tag in operation["tags"]}
        assert {tag["name"] for tag in document["tags"]} == used
        assert all(tag["description"] for tag in document["tags"])

    def test_describes_each_header_that_it_uses(self, document: Json) -> None:
        used = {
            reference["$ref"]
            for _, _, operation in operations(document)
            for answer in operation["responses"].values()
            for reference in answer["headers"].values()
        }
        headers = document["components"]["headers"]
        assert used == {f"#/components/headers/{name}" for name in headers}
        assert all(header["description"] and header["schema"] for header in headers.values())

    def test_tells_what_to_wait_for(self, document: Json) -> None:
        for path, method, operation in operations(document):
            for status in operation["responses"].keys() & {"429", "503"}:
                assert "Retry-After" in operation["responses"][status]["headers"], f"{method} {path} {status}"


class Tour:
    """Holds every answer of the service against what the document says of it."""

    def __init__(self, document: Json) -> None:
        self.document = document
        self.seen: set[tuple[str, str]] = set()
        self.tokens: dict[str, str] = {}

    async def check(self, response: httpx.Response) -> None:
        await response.aread()
        operation = self.operation(response.request)
        status = str(response.status_code)
        self.seen.add((operation["operationId"], status))
        assert status in operation["responses"], (operation["operationId"], response.text)
        self.check_the_headers(operation["operationId"], status, operation["responses"][status], response)
        declared = contents(operation["responses"][status])
        if not declared:
            assert not response.content
            return
        content = declared[response.headers["content-type"].partition(";")[0]]
        if content["schema"].get("type") == "string":
            assert response.content
            return
        validator(self.document, content["schema"]).validate(response.json())
        if status >= "400":
            assert response.json()["code"] in content["examples"], (operation["operationId"], response.text)

    def check_the_headers(self, name: str, status: str, declared: Json, response: httpx.Response) -> None:
        sent = {header for header in self.document["components"]["headers"] if header in response.headers}
        assert sent <= declared["headers"].keys(), (name, status, sent)
        missing = declared["headers"].keys() - sent - {"Idempotency-Replayed"}
        if status == "403":  # only what refuses a token has a word on it
            missing.discard("WWW-Authenticate")
        assert not missing, (name, status, missing)

    def token_of_another_scope(self, operation: Json) -> str:
        needed = {scope for scheme in operation["security"] for scope in scheme.get("Password", ())}
        return next(token for scope, token in self.tokens.items() if scope not in needed)

    def operation(self, request: httpx.Request) -> Json:
        (path, *_) = (path for path in self.document["paths"] if self.leads_to(path, request.url.path))
        operation: Json = self.document["paths"][path][request.method.lower()]
        return operation

    def leads_to(self, path: str, address: str) -> bool:
        return re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), address) is not None

    async def through_what_any_operation_may_answer(self, client: Client) -> None:
        for path, method, operation in operations(self.document):
            at = re.sub(r"\{\w+\}", "0" * 24, path)
            await client.request(method, at, params={"unknown": "1"})
            if operation["security"]:
                await client.request(method, at, headers={"Authorization": ""})
                await client.request(method, at, headers={"Authorization": "Bearer garbage"})
                await client.request(
                    method, at, headers={"Authorization": f"Bearer {self.token_of_another_scope(operation)}"}
                )
            for media_type in operation.get("requestBody", {}).get("content", ()):
                sent_type = {"Content-Type": media_type}
                await client.request(method, at, content=b"x" * 1_100_000, headers=sent_type)
                await client.request(method, at, content=b"x", headers={"Content-Type": "text/plain"})


async def through_tasks(client: Client) -> None:
    task = await client.make_task(due_at="2026-12-01T12:00:00.250+01:00", priority=0, tags=["a"], estimate_seconds=60)
    await client.make_task(title="Other", status="completed")
    at = f"{API}/tasks/{task['id']}"
    await client.get(at)
    await client.get(at, headers={"If-None-Match": '"1"'})
    await client.patch(at, json={"description": "More"})
    await client.list(limit=1)
    for method, path in (("GET", at), ("PATCH", at), ("DELETE", at), ("POST", f"{at}/restore")):
        missing = path.replace(task["id"], "0" * 24)
        await client.request(method, missing, json={} if method == "PATCH" else None)
        await client.request(method, path, json={} if method == "PATCH" else None, headers={"If-Match": '"99"'})
    await client.delete(at)
    await client.list(deleted=True)
    await client.post(f"{at}/restore")
    operations = [{"op": "create", "body": {"title": "Another"}}, {"op": "delete", "task_id": "nonsense"}]
    for atomic in (False, True):
        await client.post(f"{API}/tasks/bulk", json={"operations": operations, "atomic": atomic})


async def through_projects(client: Client) -> None:
    project = await client.make_project(color="#2F6FDE", hourly_rate={"amount": 9000, "currency": "EUR"})
    at = f"{API}/projects/{project['id']}"
    await client.post(f"{API}/projects", json={"name": "Website"})
    await client.make_project(name="Other")
    await client.get(f"{API}/projects", params={"limit": 1, "archived": "false"})
    await client.get(at)
    await client.patch(at, json={"client_name": "Ada", "archived": True})
    await client.patch(at, json={"hourly_rate": None}, params={"rerate": "true"})
    await client.patch(at, json={"name": "Other"})
    await client.make_task(project_id=project["id"])
    for _ in range(2):
        await client.delete(at)
        await client.get(at)
        await client.patch(at, json={})


async def through_imports(client: Client) -> None:
    line = "2026-11-02 09:00,2026-11-02 10:00,Mail"
    await client.read_in(line, dry_run="true")
    made = await client.read_in(line, "nonsense,2026-11-02 11:00,Mail")
    begun = await client.read_in("2026-11-02 11:00,2026-11-02 12:00,Mail", wait="false")
    while (await client.get(f"{API}/imports/{begun['id']}")).json()["status"] == "running":
        continue
    await client.get(f"{API}/imports", params={"limit": 1})
    at = f"{API}/imports/{made['id']}"
    for method in ("GET", "DELETE"):
        await client.request(method, at)
        await client.request(method, at.replace(made["id"], "0" * 24))


async def through_tags(client: Client) -> None:
    await client.make_task(tags=["mail", "work"])
    await client.get(f"{API}/tags", params={"limit": 1})
    await client.post(f"{API}/tags/rename", json={"from": "mail", "to": "e-mail"})


async def through_reports(client: Client) -> None:
    rate = {"hourly_rate": {"amount": 9000, "currency": "EUR"}}
    project = await client.make_project(name="Reported", billable=True, **rate)
    task = await client.make_task(project_id=project["id"], tags=["t"])
    span = {"started_at": "2026-11-18T23:30:00Z", "duration_seconds": 3600}
    await client.post(f"{API}/tasks/{task['id']}/time-entries", json=span)
    await client.start(task)
    week = {"from": "2026-11-16", "to": "2026-11-23"}
    for sent in ({}, {"group_by": "project,tag", "rounding": "up:15", "explain": "true"}, {"fill": "true"}):
        await client.get(f"{API}/reports/summary", params={**week, **sent})
    await client.get(f"{API}/reports/timesheet", params={"date": "2026-11-18"})
    await client.get(f"{API}/reports/today")
    await client.stop()


async def through_exports(client: Client) -> None:
    november = {"from": "2026-11-01", "to": "2026-12-01"}
    for form in FORMATS:
        await client.get(f"{API}/exports/time-entries.{form}", params=november)
    await client.get(f"{API}/exports/account.ndjson.gz")


async def through_time_entries(client: Client) -> None:
    task = await client.make_task()
    timer = await client.start(task)
    entries, entry_id = f"{API}/tasks/{task['id']}/time-entries", timer["entry"]["id"]
    at = f"{entries}/{entry_id}"
    for _ in range(2):  # while it runs, and once it has ended
        etag = (await client.get(at)).headers["etag"]
        await client.get(at, headers={"If-None-Match": etag})
        await through_what_changes_an_entry(client, entries, entry_id)
        await client.post(f"{API}/timer/stop")
    await client.get(at.replace(entry_id, "0" * 24))
    for path in (entries, f"{API}/tasks/none/time-entries", f"{API}/time-entries"):
        await client.get(path)


async def through_what_changes_an_entry(client: Client, entries: str, entry_id: str) -> None:
    other = await client.make_task(title="Other")
    span = {"started_at": "2026-11-18T09:00:00Z", "duration_seconds": 60}
    stale, forbid = {"If-Match": '"99"'}, {"overlap": "forbid"}
    made = (await client.post(entries, json=span, params={"overlap": "warn"})).json()
    await client.post(entries, json=span, params=forbid)
    await client.post(entries, json=span, headers=stale)
    await client.post(f"{API}/tasks/none/time-entries", json=span)
    await client.patch(f"{API}/timer", json={"started_at": span["started_at"]}, params=forbid)
    await client.post(entries, json={**span, "started_at": "9000-01-01T00:00:00Z"})
    mine, running = f"{entries}/{made['id']}", f"{entries}/{entry_id}"
    await client.patch(mine, json={"duration_seconds": 61})
    await client.patch(mine, json={"started_at": "9000-01-01T00:00:00Z", "duration_seconds": 1})
    for at, headers in ((running, {}), (mine, stale), (f"{entries}/none", {}), (mine, {})):
        await client.patch(at, json={"note": "n"}, headers=headers)
        await client.post(f"{at}/split", json={"at": "2026-11-18T09:00:30Z"}, headers=headers)
        await client.post(f"{at}/move", json={"task_id": other["id"]}, headers=headers)
        here = at.replace(entries, f"{API}/tasks/{other['id']}/time-entries")
        await client.delete(at, headers=headers)
        await client.delete(here, headers=headers)
    restore = f"{API}/time-entries/{made['id']}/restore"
    await client.post(restore, headers=stale)
    await client.post(entries, json=span)
    await client.post(restore, params=forbid)
    await client.post(restore, params={"overlap": "warn"})
    await client.post(restore.replace(made["id"], "0" * 24))


async def through_the_timer(client: Client) -> None:
    timer = f"{API}/timer"
    task, other = await client.make_task(), await client.make_task(title="Other")
    await client.get(timer)
    await client.post(f"{timer}/stop")
    await client.post(f"{timer}/resume")
    await client.patch(timer, json={"note": "n"})
    await client.post(f"{timer}/start", json={"task_id": "nonsense"})
    await client.post(f"{timer}/start", json={"task_id": task["id"]}, headers={"If-Match": '"99"'})
    await client.post(f"{timer}/start", json={"task_id": task["id"], "started_at": "9000-01-01T00:00:00Z"})
    await client.start(task, note="n", tags=["t"])
    await client.post(f"{timer}/start", json={"task_id": task["id"]})
    await client.post(f"{timer}/start", json={"task_id": other["id"]})
    etag = (await client.get(timer)).headers["etag"]
    await client.get(timer, headers={"If-None-Match": etag})
    await client.patch(timer, json={"note": None, "started_at": "2026-11-18T09:00:00Z"})
    await client.patch(timer, json={"note": "n"}, headers={"If-Match": '"99"'})
    await client.patch(timer, json={"started_at": "9000-01-01T00:00:00Z"})
    await client.post(f"{timer}/stop", headers={"If-Match": '"99"'})
    await client.post(f"{timer}/stop", json={"ended_at": "9000-01-01T00:00:00Z"})
    await client.stop()
    await client.post(f"{timer}/resume", headers={"If-Match": '"99"'})
    for _ in range(2):
        await client.post(f"{timer}/resume")
    await client.stop()
    await client.start(other)
    await client.post(f"{timer}/resume")
    await client.stop()
    await client.read(task)
    await client.delete(timer)
    for sent in ({"task_id": task["id"]}, {"task_id": other["id"]}, {"task_id": "nonsense"}):
        await client.post(f"{timer}/switch", json=sent)
    stale = {"If-Match": '"99"'}
    await client.post(f"{timer}/switch", json={"task_id": task["id"]}, headers=stale)
    await client.post(f"{timer}/switch", json={"task_id": task["id"], "at": "9000-01-01T00:00:00Z"})
    await client.delete(timer, headers=stale)
    await client.delete(timer)


async def through_sessions(client: Client) -> dict[str, str]:
    """API tokens of some scopes."""
    account = {"email": "grace@example.com", "password": PASSWORD}
    await client.post(f"{API}/users", json=account)
    form = {"username": account["email"], "password": PASSWORD}
    tokens = (await client.post(f"{API}/auth/token", data=form)).json()
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    for sent in (tokens["refresh_token"], "x"):
        await client.post(f"{API}/auth/refresh", json={"refresh_token": sent})
    await client.post(f"{API}/auth/logout", headers=bearer)
    for at, word in ((f"{API}/auth/password", "current_password"), (f"{API}/users/me", "password")):
        tokens = (await client.post(f"{API}/auth/token", data=form)).json()
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        method = "POST" if word == "current_password" else "DELETE"
        for password in ("wrong", PASSWORD):
            body = {word: password} | ({"new_password": PASSWORD} if method == "POST" else {})
            await client.request(method, at, json=body, headers=bearer)
    mine = f"{API}/auth/api-tokens"
    made = {}
    for scope in ("read", "write", "reports"):
        token = (await client.post(mine, json={"name": scope, "scopes": [scope]})).json()
        made[scope] = token["token"]
    await client.get(mine, params={"limit": 1})
    gone = (await client.post(mine, json={"name": "gone", "scopes": ["timer"]})).json()
    for _ in range(2):
        await client.delete(f"{mine}/{gone['id']}")
    await client.get(f"{API}/users/me/audit", params={"limit": 1})
    email = {"email": "ada@example.com", "current_password": PASSWORD}
    await client.patch(f"{API}/users/me", json=email)
    await client.patch(f"{API}/users/me", json={**email, "current_password": "wrong"})
    return made


async def through_accounts(client: Client) -> None:
    account = {"email": "ada@example.com", "password": PASSWORD}
    for _ in range(2):
        await client.post(f"{API}/users", json=account)
    for password in (PASSWORD, "wrong"):
        await client.post(f"{API}/auth/token", data={"username": "ada@example.com", "password": password})
    await client.get(f"{API}/users/me")
    await client.patch(f"{API}/users/me", json={"full_name": "Alice", "preferences": {"timer_cap_hours": 8}})


class ClientOfTheRoot(Client):
    """A client whose shortcuts reach the API although it begins at the root."""

    def _merge_url(self, url: httpx._types.URLTypes) -> httpx.URL:
        path = str(url)
        return super()._merge_url(
            API + path if path.startswith(("/tasks", "/timer", "/projects", "/imports")) else path
        )


class TestEveryAnswer:
    async def test_is_what_the_document_says(self, document: Json, alice: Client, address: str) -> None:
        tour = Tour(document)
        hooks = {"response": [tour.check]}
        async with ClientOfTheRoot(base_url=address, headers=alice.headers, event_hooks=hooks, timeout=30) as client:
            for path in ("/health", "/health/live", "/health/ready", f"{API}/config"):
                await client.get(path)
            await through_accounts(client)
            tour.tokens = await through_sessions(client)
            await through_tasks(client)
            await through_the_timer(client)
            await through_time_entries(client)
            await through_projects(client)
            await through_tags(client)
            await through_reports(client)
            await through_exports(client)
            await through_imports(client)
            await tour.through_what_any_operation_may_answer(client)
        declared = {
            (operation["operationId"], status)
            for _, _, operation in operations(document)
            for status in operation["responses"]
            if status not in {"429", "503"}  # tests/accounts/test_rate_limits.py and test_error_contract.py have those
        }
        assert declared - ANOTHER == tour.seen


def refuses_more_and_less(shape: Any, raw: bytes) -> None:
    """The answer matches the shape exactly: with a member more, or one less, it would not."""
    adapter = TypeAdapter(shape)
    adapter.validate_json(raw, strict=True)
    answer = json.loads(raw)
    with pytest.raises(ValidationError, match="extra_forbidden"):
        adapter.validate_python({**answer, "more": 1})
    for name in answer:
        with pytest.raises(ValidationError, match="missing"):
            adapter.validate_python({key: value for key, value in answer.items() if key != name})


class TestTheShapes:
    async def test_match_what_the_service_answers_exactly(self, make_user: MakeUser, alice: Client) -> None:
        task = await alice.make_task(description="d", tags=["a"], priority=1, due_at="2026-12-01T12:00:00Z")
        at = f"/tasks/{task['id']}"
        refuses_more_and_less(TaskRead, (await alice.patch(at, json={})).content)
        started = await alice.post("/timer/start", json={"task_id": task["id"], "note": "n"})
        refuses_more_and_less(TimerRead, started.content)
        refuses_more_and_less(EntryRead, json.dumps(started.json()["entry"]).encode())
        refuses_more_and_less(TaskWithEntries, (await alice.get(at)).content)
        stopped = await alice.post("/timer/stop")
        refuses_more_and_less(TimerStopResult, stopped.content)
        refuses_more_and_less(EntryRead, json.dumps(stopped.json()["entry"]).encode())
        refuses_more_and_less(TaskWithEntries, (await alice.get(at)).content)
        refuses_more_and_less(TaskPage, (await alice.get("/tasks")).content)
        week = {"from": ago(days=3), "to": ago(days=-3)}
        summary = await alice.get("/reports/summary", params=week)
        refuses_more_and_less(SummaryRead, summary.content)
        explained = await alice.get("/reports/summary", params={**week, "group_by": "task,day", "explain": "true"})
        (row,) = explained.json()["rows"]
        for kind, shown in ((SummaryRow, row), (ReportRow, row["rows"][0]), (ReportSlice, row["rows"][0]["slices"][0])):
            TypeAdapter(kind).validate_json(json.dumps(shown), strict=True)
        timesheet = await alice.get("/reports/timesheet")
        refuses_more_and_less(TimesheetRead, timesheet.content)
        refuses_more_and_less(TimesheetRow, json.dumps(timesheet.json()["rows"][0]).encode())
        today = await alice.get("/reports/today")
        refuses_more_and_less(TodayRead, today.content)
        refuses_more_and_less(RecentTask, json.dumps(today.json()["recent_tasks"][0]).encode())
        project = await alice.post("/projects", json={"name": "Website"})
        refuses_more_and_less(ProjectRead, project.content)
        rerated = await alice.patch(f"/projects/{project.json()['id']}", json={}, params={"rerate": "true"})
        assert rerated.json() == {**project.json(), "rerated_entries": 0}
        refuses_more_and_less(ProjectPage, (await alice.get("/projects")).content)
        tags = await alice.get("/tags")
        refuses_more_and_less(TagPage, tags.content)
        refuses_more_and_less(TagRead, json.dumps(tags.json()["items"][0]).encode())
        renamed = await alice.post("/tags/rename", json={"from": "a", "to": "b"})
        refuses_more_and_less(TagRenameResult, renamed.content)
        refuses_more_and_less(EntryPage, (await alice.get("/time-entries")).content)
        refuses_more_and_less(EntryPage, (await alice.get(f"{at}/time-entries")).content)
        line = "2026-11-02 09:00,2026-11-02 10:00,Mail"
        made = await alice.read_in(line)
        refuses_more_and_less(ImportRead, json.dumps(made).encode())
        refuses_more_and_less(ImportPage, (await alice.get("/imports")).content)
        refuses_more_and_less(ImportUndoResult, (await alice.delete(f"/imports/{made['id']}")).content)
        refuses_more_and_less(UserRead, (await alice.get("/users/me")).content)
        bob = await make_user("bob@example.com")
        form = {"username": "bob@example.com", "password": PASSWORD}
        refuses_more_and_less(TokenRead, (await bob.post("/auth/token", data=form)).content)

    async def test_match_the_health_too(self, address: str) -> None:
        async with Client(base_url=address) as client:
            refuses_more_and_less(Health, (await client.get("/health")).content)
